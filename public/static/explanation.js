// The view of an explanation: which nodes a request could go to, in which order, by what, and why not to the others.
import { count, duration, percent, plural, roundTrip, UNKNOWN } from "./format.js";
import { html, nothing } from "./lit.js";

/**
 * @typedef {import("../contract.d.ts").Explanation} Explanation
 * @typedef {import("../contract.d.ts").ExplainedNode} ExplainedNode
 */

/** Every route whose requests a node is chosen for. */
export const ENDPOINTS = [
  "/jobs",
  "/api/chat",
  "/api/generate",
  "/api/embed",
  "/api/embeddings",
  "/api/show",
  "/v1/chat/completions",
  "/v1/completions",
  "/v1/responses",
  "/v1/embeddings",
  "/v1/messages",
  "/v1/audio/transcriptions",
];

/** Beyond this many, the nodes that may not serve stand folded below those that may. */
const MOST_NOT_FOLDED = 12;

/** How a node is behind the one before it, by the criterion that decided. @type {Readonly<Record<string, string>>} */
const BEHIND = {
  heartbeat: "silent for longer",
  busy: "busier",
  "in memory": "does not have the model in memory",
  cpu: "its CPU is busier",
  failures: "more failures in a row",
  "longest ago": "got a request more recently",
  "first token": "its first token is expected later",
  jobs: "more requests at work",
  joined: "joined later",
};

const COLUMNS = [
  ["heartbeat", "Heartbeat"],
  ["first token", "First token"],
  ["busy", "Slots used"],
  ["in memory", "Model in memory"],
  ["cpu", "CPU"],
  ["failures", "Failures"],
];

/** What the hub calls a heartbeat of some age. @type {Readonly<Record<string, string>>} */
const HEARTBEATS = { fresh: "recent", stale: "silent for a while", expired: "offline", gone: "gone" };

/** @param {Readonly<Record<string, string>>} words @param {string} key */
const wordsFor = (words, key) => (Object.hasOwn(words, key) ? (words[key] ?? key) : key);

/** A node's value in each column. @param {ExplainedNode["values"]} values @returns {Record<string, string>} */
const valuesOf = ({ heartbeat, active_jobs, slots, in_memory, loading, first_token_ms, cpu, failures }) => ({
  heartbeat: wordsFor(HEARTBEATS, heartbeat),
  "first token": first_token_ms == null ? "not measured" : duration(first_token_ms),
  busy: `${active_jobs} of ${slots}`,
  "in memory": in_memory ? "yes" : loading ? "loading" : "no",
  cpu: percent(cpu),
  failures: count(failures),
});

/** Why a node may not serve or was held back, to be read after its name. @param {ExplainedNode} node */
const whyOf = ({ why, reason, held_back }) => why ?? held_back ?? reason ?? "cannot serve it";

/** What becomes of a node. @param {ExplainedNode} node @param {Explanation} explanation @param {ExplainedNode | undefined} before */
function verdict(node, explanation, before) {
  if (explanation.outcome === "node" && node.node_id === explanation.node_id) {
    const although = node.rank === null ? `, although it ${whyOf(node)}` : "";
    return html`<span class="good"><span aria-hidden="true">✓ </span>gets it</span>${although}`;
  }
  if (!node.eligible) {
    return html`<span class=${node.passes_soon ? "warn" : "bad"}><span aria-hidden="true">✕ </span>${whyOf(node)}</span>${node.passes_soon ? " (passes soon)" : ""}`;
  }
  if (node.rank === null)
    return html`<span class="warn"><span aria-hidden="true">◐ </span>held back: ${whyOf(node)}</span>`;
  if (!before) return "goes first";
  return html`behind <b>${before.node_id}</b>: ${node.decided_by === null ? "all equal" : wordsFor(BEHIND, node.decided_by)}`;
}

/** @param {ExplainedNode["routes"]} routes */
function routesView(routes) {
  if (routes.length === 0) return UNKNOWN;
  return html`<ol class="addresses">
    ${routes.map(({ family, address, reachable, rtt_ms }) => {
      const state =
        reachable === null
          ? html`<span class="soft">not tried yet</span>`
          : reachable
            ? html`<span class="good">reachable</span>${rtt_ms === null ? nothing : `, ${roundTrip(rtt_ms)}`}`
            : html`<span class="bad">not reachable</span>`;
      return html`<li>${family} <code>${address}</code> ${state}</li>`;
    })}
  </ol>`;
}

/** @param {ExplainedNode} node @param {number} index @param {readonly ExplainedNode[]} all @param {Explanation} explanation */
function nodeView(node, index, all, explanation) {
  const values = valuesOf(node.values);
  const picked = explanation.outcome === "node" && node.node_id === explanation.node_id;
  return html`<tr role="row" class=${picked ? "picked" : ""}>
    <td role="cell" class="figure" data-label="Place">${node.rank ?? UNKNOWN}</td>
    <th role="rowheader" scope="row">${node.node_id}</th>
    <td role="cell" class="verdict" data-label="Verdict">${verdict(node, explanation, node.rank === null ? undefined : all[index - 1])}</td>
    ${COLUMNS.map(([name, label]) => {
      const decided = node.decided_by === name || (name === "busy" && node.decided_by === "jobs");
      return html`<td role="cell" class=${decided ? "value decided" : "value"} data-label=${label}>
        ${values[name ?? ""]}${decided ? html` <span class="mark">decided</span>` : nothing}
      </td>`;
    })}
    <td role="cell" data-label="Addresses">${routesView(node.routes)}</td>
  </tr>`;
}

/** @param {readonly ExplainedNode[]} nodes @param {Explanation} explanation @param {string} caption */
function tableView(nodes, explanation, caption) {
  return html`<div class="scroll" role="group" tabindex="0" aria-label=${caption}>
    <table class="stack explanation" role="table">
      <caption class="said">${caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col" class="figure">Place</th>
          <th role="columnheader" scope="col">Node</th>
          <th role="columnheader" scope="col">Verdict</th>
          ${COLUMNS.map(([, label]) => html`<th role="columnheader" scope="col">${label}</th>`)}
          <th role="columnheader" scope="col">Addresses, in order</th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${nodes.map((node, index) => nodeView(node, index, nodes, explanation))}
      </tbody>
    </table>
  </div>`;
}

/** "8 do not have the model; 2 offline". @param {readonly ExplainedNode[]} nodes */
function tally(nodes) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { reason } of nodes) {
    const words = reason ?? "held back";
    counts.set(words, (counts.get(words) ?? 0) + 1);
  }
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([words, number]) => `${count(number)} × ${words}`)
    .join("; ");
}

/** A criterion under the name its column has. @param {string} name */
const labelOf = (name) => (name === "longest ago" ? "Turn" : (COLUMNS.find(([key]) => key === name)?.[1] ?? name));

/** The criteria in their order. @param {Explanation["order"]} order */
export const orderView = (order) => html`<ol class="order">
  ${order.map(({ name, meaning }) => html`<li><b>${labelOf(name)}</b>: ${meaning}</li>`)}
</ol>`;

/** Every node of an explanation, with its summary above. @param {Explanation} explanation */
export function explanationView(explanation) {
  const { nodes, summary, not_shown = 0 } = explanation;
  const isUp = (/** @type {ExplainedNode} */ node) =>
    node.eligible || node.passes_soon || node.node_id === explanation.node_id;
  const others = nodes.filter((node) => !isUp(node));
  const folded = others.length > MOST_NOT_FOLDED;
  const shown = folded ? nodes.filter(isUp) : nodes;
  return html`<p class=${`summary ${explanation.outcome}`}>${summary}</p>
    ${shown.length === 0 ? nothing : tableView(shown, explanation, "Nodes, the one that goes first on top")}
    ${
      folded
        ? html`<details class="others">
          <summary>${plural(others.length, "node")} cannot take it: <span class="soft">${tally(others)}</span></summary>
          ${tableView(others, explanation, "Nodes that cannot take it")}
        </details>`
        : nothing
    }
    ${not_shown > 0 ? html`<p class="soft">${plural(not_shown, "more node")} not listed.</p>` : nothing}`;
}
