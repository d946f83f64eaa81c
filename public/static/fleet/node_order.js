// Which nodes the table shows, in which order and in which groups.
import { gpuTotals } from "./node_row.js";
import { KIND_WORDS, KINDS, standingOf } from "./node_words.js";
import { compare, silentMs } from "./state.js";

/** @typedef {import("../../contract.d.ts").Node} Node */
/**
 * @typedef {object} Column
 * @property {string} title
 * @property {1 | -1} first The direction of the first click.
 * @property {(node: Node) => number | string | null} value
 * @property {boolean} [restless] Whether it changes all the time.
 */

/** @type {Record<string, Column>} */
export const COLUMNS = {
  name: { title: "Node", first: 1, value: (node) => node.node_id },
  status: { title: "Status", first: 1, value: (node) => KINDS.indexOf(standingOf(node).kind) },
  address: { title: "Addresses", first: 1, value: quickest, restless: true },
  models: { title: "Models", first: -1, value: (node) => node.models.length },
  slots: { title: "Slots", first: -1, value: (node) => node.active_jobs / node.slots, restless: true },
  cpu: { title: "CPU", first: -1, value: (node) => node.load?.cpu ?? null, restless: true },
  memory: { title: "Memory", first: -1, value: (node) => node.load?.memory ?? null, restless: true },
  gpu: { title: "GPU", first: -1, value: (node) => gpuTotals(node).utilization, restless: true },
  failures: { title: "Failures", first: -1, value: (node) => node.failure_count },
  ping: { title: "Last ping", first: 1, value: (node) => silentMs(node), restless: true },
  version: { title: "Version", first: 1, value: (node) => node.agent_version },
};

/** Milliseconds of the best way to a node. @param {Node} node */
function quickest(node) {
  const times = node.routes.flatMap(({ reachable, rtt_ms }) => (reachable && rtt_ms !== null ? [rtt_ms] : []));
  return times.length === 0 ? null : Math.min(...times);
}

/** @typedef {{ text: string, status: string, column: string, direction: 1 | -1, grouped: boolean }} Wish */

/** Those of `nodes` that `wish` asks for. @param {Node[]} nodes @param {Wish} wish */
export function filterNodes(nodes, { text, status }) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return nodes.filter((node) => {
    if (status !== "") {
      const { kind } = standingOf(node);
      if (status === "trouble" ? kind === "online" : kind !== status) return false;
    }
    if (words.length === 0) return true;
    const about = [node.node_id, node.ipv4, node.ipv6, node.reason, ...node.models].join(" ").toLowerCase();
    return words.every((word) => about.includes(word));
  });
}

/** `nodes` in the order that `wish` asks for; what is unknown comes last in either direction. @param {Node[]} nodes @param {Wish} wish */
export function sortNodes(nodes, { column, direction, grouped }) {
  const value = COLUMNS[column]?.value ?? (() => 0);
  const keyed = nodes.map((node) => ({
    node,
    value: value(node),
    group: grouped ? KINDS.indexOf(standingOf(node).kind) : 0,
  }));
  keyed.sort(
    (a, b) => a.group - b.group || inOrder(a.value, b.value, direction) || compare(a.node.node_id, b.node.node_id),
  );
  return keyed.map(({ node }) => node);
}

/** @param {number | string | null} a @param {number | string | null} b @param {1 | -1} direction */
function inOrder(a, b, direction) {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  const order = typeof a === "string" || typeof b === "string" ? compare(String(a), String(b)) : a - b;
  return order * direction;
}

/** How many nodes are in each state. @param {Node[]} nodes */
export function statusCounts(nodes) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const node of nodes) {
    const { kind } = standingOf(node);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return KINDS.map((kind) => ({
    kind,
    word: KIND_WORDS[kind],
    number: counts.get(kind) ?? 0,
  }));
}
