// Which requests the log page shows: the choices, as they stand in the page's address, and the controls for them.
import { count } from "../format.js";
import { guard, html } from "../lit.js";

/** @typedef {import("./book.js").Filter} Filter */

/** @type {Filter} */
export const ALL = { text: "", show: "all", node: "", model: "" };

/** @param {string} query What follows the "?" of an address. @returns {Filter} */
export function filterOf(query) {
  const asked = new URLSearchParams(query);
  const show = asked.get("show");
  return {
    text: asked.get("q") ?? "",
    show: show === "success" || show === "errors" ? show : "all",
    node: asked.get("node") ?? "",
    model: asked.get("model") ?? "",
  };
}

/** The query for an address that shows the same; "" for one that shows all. @param {Filter} filter */
export function queryOf({ text, show, node, model }) {
  const query = new URLSearchParams();
  if (text !== "") query.set("q", text);
  if (show !== "all") query.set("show", show);
  if (node !== "") query.set("node", node);
  if (model !== "") query.set("model", model);
  return query.size === 0 ? "" : `?${query}`;
}

/**
 * @param {string} label @param {string} all What stands for any. @param {readonly string[]} names
 * @param {string} chosen Listed whether it is among `names` or not. @param {(name: string) => void} choose
 */
function selectView(label, all, names, chosen, choose) {
  const listed = chosen === "" || names.includes(chosen) ? names : [chosen, ...names];
  const onChange = (/** @type {Event} */ { target }) => choose(/** @type {HTMLSelectElement} */ (target).value);
  // Drawn again only when the names are others: an open list would close.
  return guard(
    [chosen, listed.join("\n")],
    () => html`<label>${label}
      <select @change=${onChange}>
        <option value="" .selected=${chosen === ""}>${all}</option>
        ${listed.map((name) => html`<option value=${name} .selected=${name === chosen}>${name}</option>`)}
      </select></label>`,
  );
}

/**
 * @param {Filter} filter @param {{ nodes: readonly string[], models: readonly string[] }} names
 * @param {{ all: number, success: number, errors: number }} counts @param {(change: Partial<Filter>) => void} change
 */
export function filtersView(filter, names, counts, change) {
  const onInput = (/** @type {Event} */ { target }) => change({ text: /** @type {HTMLInputElement} */ (target).value });
  /** @param {Filter["show"]} show @param {string} word */
  const choice = (show, word) =>
    html`<button type="button" aria-pressed=${filter.show === show ? "true" : "false"} @click=${() => change({ show })}>${word} <span class="number">${count(counts[show])}</span></button>`;
  return html`<input type="search" class="search" aria-label="Search the requests" placeholder="Search: model, client, error, request id…" autocomplete="off" spellcheck="false" .value=${filter.text} @input=${onInput} />
    <div class="choices" role="group" aria-label="Which requests">
      ${choice("all", "All")}${choice("success", "Success")}${choice("errors", "Errors")}
    </div>
    ${selectView("Node", "any", names.nodes, filter.node, (node) => change({ node }))}
    ${selectView("Model", "any", names.models, filter.model, (model) => change({ model }))}`;
}
