// A node as a row of the table: its state, how it is reached, what it has, and how busy it is.
import { count, percent, roundTrip, size } from "../format.js";
import { html, nothing } from "../lit.js";
import { badge } from "../page.js";
import { silenceWords, standingOf } from "./node_words.js";

/** @typedef {import("../../contract.d.ts").Node} Node */
/** @typedef {import("../../contract.d.ts").Route} Route */

/** From here on a machine has hardly anything left. */
const HIGH = 0.9;
const MODELS_SHOWN = 2;

/** How long ago its last heartbeat was, in words. @param {Node} node */
export function lastPing(node) {
  const silence = silenceWords(node);
  return silence === "0 s" ? "just now" : `${silence} ago`;
}

/** A ratio as a bar beside its figure, which says the same. @param {number | null | undefined} ratio */
export function meter(ratio) {
  if (ratio == null) return nothing;
  const width = Math.round(Math.min(1, Math.max(0, ratio)) * 100);
  // A property, as the page's policy lets no style attribute through; one element, as there are thousands.
  return html`<span class=${ratio >= HIGH ? "meter high" : "meter"} .style=${`--part: ${width}%`}></span>`;
}

/** What is known of the way to one address. @param {Route | undefined} route */
export function reachability(route) {
  if (!route) return { sign: "○", mood: "soft", words: "not dialled" };
  if (route.reachable === null) return { sign: "◌", mood: "soft", words: "untried" };
  if (!route.reachable) return { sign: "✕", mood: "bad", words: "unreachable" };
  return { sign: "●", mood: "good", words: route.rtt_ms === null ? "reachable" : roundTrip(route.rtt_ms) };
}

/** Its first and last groups: where the network begins, and which machine it is. The details have the whole. @param {string} text */
function shortAddress(text) {
  if (text.length <= 20) return text;
  const groups = text.split(":");
  return `${groups[0]}…${groups.slice(-2).join(":")}`;
}

/** @param {Node} node @param {"IPv6" | "IPv4"} family */
function address(node, family) {
  const text = family === "IPv6" ? node.ipv6 : node.ipv4;
  if (!text) return html`<div class="route soft"><span class="family">${family}</span><span>none</span></div>`;
  const route = node.routes.find((one) => one.family === family);
  const { sign, mood, words } = reachability(route);
  return html`<div class="route">
    <span class="family">${family}</span>
    <code title=${text}>${shortAddress(text)}</code>
    <span class=${`way ${mood}`}><span aria-hidden="true">${sign} </span>${route?.reachable ? html`<span class="said">reachable, </span>` : nothing}${words}</span>
    ${route?.in_use && route.reachable !== false ? html`<span class="tag">in use</span>` : nothing}
  </div>`;
}

/** @param {Node} node */
function models(node) {
  if (node.models.length === 0) return html`<span class="soft">none</span>`;
  const inMemory = new Set(node.loaded);
  const differs = new Set(node.digest_conflicts.map(({ model }) => model));
  // What is in memory first: that is what answers at once.
  const names = [...node.models].sort((a, b) => Number(inMemory.has(b)) - Number(inMemory.has(a)));
  const more = names.length - MODELS_SHOWN;
  return html`${names.slice(0, MODELS_SHOWN).map(
    (name) => html`<div class="model">
      ${name}${inMemory.has(name) ? html` <span class="tag">in memory</span>` : nothing}${
        differs.has(name) ? html` <span class="tag warn">differs</span>` : nothing
      }
    </div>`,
  )}${more > 0 ? html`<div class="soft">+${more} more</div>` : nothing}`;
}

/** @param {Node} node */
function slots(node) {
  return html`<span>${node.active_jobs} <span class="soft">of ${node.slots}</span></span>
    ${meter(node.slots > 0 ? node.active_jobs / node.slots : 0)}
    ${node.slots === node.slots_reported ? nothing : html`<div class="soft small">reports ${node.slots_reported}</div>`}`;
}

/** @param {Node} node */
function gpu(node) {
  if (node.gpu.length === 0) return html`<span class="soft">–</span>`;
  const { utilization, used, total } = gpuTotals(node);
  const memory = used === null || total === null ? null : used / total;
  return html`<span>${utilization === null ? "–" : percent(utilization)}${node.gpu.length > 1 ? html` <span class="soft">of ${node.gpu.length}</span>` : nothing}</span>
    ${meter(utilization)}
    ${
      memory === null
        ? nothing
        : html`<div class="small">${inUnitOf(used, total)}<span class="soft"> of ${size(total)}</span></div>${meter(memory)}`
    }`;
}

/** "12" of "24 GB": without saying the unit twice. @param {number | null} used @param {number | null} total */
function inUnitOf(used, total) {
  const [figure, unit] = size(used).split(" ");
  return size(total).endsWith(unit ?? "") ? figure : `${figure} ${unit}`;
}

/** All graphics cards of a node together: the busiest, and their memory in bytes. @param {Node} node */
export function gpuTotals({ gpu }) {
  /** @param {"utilization" | "memory_used" | "memory_total"} field */
  const known = (field) => gpu.map((one) => one[field]).filter((value) => value != null);
  const [busy, used, total] = [known("utilization"), known("memory_used"), known("memory_total")];
  /** @param {number[]} values */
  const sum = (values) => (values.length === 0 ? null : values.reduce((a, b) => a + b, 0));
  return { utilization: busy.length === 0 ? null : Math.max(...busy), used: sum(used), total: sum(total) };
}

/** @param {Node} node */
function version({ agent_version, ollama }) {
  return html`<span>${agent_version ?? "older agent"}</span>
    <div class="soft small">Ollama ${ollama.version ?? "–"}</div>`;
}

/**
 * The row of `node`. @param {Node} node @param {boolean} open @param {(id: string) => void} onToggle
 * @param {unknown} details What is shown below it while it is open.
 */
export function nodeRow(node, open, onToggle, details) {
  const id = node.node_id;
  const standing = standingOf(node);
  return html`<tr role="row" class=${`node ${standing.kind}`}>
      <th scope="row" role="rowheader" class="wide"><button type="button" class="opens" aria-expanded=${open ? "true" : "false"}
        @click=${() => onToggle(id)}><span aria-hidden="true">${open ? "▾" : "▸"}</span> <span class="name">${id}</span></button></th>
      <td role="cell" class="wide">${badge(standing.kind, standing.word)}${standing.reason ? html`<div class="reason">${standing.reason}</div>` : nothing}</td>
      <td role="cell" class="wide">${address(node, "IPv6")}${address(node, "IPv4")}</td>
      <td role="cell" class="wide" data-label="Models">${models(node)}</td>
      <td role="cell" data-label="Slots">${slots(node)}</td>
      <td role="cell" data-label="CPU">${percent(node.load?.cpu)}${meter(node.load?.cpu)}</td>
      <td role="cell" data-label="Memory">${percent(node.load?.memory)}${meter(node.load?.memory)}</td>
      <td role="cell" data-label="GPU">${gpu(node)}</td>
      <td role="cell" data-label="Failures" class=${node.failure_count > 0 ? "warn" : ""}>${count(node.failure_count)}</td>
      <td role="cell" data-label="Last ping">${lastPing(node)}</td>
      <td role="cell" data-label="Version">${version(node)}</td>
    </tr>
    ${open ? html`<tr role="row" class="details"><td role="cell" class="details-cell" colspan="11">${details}</td></tr>` : nothing}`;
}
