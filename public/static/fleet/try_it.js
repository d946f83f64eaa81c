// Try it: a prompt to a model of the fleet, the answer as it comes, who gave it and how fast.
import { count, duration, plural } from "../format.js";
import { html, nothing } from "../lit.js";
import { find } from "../page.js";
import { chat } from "./chat.js";
import { exampleModel, knownModels } from "./models_known.js";
import { standingOf } from "./node_words.js";
import { state } from "./state.js";

/** Milliseconds between two additions to what is shown of an answer. */
const SHOW_MS = 100;

/** @type {string | null} */
let model = null;
/** Whether a person chose it: then it stays, also while nobody has it. */
let chosen = false;
/** "" is any node. */
let node = "";
/** What runs, or null. @type {AbortController | null} */
let running = null;
/** What is said of the last answer. @type {{ mood: string, words: unknown }} */
let status = { mood: "soft", words: "" };
let askedAt = 0;
/** Whether the answer has begun. */
let begun = false;
/** @type {() => void} */
let redraw = () => {};

/** Draws the section again by `again`. @param {() => void} again */
export function onTryIt(again) {
  redraw = again;
  // What is a second old while nothing comes is told again, so that nobody takes it for stuck.
  setInterval(() => {
    if (running && !begun) again();
  }, 1000);
}

/** Models that can be asked now, on the chosen node or anywhere. */
function choices() {
  return knownModels().filter(({ nodes }) => nodes.some(({ id, online }) => online && (node === "" || id === node)));
}

/** The section. Its buttons are never `disabled`: whoever pressed one would lose the focus. */
export function tryIt() {
  const models = choices();
  const names = models.map(({ name }) => name);
  if (model === null || (!chosen && !names.includes(model))) {
    const example = exampleModel(model);
    model = example !== null && names.includes(example) ? example : (names[0] ?? null);
  }
  const serving = state.list.filter((one) => standingOf(one).kind === "online");
  const value = (/** @type {Event} */ { target }) => /** @type {HTMLSelectElement} */ (target).value;
  return html`<section class="card" aria-labelledby="try-title">
    <h2 id="try-title">Try it</h2>
    <form @submit=${onSubmit} @keydown=${onKey}>
      <div class="bar">
        <label>Model
          <select id="try-model" ?disabled=${names.length === 0} @change=${(/** @type {Event} */ event) => {
            model = value(event);
            chosen = true;
            redraw();
          }}>
            ${names.length === 0 ? html`<option>no model is online</option>` : nothing}
            ${models.map(({ name, loaded }) => html`<option value=${name} .selected=${name === model}>${name}${loaded > 0 ? " (in memory)" : ""}</option>`)}
            ${model !== null && !names.includes(model) ? html`<option value=${model} selected>${model} (not online)</option>` : nothing}
          </select></label>
        <label>Node
          <select id="try-node" @change=${(/** @type {Event} */ event) => {
            node = value(event);
            redraw();
          }}>
            <option value="" .selected=${node === ""}>any node</option>
            ${serving.map(({ node_id }) => html`<option value=${node_id} .selected=${node_id === node}>${node_id}</option>`)}
            ${node !== "" && !serving.some(({ node_id }) => node_id === node) ? html`<option value=${node} selected>${node} (not online)</option>` : nothing}
          </select></label>
      </div>
      <label class="stacked">Prompt <textarea id="try-prompt" rows="3" placeholder="Why is the sky blue?"></textarea></label>
      <div class="bar">
        <button type="submit" class="primary" aria-disabled=${running !== null || names.length === 0 || state.viewer ? "true" : "false"}>Send</button>
        <button type="button" id="try-stop" aria-disabled=${running === null ? "true" : "false"} @click=${stop}>Stop</button>
        <span class="soft small">${state.viewer ? "A viewer's key may look, not ask" : "Ctrl+Enter sends, Esc stops"}</span>
      </div>
    </form>
    <p id="try-status" role="status" class=${status.mood}>${running && !begun ? waitingWords() : status.words}</p>
    <details id="try-thoughts" hidden><summary>What it thought</summary><div class="answer"></div></details>
    <div id="try-answer" class="answer" tabindex="0" role="region" aria-label="Answer" hidden></div>
  </section>`;
}

/** While nothing has come yet; told again in steps of five seconds, as it is read aloud. */
function waitingWords() {
  const seconds = Math.floor((performance.now() - askedAt) / 5000) * 5;
  const queue = state.queue?.models.find((one) => one.model === model || `${one.model}:latest` === model);
  const inLine = queue && queue.waiting > 0 ? ` All slots are taken; ${plural(queue.waiting, "request")} in line.` : "";
  return `Waiting for the first token${seconds > 0 ? `, ${seconds} s so far` : ""}…${inLine}`;
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.key === "Escape" && running) stop();
  else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void onSubmit(event);
  else return;
  event.preventDefault();
}

function stop() {
  running?.abort();
}

/** @param {Event} event */
async function onSubmit(event) {
  event.preventDefault();
  if (running || model === null || state.viewer) return;
  const area = /** @type {HTMLTextAreaElement} */ (find("try-prompt"));
  const prompt = area.value.trim() || area.placeholder;
  const place = find("try-answer");
  const thoughts = find("try-thoughts");
  const thoughtsPlace = /** @type {HTMLElement} */ (thoughts.querySelector(".answer"));
  arrived.clear();
  place.replaceChildren();
  thoughtsPlace.replaceChildren();
  place.hidden = false;
  thoughts.hidden = true;
  running = new AbortController();
  askedAt = performance.now();
  begun = false;
  redraw();
  /** @type {import("./chat.js").Answer | null} */
  let answer = null;
  try {
    const asked = { model, node, prompt, signal: running.signal };
    const whole = await chat(asked, {
      begun(now) {
        answer = now;
      },
      said(text, kind) {
        if (kind === "thought") thoughts.hidden = false;
        append(kind === "thought" ? thoughtsPlace : place, text);
        if (begun || !answer) return;
        begun = true;
        status = {
          mood: "",
          words: `${served(answer)}: first token after ${duration(answer.firstMs)}; more is coming…`,
        };
        redraw();
      },
    });
    status = { mood: "good", words: wholeWords(whole) };
  } catch (error) {
    status = failure(error, running.signal.aborted, answer);
  }
  showArrived();
  begun = true;
  running = null;
  redraw();
}

/** What has come and is not shown yet, by where it goes. @type {Map<HTMLElement, string>} */
const arrived = new Map();

/** Shows `text` within a tenth of a second: to lay the page out for every token takes longer the more stands there. @param {HTMLElement} place @param {string} text */
function append(place, text) {
  if (arrived.size === 0) setTimeout(showArrived, SHOW_MS);
  arrived.set(place, (arrived.get(place) ?? "") + text);
}

/** Adds to what stands there, and stays at its end for whoever is there. */
function showArrived() {
  for (const [place, text] of arrived) {
    const atEnd = place.scrollHeight - place.scrollTop - place.clientHeight < 40;
    place.append(text);
    if (atEnd) place.scrollTop = place.scrollHeight;
  }
  arrived.clear();
}

/** @param {import("./chat.js").Answer} answer */
function served({ node, attempts, position }) {
  const after = attempts > 1 ? `, after ${plural(attempts - 1, "other node")} failed` : "";
  const waited = position === null ? "" : `, having waited as no. ${position} in line`;
  return `${node ?? "A node"} answers${after}${waited}`;
}

/** @param {import("./chat.js").Answer} answer */
function wholeWords(answer) {
  const speed = answer.perSecond === null ? "" : `, ${count(answer.perSecond)} tokens/s`;
  const tokens = answer.tokens === null ? "" : `${plural(answer.tokens, "token")} in `;
  const cut = answer.cut === null ? "" : ` It stopped early (${answer.cut}).`;
  return `${served(answer).replace(" answers", " answered")}: ${tokens}${duration(answer.totalMs)}${speed}, first token after ${duration(answer.firstMs)}.${cut}`;
}

/** @param {unknown} error @param {boolean} stopped @param {import("./chat.js").Answer | null} answer */
function failure(error, stopped, answer) {
  const from = answer?.node ? ` ${answer.node} was answering.` : "";
  if (stopped) return { mood: "soft", words: `Stopped.${from}` };
  const words =
    error instanceof TypeError ? "the hub does not answer" : error instanceof Error ? error.message : String(error);
  return { mood: "bad", words: `It failed: ${words.replace(/\.?$/, ".")}${from}` };
}
