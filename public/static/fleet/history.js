// The last hour in columns, of the fleet or of one node: seeded from GET /stats, carried on by the samples that follow.
import { ask } from "../live.js";
import { learnTime } from "./state.js";

/** @typedef {import("../../contract.d.ts").Point} Point */
/** @typedef {import("../../contract.d.ts").Sample} Sample */
/** @typedef {Record<keyof Point, (number | null)[]>} Series */

/** Steps of an hour. */
const MOST = 360;
/** What a node did in a step in which it is not mentioned. @type {Point} */
const NOTHING = {
  requests: 0,
  errors: 0,
  tokens: 0,
  first_token_p50_ms: null,
  first_token_p95_ms: null,
  active: 0,
  waiting: null,
};
const NAMES = /** @type {(keyof Point)[]} */ (Object.keys(NOTHING));

/** @returns {Series} */
const emptySeries = () =>
  /** @type {Series} */ (Object.fromEntries(NAMES.map((name) => [name, /** @type {(number | null)[]} */ ([])])));

/** The last hour of the fleet, or of the node `nodeId`. */
export class History {
  /** Seconds since the epoch, the end of each step. @type {number[]} */
  at = [];
  series = emptySeries();
  stepS = 10;
  /** Whether it holds what the hub knew before this page was opened. */
  ready = false;
  /** Samples that came while the seed was under way. @type {Sample[]} */
  #early = [];

  /** @param {string | null} nodeId */
  constructor(nodeId) {
    this.nodeId = nodeId;
  }

  /** Asks the hub for the last hour. Rejects with a sentence; what was there stays. */
  async seed() {
    this.#early = [];
    const query = this.nodeId === null ? "" : `?node_id=${encodeURIComponent(this.nodeId)}`;
    /** @type {import("../../contract.d.ts").Stats} */
    const stats = await ask(`/stats${query}`);
    const end = Date.parse(stats.until) / 1000;
    this.stepS = stats.step_s;
    this.at = Array.from({ length: stats.points }, (_, index) => end - (stats.points - 1 - index) * stats.step_s);
    this.series = emptySeries();
    for (const name of NAMES) this.series[name] = [...stats.series[name]];
    this.ready = true;
    // The end of the newest step is at most one step ago: enough for "12 s ago" until the first sample comes.
    learnTime(new Date((end + stats.step_s / 2) * 1000).toISOString(), false);
    for (const sample of this.#early) this.add(sample);
  }

  /** Forgets all: a hub that was started again knows nothing of before. */
  clear() {
    this.at = [];
    this.series = emptySeries();
    this.ready = false;
  }

  /** Takes one step. False where steps are missing before it, so that it should be seeded again. @param {Sample} sample */
  add(sample) {
    const at = Date.parse(sample.at) / 1000;
    const newest = this.at.at(-1);
    if (!this.ready) this.#early.push(sample);
    // A clock that was set back: nothing here fits what comes.
    if (newest !== undefined && at < newest - this.stepS) return false;
    if (newest !== undefined && at <= newest + this.stepS / 2) return true;
    const point = this.nodeId === null ? sample.fleet : (sample.nodes[this.nodeId] ?? NOTHING);
    this.at.push(at);
    for (const name of NAMES) this.series[name].push(point[name]);
    if (this.at.length > MOST) {
      this.at.shift();
      for (const name of NAMES) this.series[name].shift();
    }
    return newest === undefined || at - newest < this.stepS * 1.5;
  }
}
