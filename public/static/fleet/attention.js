// What needs attention, and what to do; what happened lately.
import { plural, timeOfDay } from "../format.js";
import { html, nothing, repeat } from "../lit.js";
import { badge } from "../page.js";
import { KINDS, standingOf } from "./node_words.js";
import { keyOf, state } from "./state.js";

/** As many stand there without asking. */
const FEW = 6;
let showAll = false;

/** The section, or nothing where all is well. @param {() => void} redraw */
export function attention(redraw) {
  const troubled = state.list
    .map((node) => ({ node, standing: standingOf(node) }))
    .filter(({ node, standing }) => node.impostor || standing.kind !== "online")
    .sort((a, b) => weight(a) - weight(b));
  const conflicts = conflictsOf();
  if (troubled.length + conflicts.length === 0) return nothing;
  const shown = showAll ? troubled : troubled.slice(0, FEW);
  return html`<section class="card attention" aria-labelledby="attention-title">
    <h2 id="attention-title">Needs attention</h2>
    <ul class="plain">
      ${repeat(
        shown,
        ({ node }) => node.node_id,
        ({ node, standing }) => html`<li>
          ${badge(standing.kind, standing.word)}
          <div><strong>${node.node_id}</strong>${standing.reason ? `: ${standing.reason}` : ""}
          ${standing.advice ? html`<div class="soft">${standing.advice}</div>` : nothing}
          ${node.impostor ? html`<div>somebody else used its name, ${timeOfDay(node.impostor.at)}: ${node.impostor.detail}</div>` : nothing}</div>
        </li>`,
      )}
    </ul>
    ${
      troubled.length > FEW
        ? html`<button type="button" aria-expanded=${showAll ? "true" : "false"} @click=${() => {
            showAll = !showAll;
            redraw();
          }}>${showAll ? "Show fewer" : `Show all ${plural(troubled.length, "node")}`}</button>`
        : nothing
    }
    ${conflicts.length > 0 ? conflictList(conflicts) : nothing}
  </section>`;
}

/** A node that was stopped on purpose comes last. @param {{ node: import("./state.js").Node, standing: import("./node_words.js").Standing }} one */
const weight = ({ node, standing }) => (node.intent === "serving" ? KINDS.indexOf(standing.kind) : KINDS.length);

/** Each model that differs, once. */
function conflictsOf() {
  /** @type {Map<string, import("../../contract.d.ts").Node["digest_conflicts"][number]>} */
  const found = new Map();
  for (const node of state.list) for (const conflict of node.digest_conflicts) found.set(conflict.model, conflict);
  return [...found.values()];
}

/** @param {ReturnType<typeof conflictsOf>} conflicts */
function conflictList(conflicts) {
  return html`<ul class="plain">
    ${conflicts.map(
      ({ model, digests }) => html`<li>
        ${badge("degraded", "Differs")}
        <div><strong>${model}</strong> is not the same model on every node:
          ${digests.map(
            ({ digest, nodes, node_count }, index) =>
              html`${index > 0 ? "; " : ""}<code>${digest.replace("sha256:", "").slice(0, 12)}</code> on ${namesOf(nodes, node_count)}`,
          )}.
          <div class="soft">Answers depend on the node. Pull it again everywhere: <code>POST /api/pull</code> with the
          header <code>X-Node-Id: *</code>.</div></div>
      </li>`,
    )}
  </ul>`;
}

/** @param {string[]} nodes @param {number} count Of all, where not all are named. */
const namesOf = (nodes, count = nodes.length) =>
  count > 5 ? `${nodes.slice(0, 4).join(", ")} and ${count - 4} more` : nodes.join(", ");

/** What happened, each kind in words. @type {Record<string, string>} */
const EVENTS = {
  joined: "joined",
  restarted: "was started again",
  ejected: "gets no work for now",
  admitted: "is back",
  offline: "went offline",
  removed: "was removed",
  lost: "was lost",
  intent: "says",
  slots: "takes another number of jobs",
  impostor: "somebody else used its name",
};
/** @type {Record<string, string>} */
const INTENTS = { serving: "takes work", draining: "stops when its work is done", left: "was stopped" };

/** @param {import("../../contract.d.ts").Happening} happening */
function wordsOf({ event, detail }) {
  if (event === "intent") return INTENTS[detail] ?? detail;
  const words = EVENTS[event] ?? event;
  return detail ? `${words}: ${detail}` : words;
}

/** The feed, closed until somebody opens it. */
export function happenings() {
  const { happenings } = state;
  const newest = happenings[0];
  if (!newest) return nothing;
  return html`<details class="card feed">
    <summary>Recent happenings <span class="soft">last: ${timeOfDay(newest.at)} <b>${newest.node_id}</b> ${wordsOf(newest)}</span></summary>
    <ol class="plain" tabindex="0" aria-label="Recent happenings, newest first">
      ${repeat(
        happenings,
        keyOf,
        (one) =>
          html`<li><time datetime=${one.at}>${timeOfDay(one.at)}</time> <strong>${one.node_id}</strong> <span>${wordsOf(one)}</span></li>`,
      )}
    </ol>
  </details>`;
}
