// The page that says where a request would go, and why.
import { ENDPOINTS, explanationView, orderView } from "./explanation.js";
import { timeOfDay } from "./format.js";
import { guard, html, nothing } from "./lit.js";
import { ask, follow } from "./live.js";
import { find, showConnection, view } from "./page.js";

/** @typedef {{ path: string, model: string, node: string, body: string }} Question "" stands for what is left open. */

/** What the page's address asks. @returns {Question} */
function questionOfAddress() {
  const asked = new URLSearchParams(location.search);
  return {
    path: asked.get("path") || "/jobs",
    model: asked.get("model") ?? "",
    node: asked.get("node") ?? "",
    body: "",
  };
}

let question = questionOfAddress();
/** @type {{ nodes: string[], models: string[] }} */
let names = { nodes: [], models: [] };
/** @type {import("../contract.d.ts").Explanation | null} */
let explanation = null;
let error = "";
let asking = false;

/** Remembers the question in the page's address; the body stays out of it, since it may be long and private. */
function remember() {
  const query = new URLSearchParams();
  query.set("path", question.path);
  if (question.model !== "") query.set("model", question.model);
  if (question.node !== "") query.set("node", question.node);
  history.replaceState(null, "", `${location.pathname}?${query}`);
}

/** The request body the question is about. @throws Error with a sentence when what was typed is no JSON object. */
function bodyOf() {
  if (question.body.trim() === "") return question.model === "" ? {} : { model: question.model };
  /** @type {unknown} */
  let parsed;
  try {
    parsed = JSON.parse(question.body);
  } catch (cause) {
    throw new Error(`The request body is no JSON: ${/** @type {Error} */ (cause).message}`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new Error('The request body has to be a JSON object, such as {"model": "llama3"}');
  }
  return question.model === "" ? parsed : { ...parsed, model: question.model };
}

/** Counts the questions: the answer to an earlier one comes too late. */
let asked = 0;

async function explain() {
  const number = ++asked;
  asking = true;
  remember();
  drawAnswer();
  try {
    const headers = {
      "content-type": "application/json",
      ...(question.node === "" ? {} : { "x-node-id": question.node }),
    };
    const path = `/explain?path=${encodeURIComponent(question.path)}`;
    const answer = await ask(path, { method: "POST", headers, body: JSON.stringify(bodyOf()) });
    if (number !== asked) return;
    [explanation, error] = [answer, ""];
    find("said").textContent = answer.summary;
  } catch (cause) {
    if (number !== asked) return;
    [explanation, error] = [null, /** @type {Error} */ (cause).message];
  }
  asking = false;
  drawAnswer();
}

/** @param {keyof Question} field */
const set =
  (field) =>
  (/** @type {Event} */ { target }) => {
    const { value } = /** @type {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} */ (target);
    question = { ...question, [field]: field === "body" ? value : value.trim() };
  };

/** @param {string} chosen @param {readonly string[]} listed */
const withChosen = (chosen, listed) => (chosen === "" || listed.includes(chosen) ? listed : [chosen, ...listed]);

/** @param {readonly string[]} options @param {string} chosen */
const optionsView = (options, chosen) =>
  options.map((name) => html`<option value=${name} .selected=${name === chosen}>${name}</option>`);

const drawForm = view("question", () =>
  // What the person has chosen stays as it is; only the lists change under it.
  guard(
    [names],
    () => html`<div class="fields">
        <label class="field">Endpoint
          <select @change=${set("path")}>${optionsView(withChosen(question.path, ENDPOINTS), question.path)}</select>
        </label>
        <label class="field grow">Model
          <input list="models" .value=${question.model} @input=${set("model")} placeholder="llama3" autocomplete="off" autocapitalize="off" spellcheck="false" />
        </label>
        <datalist id="models">${names.models.map((name) => html`<option value=${name}></option>`)}</datalist>
        <label class="field">Node
          <select @change=${set("node")}>
            <option value="" .selected=${question.node === ""}>any</option>
            ${optionsView(withChosen(question.node, names.nodes), question.node)}
          </select>
        </label>
        <button class="primary">Explain</button>
      </div>
      <details>
        <summary>The whole request body (optional)</summary>
        <p id="body-hint" class="soft">As a client would send it. The model above, when given, replaces the one in here.</p>
        <label class="field">Body as JSON
          <textarea rows="6" spellcheck="false" aria-describedby="body-hint" placeholder='{"model": "llama3", "messages": [{"role": "user", "content": "Hello"}]}' .value=${question.body} @input=${set("body")}></textarea>
        </label>
      </details>`,
  ),
);

const drawAnswer = view("answer", () => {
  if (error !== "") {
    return html`<div class="card" role="alert"><h2>No explanation</h2><p class="bad">${error}</p></div>`;
  }
  if (!explanation) return asking ? html`<p class="soft">Asking the hub…</p>` : nothing;
  const { model, endpoint, at, order } = explanation;
  return html`<section class="card" aria-labelledby="result">
      <div class="bar">
        <h2 id="result">${endpoint} with ${model ?? "any model"}</h2>
        <span class="soft">as of ${timeOfDay(at)}</span>
        <button type="button" ?disabled=${asking} @click=${explain}>Ask again</button>
      </div>
      ${explanationView(explanation)}
    </section>
    <section class="card" aria-labelledby="order">
      <h2 id="order">What is compared, in this order</h2>
      <p class="soft">Among the nodes that may serve the request, the first point in which two of them differ decides.</p>
      ${orderView(order)}
    </section>`;
});

find("question").addEventListener("submit", (event) => {
  event.preventDefault();
  void explain();
});

/** Ids and model names of the fleet, for the lists. @type {Map<string, readonly string[]>} */
const modelsOf = new Map();
function nameAll() {
  const sorted = (/** @type {Iterable<string>} */ all) =>
    [...new Set(all)].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const now = { nodes: sorted(modelsOf.keys()), models: sorted([...modelsOf.values()].flat()) };
  if (JSON.stringify(now) === JSON.stringify(names)) return;
  names = now;
  drawForm();
}

follow(["fleet"], {
  connection: showConnection,
  fleet(nodes) {
    modelsOf.clear();
    for (const { node_id, models } of nodes) modelsOf.set(node_id, models);
    nameAll();
  },
  nodes({ changed, removed }) {
    for (const { node_id, models } of changed) modelsOf.set(node_id, models);
    for (const id of removed) modelsOf.delete(id);
    nameAll();
  },
});
if (location.search !== "") void explain();
