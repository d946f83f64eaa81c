// What is running now, and who waits for a free slot.
import { count, duration, plural } from "../format.js";
import { html, nothing, repeat } from "../lit.js";
import { state } from "./state.js";

/** @typedef {import("../../contract.d.ts").Running} Running */

const ROWS = 20;
let showAll = false;

/** The section. @param {() => void} redraw */
export function running(redraw) {
  return html`<section class="card" aria-labelledby="running-title">
    <h2 id="running-title">Running now${state.running ? html` <span class="soft">${count(state.running.total)}</span>` : nothing}</h2>
    ${queueWords()} ${list(redraw)}
  </section>`;
}

function queueWords() {
  const { queue } = state;
  if (!queue || queue.waiting === 0) return nothing;
  return html`<p class="warn-line"><strong>${count(queue.waiting)} waiting for a free slot</strong>${queue.models.map(
    ({ model, waiting, oldest_wait_ms, expected_wait_ms }) =>
      html`<br>${waiting} for ${model ?? "any model"}, the first for ${duration(oldest_wait_ms)}${
        expected_wait_ms === null ? nothing : html`; one more would wait about ${duration(expected_wait_ms)}`
      }`,
  )}</p>`;
}

/** @param {() => void} redraw */
function list(redraw) {
  const now = state.running;
  if (!now) {
    const words =
      state.connection === "asking"
        ? "Single requests are shown only while live events come through."
        : "Waiting for the hub…";
    return html`<p class="soft">${words}</p>`;
  }
  if (now.total === 0)
    return html`<p class="soft">Nothing is running. What has ended is in the <a href="/static/logs.html">request log</a>.</p>`;
  const shown = showAll ? now.requests : now.requests.slice(0, ROWS);
  const since = state.connection === "live" ? performance.now() - state.runningAt : 0;
  return html`<table class="stack running" role="table">
      <caption class="said">Requests that run now</caption>
      <thead role="rowgroup"><tr role="row">
        <th scope="col" role="columnheader">Model</th><th scope="col" role="columnheader">Node</th>
        <th scope="col" role="columnheader">Client</th><th scope="col" role="columnheader">Endpoint</th>
        <th scope="col" role="columnheader" class="figure">Running for</th><th scope="col" role="columnheader" class="figure">First token</th>
        <th scope="col" role="columnheader" class="figure">Pieces</th><th scope="col" role="columnheader">Request</th>
      </tr></thead>
      <tbody role="rowgroup">${repeat(
        shown,
        ({ request_id }) => request_id,
        (request) => row(request, since),
      )}</tbody>
    </table>
    ${
      now.requests.length > ROWS
        ? html`<p><button type="button" aria-expanded=${showAll ? "true" : "false"} @click=${() => {
            showAll = !showAll;
            redraw();
          }}>${showAll ? "Show fewer" : `Show ${now.requests.length}`}</button></p>`
        : nothing
    }
    ${now.total > now.requests.length ? html`<p class="soft">and ${plural(now.total - now.requests.length, "older one")}</p>` : nothing}`;
}

/** @param {Running} request @param {number} since Milliseconds since the hub told of it. */
function row(request, since) {
  const { request_id, model, node_id, ip_version, waiting, queue_position, first_byte_ms } = request;
  return html`<tr role="row">
    <th scope="row" role="rowheader" class="wide">${model ?? "any model"}</th>
    <td role="cell" data-label="Node">${
      waiting
        ? html`<span class="badge pending">Waiting</span>${queue_position === null ? nothing : html` <span class="soft">came as no. ${queue_position}</span>`}`
        : html`${node_id ?? "being placed"}${ip_version ? html` <span class="soft">${ip_version}</span>` : nothing}`
    }</td>
    <td role="cell" data-label="Client"><code>${request.request_ip}</code></td>
    <td role="cell" data-label="Endpoint"><code>${request.endpoint}</code>${request.stream ? nothing : html` <span class="soft">whole</span>`}</td>
    <td role="cell" data-label="Running for" class="figure">${elapsed(request.elapsed_ms + since)}</td>
    <td role="cell" data-label="First token" class="figure">${first_byte_ms === null ? "not yet" : duration(first_byte_ms)}</td>
    <td role="cell" data-label="Pieces" class="figure">${count(request.pieces)}</td>
    <td role="cell" data-label="Request"><code class="id" title=${request_id}>${request_id.slice(0, 8)}</code></td>
  </tr>`;
}

/** Whole seconds: tenths would only flicker. @param {number} ms */
const elapsed = (ms) => duration(Math.max(0, Math.floor(ms / 1000) * 1000)).replace("< 1 ms", "0 s");
