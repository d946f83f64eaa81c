// What the fleet page knows: fleet.js writes it, the sections read it. And the hub's time, by which silence is measured.

/** @typedef {import("../../contract.d.ts").Node} Node */

export const state = {
  /** Null until the hub has told of its nodes. @type {Map<string, Node> | null} */
  nodes: null,
  /** The same, by name. @type {Node[]} */
  list: [],
  /** @type {import("../../contract.d.ts").Hello | null} */
  hello: null,
  /** Logged in with a key that may look and not ask. */
  viewer: false,
  /** @type {import("../../contract.d.ts").Queue | null} */
  queue: null,
  /** @type {import("../../contract.d.ts").RunningList | null} */
  running: null,
  /** By performance.now(): when `running` came, which its elapsed times count from. */
  runningAt: 0,
  /** Newest first. @type {import("../../contract.d.ts").Happening[]} */
  happenings: [],
  /** @type {import("../live.js").Connection} */
  connection: "connecting",
  /** Since when it has been so. */
  since: new Date(),
};

const MOST_HAPPENINGS = 50;

/** Takes the whole fleet. @param {Node[]} nodes */
export function setFleet(nodes) {
  state.nodes = new Map(nodes.map((node) => [node.node_id, node]));
  state.list = [...nodes].sort(byName);
}

/** Takes what changed in it. @param {{ changed: Node[], removed: string[] }} news */
export function changeFleet({ changed, removed }) {
  const nodes = new Map(state.nodes);
  for (const id of removed) nodes.delete(id);
  for (const node of changed) nodes.set(node.node_id, node);
  state.nodes = nodes;
  state.list = [...nodes.values()].sort(byName);
}

/** Takes happenings, new ones or again the last fifty. @param {import("../../contract.d.ts").Happening[]} news */
export function addHappenings(news) {
  const known = new Set(state.happenings.map(keyOf));
  const all = [...news.filter((one) => !known.has(keyOf(one))), ...state.happenings];
  state.happenings = all.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0)).slice(0, MOST_HAPPENINGS);
}

/** What tells one happening from another. @param {import("../../contract.d.ts").Happening} happening */
export const keyOf = ({ at, event, node_id, detail }) => JSON.stringify([at, event, node_id, detail]);

// Made once: an Intl comparison without it takes a hundred times as long.
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
export const { compare } = collator;
/** @param {Node} a @param {Node} b */
const byName = (a, b) => compare(a.node_id, b.node_id);

/** The hub's clock minus performance.now(), in milliseconds; null until it was learned. The browser's may be wrong. @type {number | null} */
let offset = null;
let precise = false;

/** Learns that the hub's clock shows `iso` now. @param {string | null} iso @param {boolean} exact */
export function learnTime(iso, exact) {
  const at = iso === null ? Number.NaN : Date.parse(iso);
  if (Number.isNaN(at) || (precise && !exact)) return;
  offset = at - performance.now();
  precise ||= exact;
}

/** Whether the hub's clock was learned already. */
export const knowsTime = () => offset !== null;

/** Milliseconds since the epoch by the hub's clock. */
export const hubNow = () => (offset === null ? Date.now() : offset + performance.now());

/** Milliseconds since the hub last heard of `node`. @param {Node} node */
export const silentMs = (node) => Math.max(0, hubNow() - Date.parse(node.last_seen));
