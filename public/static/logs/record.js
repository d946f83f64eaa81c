// The whole record of one request, below its row: where the time went, every attempt, what was sent, and why this node.
import { ENDPOINTS, explanationView, orderView } from "../explanation.js";
import { count, duration, plural, size, timeOfDay, tokensPerSecond, UNKNOWN } from "../format.js";
import { html, nothing } from "../lit.js";
import { copyable } from "../page.js";
import { endedAt } from "./book.js";
import { outcomeWords } from "./words.js";

/**
 * @typedef {import("../../contract.d.ts").Brief} Brief
 * @typedef {import("../../contract.d.ts").Whole} Whole
 * @typedef {{ whole: Whole | null, error: string | null }} Loaded What the hub said of it; both null while it is asked.
 */

/** Where the time of a request went, one after the other, in ms. @param {Brief} record */
export function phasesOf({ queued_ms, first_byte_ms, duration_ms }) {
  const begun = Math.min(first_byte_ms ?? duration_ms, duration_ms);
  const waited = Math.min(queued_ms, begun);
  const phases = [
    { name: "waited", words: "waited for a free slot", ms: waited },
    { name: "first", words: first_byte_ms === null ? "no answer came" : "until the first token", ms: begun - waited },
    { name: "streaming", words: "streaming", ms: duration_ms - begun },
  ];
  return phases.filter(({ name, ms }) => ms > 0 || name === "first");
}

/** @param {Brief} record */
function timeView(record) {
  const phases = phasesOf(record);
  const total = Math.max(1, record.duration_ms);
  let from = 0;
  const bars = phases.map(({ name, ms }) => {
    const [x, width] = [(from / total) * 1000, (ms / total) * 1000];
    from += ms;
    return { name, x, width };
  });
  return html`<svg class="phases" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">
      <rect class=${bars[0]?.name ?? "none"} x=${bars[0]?.x ?? 0} width=${bars[0]?.width ?? 0} height="10"></rect>
      <rect class=${bars[1]?.name ?? "none"} x=${bars[1]?.x ?? 0} width=${bars[1]?.width ?? 0} height="10"></rect>
      <rect class=${bars[2]?.name ?? "none"} x=${bars[2]?.x ?? 0} width=${bars[2]?.width ?? 0} height="10"></rect>
    </svg>
    <ul class="legend" aria-label="Where the time went">
      ${phases.map(({ name, words, ms }) => html`<li class=${name}>${words} <b>${duration(ms)}</b></li>`)}
      <li class="total">in all <b>${duration(record.duration_ms)}</b></li>
    </ul>`;
}

/** @param {Brief} record */
function factsView(record) {
  const { prompt_tokens, completion_tokens } = record;
  const facts = [
    ["Began", timeOfDay(record.timestamp)],
    ["Ended", timeOfDay(new Date(endedAt(record)).toISOString())],
    ["Client", record.key_name === null ? record.request_ip : `${record.request_ip}, key ${record.key_name}`],
    ["Request", `${record.method} ${record.endpoint}`],
    ["Model", record.model ?? UNKNOWN],
    ["Answer", `${record.stream ? "streamed" : "whole"}, ${size(record.bytes)}`],
    ["Prompt", prompt_tokens === null ? UNKNOWN : plural(prompt_tokens, "token")],
    [
      "Generated",
      completion_tokens === null
        ? UNKNOWN
        : `${plural(completion_tokens, "token")}, ${count(tokensPerSecond(record))}/s`,
    ],
    ["Request id", record.request_id],
  ];
  return html`<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** @param {Brief} record */
function attemptsView({ attempts }) {
  if (attempts.length === 0) return html`<p class="soft">It was sent to no node.</p>`;
  return html`<ol class="attempts-list">
    ${attempts.map(
      ({ node_id, ip_version, node_url, outcome, error, duration_ms }) => html`<li>
        <b>${node_id}</b>${node_url === null ? nothing : html` over ${ip_version} <code>${node_url}</code>`}:
        <span class=${outcome === "ok" ? "good" : "bad"}>${outcomeWords(outcome)}</span> after ${duration(duration_ms)}${
          error === null ? nothing : html`<br /><span class="bad">${error}</span>`
        }
      </li>`,
    )}
  </ol>`;
}

/** @param {Whole} whole */
function decisionsView({ decisions }) {
  if (decisions.length === 0) return html`<p class="soft">The hub did not look for a node.</p>`;
  return html`${decisions.map(
    (decision) => html`<div class="decision">
      ${decisions.length > 1 || decision.at_ms >= 1000 ? html`<p class="soft">${decision.at_ms < 1 ? "When the request came" : `${duration(decision.at_ms)} after the request came`}:</p>` : nothing}
      ${explanationView(decision)}
    </div>`,
  )}
    <details>
      <summary>What is compared, in this order</summary>
      ${orderView(decisions[0]?.order ?? [])}
    </details>`;
}

/** @param {Whole} whole */
function sentView({ request_json }) {
  if (request_json === null || request_json === undefined)
    return html`<p class="soft">No JSON was sent, or none is kept.</p>`;
  return copyable(JSON.stringify(request_json, null, 2), "request JSON");
}

/** A link to the Explain page that asks where the same request would go now. @param {Brief} record */
function explainLink({ model, endpoint }) {
  if (model === null || !ENDPOINTS.includes(endpoint)) return nothing;
  const query = new URLSearchParams({ model, path: endpoint });
  return html`<a href=${`/static/explain.html?${query}`}>Where would it go now?</a>`;
}

/** @param {Brief} record @param {Loaded} loaded @param {() => void} retry Asks the hub again. */
export function recordView(record, { whole, error }, retry) {
  return html`<div class="record">
    ${record.error === null ? nothing : html`<p class="bad failure"><b>${record.status_code}</b> ${record.error}</p>`}
    ${timeView(record)} ${factsView(record)}
    <h2>Attempts</h2>
    ${attemptsView(record)}
    ${
      whole
        ? html`<h2>Why this node</h2>
            ${decisionsView(whole)}
            <p>${explainLink(record)}</p>
            <h2>Request</h2>
            ${sentView(whole)}`
        : error
          ? html`<p class="warn">The rest could not be loaded: ${error} <button type="button" @click=${retry}>Try again</button></p>`
          : html`<p class="soft">Loading the rest…</p>`
    }
  </div>`;
}
