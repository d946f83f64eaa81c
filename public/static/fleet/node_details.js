// What an open row shows of its node: every model, every address, graphics cards, what the agent told, its last hour.
import { percent, size } from "../format.js";
import { html, nothing } from "../lit.js";
import { rowCharts } from "./charts.js";
import { meter, reachability } from "./node_row.js";
import { standingOf } from "./node_words.js";
import { hubNow } from "./state.js";

/** @typedef {import("../../contract.d.ts").Node} Node */

const LONG_MS = 30 * 24 * 3_600_000;

/** @param {Node} node */
export function nodeDetails(node) {
  const { reason, advice } = standingOf(node);
  return html`<div class="details-body">
    ${reason || advice ? html`<p class="reason-line"><strong>${reason}</strong> ${advice}</p>` : nothing}
    <div class="details-columns">
      <div>${models(node)}</div>
      <div>${addresses(node)}${cards(node)}</div>
      <div>${agent(node)}</div>
    </div>
    <h3>The last hour of ${node.node_id}</h3>
    ${rowCharts(node.node_id)}
  </div>`;
}

/** @param {Node} node */
function models(node) {
  if (node.models.length === 0)
    return html`<h3>Models</h3><p class="soft">It has none. <code>ollama pull</code> gets one.</p>`;
  const inMemory = new Set(node.loaded);
  return html`<h3>Models</h3>
    <div class="scroll" tabindex="0" role="region" aria-label=${`Models of ${node.node_id}`}><table class="inner">
      <caption class="said">Models of ${node.node_id}</caption>
      <thead><tr><th scope="col">Model</th><th scope="col" class="figure">Size</th><th scope="col">Kind</th><th scope="col">In memory</th><th scope="col">Digest</th></tr></thead>
      <tbody>${node.models.map((name, index) => {
        const details = node.model_details?.[index];
        const conflict = node.digest_conflicts.find(({ model }) => model === name);
        return html`<tr>
          <th scope="row">${name}</th>
          <td class="figure">${size(details?.size)}</td>
          <td>${[details?.parameter_size, details?.quantization].filter(Boolean).join(" ") || "–"}</td>
          <td>${inMemory.has(name) || details?.loaded ? loaded(details) : html`<span class="soft">no</span>`}</td>
          <td><code>${details?.digest ?? "–"}</code>${conflict ? html`<div class="warn">differs from ${others(conflict, node.node_id)}</div>` : nothing}</td>
        </tr>`;
      })}</tbody>
    </table></div>`;
}

/** @param {import("../../contract.d.ts").ModelDetails | undefined} details */
function loaded(details) {
  const rest = details?.expires_at ? Date.parse(details.expires_at) - hubNow() : 0;
  const at = new Date(details?.expires_at ?? 0).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  // Ollama writes a year far away for "keep it".
  const until = rest <= 0 ? nothing : html`<div class="soft">${rest > LONG_MS ? "stays there" : `until ${at}`}</div>`;
  return html`yes${details?.size_vram ? `, ${size(details.size_vram)} in GPU` : ""}${until}`;
}

/** @param {Node["digest_conflicts"][number]} conflict @param {string} id */
function others({ digests }, id) {
  const others = digests.filter(({ nodes }) => !nodes.includes(id));
  const names = others.flatMap(({ nodes }) => nodes);
  const count = others.reduce((sum, { nodes, node_count = nodes.length }) => sum + node_count, 0);
  return count > 4 ? `${names.slice(0, 3).join(", ")} and ${count - 3} more` : names.join(", ");
}

/** @param {Node} node */
function addresses(node) {
  return html`<h3>Addresses</h3>
    <dl class="facts">
      ${
        /** @type {const} */ (["IPv6", "IPv4"]).map((family) => {
          const text = family === "IPv6" ? node.ipv6 : node.ipv4;
          const route = node.routes.find((one) => one.family === family);
          const { words } = reachability(route);
          const way = !text ? "none" : route?.reachable ? `reachable, round trip ${words}` : words;
          return html`<dt>${family}</dt><dd>${text ? html`<code>${text}</code><br>` : nothing}${way}${!route?.in_use ? "" : route.reachable === false ? ", dialled first" : ", in use (dialled first)"}</dd>`;
        })
      }
      <dt>Port</dt><dd>${node.port}</dd>
    </dl>`;
}

/** @param {Node} node */
function cards(node) {
  if (node.gpu.length === 0) return nothing;
  return html`<h3>Graphics cards</h3>
    <dl class="facts">${node.gpu.map(
      (one) => html`<dt>${one.name ?? "GPU"}</dt><dd>${percent(one.utilization)} busy${meter(one.utilization)}
        ${one.memory_total ? html`${size(one.memory_used)} of ${size(one.memory_total)}${meter((one.memory_used ?? 0) / one.memory_total)}` : nothing}</dd>`,
    )}</dl>`;
}

/** What its agent told of itself and its machine. @param {Node} node */
function agent(node) {
  return html`<h3>Agent</h3>
    <dl class="facts">
      <dt>Version</dt><dd>${node.agent_version ?? "an older agent"}, Ollama ${node.ollama.version ?? "unknown"}</dd>
      <dt>Slots</dt><dd>${slots(node)}</dd>
      ${Object.entries(node.metadata).map(([name, value]) => html`<dt>${name.replaceAll("_", " ")}</dt><dd>${textOf(name, value)}</dd>`)}
    </dl>`;
}

/** @param {Node} node */
function slots({ active_jobs, slots, slots_reported }) {
  const used = `${active_jobs} of ${slots} in use`;
  if (slots === slots_reported) return used;
  return `${used}. The agent reports ${slots_reported}, but more than ${slots} at once only waited inside its Ollama.`;
}

/** What an agent told under `name`. @param {string} name @param {unknown} value */
function textOf(name, value) {
  if (typeof value === "number" && value > 1e6 && /memory/.test(name)) return size(value);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
