// Use it: lines to copy for programs people have, with this hub's address and a model that answers now.
import { html, nothing } from "../lit.js";
import { copyable } from "../page.js";
import { exampleModel } from "./models_known.js";
import { state } from "./state.js";

const PROMPT = "Why is the sky blue?";
/** Stands where no model is online. */
const ANY_MODEL = "llama3.2";
/** Stands for a key, which nobody but its owner has. */
const KEY = "KEY";

/** @type {string | null} */
let model = null;
let chosen = "curl";
/** @type {() => void} */
let redraw = () => {};

/** Draws the section again by `again`. @param {() => void} again */
export function onUseIt(again) {
  redraw = again;
}

/**
 * Where the hub is, and what it asks for: a key in a header of curl's, in the address, or as OpenAI's SDKs send it; and a
 * token of a new node.
 *
 * @typedef {{ origin: string, address: string, header: string, key: string, token: string }} Hub
 */
/** @typedef {{ label: string, text: string }} Piece */
/** @type {Record<string, { title: string, pieces: (model: string, hub: Hub) => Piece[] }>} */
const WAYS = {
  curl: {
    title: "curl",
    pieces: (model, { origin, header }) => [
      {
        label: "As Ollama has it",
        text: `curl -N ${header}${origin}/api/chat -d '${JSON.stringify({ model, messages: [{ role: "user", content: PROMPT }] })}'`,
      },
      {
        label: "As a job: the hub's own route",
        text: `curl -N ${header}${origin}/jobs -H 'Content-Type: application/json' -d '${JSON.stringify({ model, prompt: PROMPT })}'`,
      },
    ],
  },
  ollama: {
    title: "ollama",
    pieces: (model, { address }) => [
      { label: "The ollama program", text: `OLLAMA_HOST=${address} ollama run ${model}` },
      { label: "Programs that ask for the address of an Ollama", text: address },
    ],
  },
  openai: {
    title: "OpenAI",
    pieces: (_, { origin, key }) => [
      {
        label: `OpenAI base URL; ${key === KEY ? "a key of this hub" : "any text"} will do as the key`,
        text: `${origin}/v1`,
      },
      {
        label: "The same for programs that read the environment",
        text: `OPENAI_BASE_URL=${origin}/v1 OPENAI_API_KEY=${key}`,
      },
    ],
  },
  python: {
    title: "Python",
    pieces: (model, { origin, key }) => [
      {
        label: "Python with openai (pip install openai)",
        text: `from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key="${key}")
stream = client.chat.completions.create(
    model=${JSON.stringify(model)},
    messages=[{"role": "user", "content": "${PROMPT}"}],
    stream=True,
)
for piece in stream:
    print(piece.choices[0].delta.content or "", end="", flush=True)`,
      },
    ],
  },
  javascript: {
    title: "JavaScript",
    pieces: (model, { origin, key }) => [
      {
        label: "JavaScript with ollama (npm install ollama)",
        text: `import { Ollama } from "ollama";

const ollama = new Ollama({ host: "${origin}"${key === KEY ? `, headers: { Authorization: "Bearer ${KEY}" }` : ""} });
const stream = await ollama.chat({
  model: ${JSON.stringify(model)},
  messages: [{ role: "user", content: "${PROMPT}" }],
  stream: true,
});
for await (const piece of stream) process.stdout.write(piece.message.content);`,
      },
    ],
  },
  node: {
    title: "Add a node",
    pieces: (_, { origin, token }) => [
      {
        label: isLocal()
          ? "On another machine with Ollama, in a clone of this repository; put this machine's own address for localhost"
          : "On another machine with Ollama, in a clone of this repository",
        text: `SERVER_URL=${origin} ${token}bun run node`,
      },
    ],
  },
};

/** True where this page's own address means something else on every other machine. */
function isLocal() {
  return /^(localhost|127\.|\[::1\])/.test(location.hostname);
}

/** @returns {Hub} */
function hub() {
  const { origin } = location;
  const { mode, nodes } = state.hello?.access ?? {};
  const token = nodes === "closed" ? "JOIN_TOKEN=TOKEN " : "";
  return mode === "closed"
    ? { origin, address: `${origin}/k/${KEY}`, header: `-H 'Authorization: Bearer ${KEY}' `, key: KEY, token }
    : { origin, address: origin, header: "", key: "unused", token };
}

/** The section. */
export function useIt() {
  model = exampleModel(model);
  const { pieces } = WAYS[chosen] ?? { pieces: () => [] };
  return html`<section class="card" aria-labelledby="use-title">
    <h2 id="use-title">Use it</h2>
    <div class="tabs" role="tablist" aria-labelledby="use-title" @keydown=${onKey}>
      ${Object.entries(WAYS).map(
        ([key, { title }]) => html`<button type="button" role="tab" id=${`use-${key}`} aria-controls="use-panel"
          aria-selected=${key === chosen ? "true" : "false"} tabindex=${key === chosen ? 0 : -1} @click=${() => choose(key)}>${title}</button>`,
      )}
    </div>
    <div role="tabpanel" id="use-panel" aria-labelledby=${`use-${chosen}`}>
      ${pieces(model ?? ANY_MODEL, hub()).map(
        ({ label, text }) => html`<p class="piece soft">${label}</p>${copyable(text, label)}`,
      )}
    </div>
    ${
      model === null && state.nodes
        ? html`<p class="warn">No model is online just now; ${ANY_MODEL} stands for one.</p>`
        : nothing
    }
  </section>`;
}

/** @param {string} key */
function choose(key) {
  chosen = key;
  redraw();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const keys = Object.keys(WAYS);
  const at = keys.indexOf(chosen);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: keys.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const key = keys[(to + keys.length) % keys.length] ?? chosen;
  choose(key);
  document.getElementById(`use-${key}`)?.focus();
}
