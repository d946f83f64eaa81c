// The totals as tiles: what somebody sees who looks for five seconds.
import { count, duration, plural } from "../format.js";
import { html, nothing } from "../lit.js";
import { connectionWords } from "../live.js";
import { fleetHistory } from "./charts.js";
import { knownModels } from "./models_known.js";
import { standingOf } from "./node_words.js";
import { state } from "./state.js";

const MINUTE_STEPS = 6;

/** @typedef {{ label: string, value: unknown, note: unknown, mood?: string }} Tile */

/** The section. */
export function totals() {
  return html`<section aria-label="Totals">
    ${
      state.connection === "lost"
        ? html`<p class="lost-words"><strong>The hub does not answer.</strong> What you see is from before
          ${state.since.toLocaleTimeString()}. This page tries again by itself.</p>`
        : nothing
    }
    <dl class="tiles">
      ${tiles().map(
        ({ label, value, note, mood }) => html`<div class=${`tile ${mood ?? ""}`}>
          <dt>${label}</dt><dd class="value">${value}</dd><dd class="note">${note}</dd>
        </div>`,
      )}
    </dl>
  </section>`;
}

/** @returns {Tile[]} */
function tiles() {
  const known = state.nodes !== null;
  const standings = state.list.map((node) => standingOf(node).kind);
  const online = standings.filter((kind) => kind === "online").length;
  // A node that stops has its jobs still.
  const serving = state.list.filter((node, index) => standings[index] === "online" || node.active_jobs > 0);
  const slots = serving.reduce((sum, node) => sum + node.slots, 0);
  const jobs = state.list.reduce((sum, node) => sum + node.active_jobs, 0);
  const down = standings.length - online;
  const models = knownModels();
  const loaded = models.filter((model) => model.loaded > 0).length;
  return [
    {
      label: "Nodes online",
      value: known ? html`${count(online)} <small>of ${count(standings.length)}</small>` : "–",
      note: !known
        ? "…"
        : down > 0
          ? `${count(down)} may not serve`
          : standings.length > 0
            ? "all may serve"
            : "none registered",
      mood: known && down > 0 ? (online === 0 ? "is-bad" : "is-warn") : "",
    },
    {
      label: "Models",
      value: known ? count(models.length) : "–",
      note: known ? `${count(loaded)} in memory` : "…",
    },
    {
      label: "Active jobs",
      value: known ? html`${count(jobs)} <small>of ${plural(slots, "slot")}</small>` : "–",
      note: known && slots > 0 ? `${Math.round((100 * jobs) / slots)} % in use` : "no slots",
      mood: slots > 0 && jobs >= slots ? "is-warn" : "",
    },
    waiting(),
    ...rates(),
  ];
}

/** @returns {Tile} */
function waiting() {
  const { queue } = state;
  const oldest = Math.max(0, ...(queue?.models.map(({ oldest_wait_ms }) => oldest_wait_ms) ?? []));
  return {
    label: "Waiting",
    value: queue ? count(queue.waiting) : "–",
    note: !queue ? "…" : queue.waiting > 0 ? `the first for ${duration(oldest)}` : "nobody",
    mood: queue && queue.waiting > 0 ? "is-warn" : "",
  };
}

/** @returns {Tile[]} */
function rates() {
  const { at, series, stepS, ready } = fleetHistory;
  const recent = (/** @type {"requests" | "errors" | "tokens"} */ name) =>
    series[name].slice(-MINUTE_STEPS).reduce((/** @type {number} */ sum, value) => sum + (value ?? 0), 0);
  const none = !ready || at.length === 0;
  const errors = recent("errors");
  return [
    {
      label: "Tokens per second",
      value: none ? "–" : count((series.tokens.at(-1) ?? 0) / stepS),
      note: none ? "…" : `${count(recent("tokens") / (Math.min(at.length, MINUTE_STEPS) * stepS))} over the minute`,
    },
    {
      label: "Requests, last minute",
      value: none ? "–" : count(recent("requests")),
      note: none ? "…" : errors > 0 ? plural(errors, "error") : "no errors",
      mood: errors > 0 ? "is-bad" : "",
    },
  ];
}

/** The words of the connection for the page's title, so that a tab in the background tells as well. */
export function titleWords() {
  if (state.connection === "lost") return connectionWords("lost", state.since);
  const down = state.list.filter((node) => standingOf(node).kind !== "online").length;
  return down > 0 ? `${down} of ${plural(state.list.length, "node")} may not serve` : "";
}
