// The charts of the last hour, of the fleet, of a node somebody chose, and of the nodes whose rows are open.
import { count, duration } from "../format.js";
import { html, nothing } from "../lit.js";
import { createChart } from "./chart.js";
import { History } from "./history.js";
import { state } from "./state.js";

/** @typedef {import("./chart.js").Plan} Plan */

const MS = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 60_000, 120_000, 300_000, 600_000];

/** @type {Plan[]} */
const PLANS = [
  {
    title: "Requests in 10 s",
    nothingYet: "No requests in the last hour.",
    words: count,
    lines: [
      { name: "requests", label: "Requests", colour: "--series-1", filled: true },
      { name: "errors", label: "Errors", colour: "--bad", dashed: true },
    ],
  },
  {
    title: "Tokens per second",
    nothingYet: "No tokens in the last hour.",
    words: (value) => `${count(value)}/s`,
    perSecond: true,
    lines: [{ name: "tokens", label: "Tokens", colour: "--series-1", filled: true }],
  },
  {
    title: "Time to the first token",
    nothingYet: "No answers in the last hour.",
    words: (value) => (value === 0 ? "0 s" : duration(value)),
    steps: MS,
    lines: [
      { name: "first_token_p50_ms", label: "Half within (p50)", colour: "--series-1" },
      { name: "first_token_p95_ms", label: "95 % within (p95)", colour: "--series-2", dashed: true },
    ],
  },
  {
    title: "Active and waiting",
    nothingYet: "Nothing was running or waiting in the last hour.",
    words: count,
    lines: [
      { name: "active", label: "Active", colour: "--series-1", filled: true },
      { name: "waiting", label: "Waiting", colour: "--series-2", dashed: true },
    ],
  },
];

/** Who waits belongs to no node yet. @type {Plan[]} */
const NODE_PLANS = PLANS.map((plan) =>
  plan.title === "Active and waiting"
    ? { ...plan, title: "Active", lines: plan.lines.filter(({ name }) => name === "active") }
    : plan,
);
/** They stand below a heading of the row's. */
const ROW_PLANS = NODE_PLANS.map((plan) => ({ ...plan, heading: /** @type {const} */ ("h4") }));

/** A history with the charts that show it. */
class Charted {
  /** Why the hub did not give it, if so. @type {string | null} */
  problem = null;

  /** @param {string | null} nodeId @param {() => void} redraw @param {Plan[]} plans */
  constructor(nodeId, redraw, plans) {
    this.history = new History(nodeId);
    this.redraw = redraw;
    this.charts = plans.map(createChart);
    this.show();
  }

  show() {
    for (const chart of this.charts) chart.show(this.history);
  }

  async seed() {
    try {
      await this.history.seed();
      this.problem = null;
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
    }
    this.show();
    this.redraw();
  }

  /** @param {import("./history.js").Sample} sample */
  add(sample) {
    if (!this.history.add(sample)) void this.seed();
    else this.show();
  }

  destroy() {
    for (const chart of this.charts) chart.destroy();
  }

  template() {
    return html`${
      this.problem && !this.history.ready
        ? html`<p class="soft">The hub does not tell of the last hour (${this.problem}); lines begin now.</p>`
        : nothing
    }
    <div class="charts">${this.charts.map((chart) => chart.element)}</div>`;
  }
}

/** @type {() => void} */
let redrawSection = () => {};
/** @type {() => void} */
let redrawNodes = () => {};

const fleet = new Charted(null, () => redrawSection(), PLANS);
export const fleetHistory = fleet.history;
/** @type {string | null} */
let chosen = null;
/** @type {Charted | null} */
let ofChosen = null;
/** Those of open rows. @type {Map<string, Charted>} */
const ofRows = new Map();

const all = () => [fleet, ...(ofChosen ? [ofChosen] : []), ...ofRows.values()];

/** Says what to draw again when figures have come. @param {() => void} section @param {() => void} nodes */
export function onCharts(section, nodes) {
  redrawSection = section;
  redrawNodes = nodes;
}

/** Asks for the last hour of all that is shown: at the start, and after every interruption. */
export function seedCharts() {
  for (const one of all()) one.seed();
}

/** Forgets the hour of a hub that is no more. */
export function clearCharts() {
  for (const one of all()) one.history.clear();
}

/** Takes one step of ten seconds. @param {import("./history.js").Sample} sample */
export function addSample(sample) {
  for (const one of all()) one.add(sample);
}

/** The charts of a node whose row is open. @param {string} nodeId */
export function rowCharts(nodeId) {
  let one = ofRows.get(nodeId);
  if (!one) {
    one = new Charted(nodeId, () => redrawNodes(), ROW_PLANS);
    ofRows.set(nodeId, one);
    one.seed();
  }
  return one.template();
}

/** Forgets the charts of a row that was closed. @param {string} nodeId */
export function closeRowCharts(nodeId) {
  ofRows.get(nodeId)?.destroy();
  ofRows.delete(nodeId);
}

/** @param {string} nodeId */
function choose(nodeId) {
  ofChosen?.destroy();
  chosen = nodeId === "" ? null : nodeId;
  ofChosen = chosen === null ? null : new Charted(chosen, () => redrawSection(), NODE_PLANS);
  void ofChosen?.seed();
  redrawSection();
}

/** The section. */
export function charts() {
  if (chosen !== null && state.nodes && !state.nodes.has(chosen)) choose("");
  return html`<section class="card" aria-labelledby="charts-title">
    <div class="bar">
      <h2 id="charts-title">The last hour</h2>
      <label>of
        <select .value=${chosen ?? ""} @change=${(/** @type {Event} */ { target }) => choose(/** @type {HTMLSelectElement} */ (target).value)}>
          <option value="">the whole fleet</option>
          ${state.list.map(({ node_id }) => html`<option value=${node_id}>${node_id}</option>`)}
        </select>
      </label>
    </div>
    ${(ofChosen ?? fleet).template()}
  </section>`;
}
