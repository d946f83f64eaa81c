// One request as a row of the log.
import { count, duration, timeOfDay, tokensPerSecond, UNKNOWN } from "../format.js";
import { html, nothing } from "../lit.js";
import { clientLeft, endedAt } from "./book.js";
import { outcomeWords } from "./words.js";

/** @typedef {import("../../contract.d.ts").Brief} Brief */

const COLUMNS = 10;

/** The status with the word of how it ended. @param {Pick<Brief, "success" | "status_code">} record */
function statusView(record) {
  if (record.success)
    return html`<span class="good"><span aria-hidden="true">✓ </span>${record.status_code}<span class="said"> success</span></span>`;
  if (clientLeft(record)) return html`<span class="soft">${record.status_code} client left</span>`;
  return html`<span class="bad"><span aria-hidden="true">✕ </span>${record.status_code}<span class="said"> failed</span></span>`;
}

/** Which way an attempt went and how it ended. @param {import("../../contract.d.ts").Attempt} attempt @param {number} index */
function attemptView({ node_id, ip_version, outcome }, index) {
  const ok = outcome === "ok";
  return html`${index > 0 ? html`<span class="then" aria-hidden="true"> → </span><span class="said">, then </span>` : nothing}<span
      class="attempt"
      ><b>${node_id}</b>${ip_version === null ? nothing : html` <span class="soft">${ip_version}</span>`}
      <span class=${ok ? "soft" : "bad"}>${outcomeWords(outcome)}</span></span
    >`;
}

/**
 * The row of `record`; `more` is what stands below it when it is open. The list listens for clicks and keys.
 * @param {Brief} record @param {boolean} open @param {unknown} more
 */
export function rowView(record, open, more) {
  const rate = tokensPerSecond(record);
  // Of a whole answer the first byte comes with the last.
  const first = record.stream ? record.first_byte_ms : null;
  const model = record.model ?? UNKNOWN;
  return html`<tr role="row" class=${open ? "request open" : "request"} .record=${record}>
      <td role="cell" class="time"><button type="button" class="opener" aria-expanded=${open ? "true" : "false"}>${timeOfDay(new Date(endedAt(record)).toISOString())}<span class="said">, details</span></button></td>
      <td role="cell" class="client">${record.request_ip}</td>
      <td role="cell" class="endpoint">${record.endpoint}</td>
      <td role="cell" class="model">${model}</td>
      <td role="cell" class="attempts">${record.attempts.length === 0 ? html`<span class="soft">no node</span>` : record.attempts.map(attemptView)}</td>
      <td role="cell" class="status">${statusView(record)}</td>
      <td role="cell" class="duration figure" data-label="took">${duration(record.duration_ms)}</td>
      <td role="cell" class=${first === null ? "first figure unknown" : "first figure"} data-label="first token">${duration(first)}</td>
      <td role="cell" class=${rate === null ? "rate figure unknown" : "rate figure"} data-label="tokens/s">${count(rate)}</td>
      <td role="cell" class="error">${record.error === null ? nothing : html`<span class=${clientLeft(record) ? "soft" : "bad"}>${record.error}</span>`}</td>
    </tr>
    ${open ? html`<tr role="row" class="whole"><td role="cell" colspan=${COLUMNS}>${more}</td></tr>` : nothing}`;
}
