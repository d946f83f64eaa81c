// Which models exist, on which nodes, where they are in memory, and which are not the same everywhere.
import { plural, size } from "../format.js";
import { html, nothing, repeat } from "../lit.js";
import { knownModels } from "./models_known.js";
import { state } from "./state.js";

/** From here on a filter is of use. */
const MANY = 8;
const ROWS = 30;
const NODES_SHOWN = 6;
let filter = "";
let showAll = false;

/** The section. @param {() => void} redraw */
export function models(redraw) {
  const all = knownModels();
  if (state.list.length === 0) return nothing;
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const found = all.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word)));
  const shown = showAll ? found : found.slice(0, ROWS);
  return html`<section class="card" aria-labelledby="models-title">
    <div class="bar">
      <h2 id="models-title">Models</h2>
      ${
        all.length < MANY
          ? nothing
          : html`<label>Filter
              <input type="search" autocomplete="off" spellcheck="false" .value=${filter} @input=${(
                /** @type {Event} */ { target },
              ) => {
                filter = /** @type {HTMLInputElement} */ (target).value;
                redraw();
              }}></label>`
      }
      <p class="soft found" role="status">${found.length === all.length ? plural(all.length, "model") : `${found.length} of ${plural(all.length, "model")}`}</p>
    </div>
    ${all.length === 0 ? html`<p class="soft">No node has a model yet. On one of them: <code>ollama pull llama3.2</code></p>` : table(shown)}
    ${
      found.length > ROWS
        ? html`<button type="button" aria-expanded=${showAll ? "true" : "false"} @click=${() => {
            showAll = !showAll;
            redraw();
          }}>${showAll ? "Show fewer" : `Show all ${found.length}`}</button>`
        : nothing
    }
  </section>`;
}

/** @param {import("./models_known.js").KnownModel[]} shown */
function table(shown) {
  return html`<table class="stack models" role="table">
    <caption class="said">Models of the fleet, with the nodes that have them</caption>
    <thead role="rowgroup"><tr role="row">
      <th scope="col" role="columnheader">Model</th><th scope="col" role="columnheader" class="figure">Size</th>
      <th scope="col" role="columnheader">Kind</th><th scope="col" role="columnheader">On nodes</th>
      <th scope="col" role="columnheader">In memory</th>
    </tr></thead>
    <tbody role="rowgroup">${repeat(
      shown,
      ({ name }) => name,
      (model) => html`<tr role="row">
        <th scope="row" role="rowheader" class="wide">${model.name}${model.conflict ? html` <span class="tag warn">differs between nodes</span>` : nothing}</th>
        <td role="cell" data-label="Size" class="figure">${size(model.size)}</td>
        <td role="cell" data-label="Kind">${[model.parameters, model.quantization].filter(Boolean).join(" ") || "–"}</td>
        <td role="cell" data-label="On nodes" class="wide">${where(model)}</td>
        <td role="cell" data-label="In memory" class="wide">${model.loaded > 0 ? names(model.nodes.filter(({ loaded, online }) => loaded && online)) : html`<span class="soft">nowhere</span>`}</td>
      </tr>`,
    )}</tbody>
  </table>`;
}

/** @param {import("./models_known.js").KnownModel} model */
function where({ nodes, online }) {
  const away = nodes.filter((node) => !node.online);
  return html`${online > 0 ? names(nodes.filter((node) => node.online)) : html`<span class="bad">no node that may serve</span>`}${
    away.length > 0 ? html`<div class="soft">not online: ${names(away)}</div>` : nothing
  }`;
}

/** @param {import("./models_known.js").KnownModel["nodes"]} nodes */
function names(nodes) {
  const more = nodes.length - NODES_SHOWN;
  const first = nodes.slice(0, NODES_SHOWN).map(({ id }) => id);
  return `${first.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
