// What a node's state is in words: one word, the reason, and what its owner can do about it.
import { duration } from "../format.js";
import { knowsTime, silentMs, state } from "./state.js";

/** @typedef {import("../../contract.d.ts").Node} Node */
/** @typedef {{ kind: Node["status"], word: string, reason: string | null, advice: string | null }} Standing */

/** The order of how much somebody has to look at it. @type {Node["status"][]} */
export const KINDS = ["offline", "degraded", "pending", "draining", "online"];

/** Each state in words, with how many nodes are in it. @type {Record<Node["status"], string>} */
export const KIND_WORDS = {
  offline: "Offline",
  degraded: "Degraded",
  pending: "Not ready",
  draining: "Stopping",
  online: "Online",
};

/** From here on minutes are told. */
const LONG_S = 180;

/** How long `node` has been silent; in steps of five seconds, so that a table does not flicker. @param {Node} node */
export function silenceWords(node) {
  const seconds = Math.floor(silentMs(node) / 5000) * 5;
  return seconds < LONG_S ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
}

const DEFAULT_STALE_S = 60;

/** True after 60 s of silence: the hub's word, or the clock's while the hub is heard. @param {Node} node */
export function isOverdue(node) {
  if (node.liveness !== "fresh") return true;
  // While the hub itself is not heard, silence says nothing of its nodes.
  if (state.connection !== "live" || !knowsTime()) return false;
  return silentMs(node) >= (state.hello?.stale_s ?? DEFAULT_STALE_S) * 1000;
}

/** What was found out of each node last, and for which moment. @type {WeakMap<Node, { moment: string, standing: Standing }>} */
const known = new WeakMap();

/** How `node` stands. @param {Node} node @returns {Standing} */
export function standingOf(node) {
  // A page asks ten times for each of 500 nodes whenever one changes.
  const moment = `${state.connection} ${silenceWords(node)}`;
  const last = known.get(node);
  if (last?.moment === moment) return last.standing;
  const standing = findOut(node);
  known.set(node, { moment, standing });
  return standing;
}

/** @param {Node} node @returns {Standing} */
function findOut(node) {
  const { status } = node;
  const kind = status !== "draining" && node.intent !== "left" && isOverdue(node) ? "offline" : status;
  return { kind, word: KIND_WORDS[kind] ?? status, ...explain(node, kind) };
}

/** @param {Node} node @param {Node["status"]} kind @returns {{ reason: string | null, advice: string | null }} */
function explain(node, kind) {
  const { reason } = node;
  switch (kind) {
    case "online":
      return { reason: null, advice: null };
    case "offline":
      if (node.intent === "left") {
        return { reason: "its agent was stopped", advice: "Start the agent there again when it shall take work." };
      }
      return {
        reason: `no heartbeat for ${silenceWords(node)}`,
        advice: `Check that the machine is on, that its agent runs, and that it reaches ${location.origin}.`,
      };
    case "draining": {
      const jobs = node.active_jobs === 1 ? "1 job" : `${node.active_jobs} jobs`;
      return { reason, advice: `It finishes ${jobs} and takes no new ones. Nothing to do.` };
    }
    case "pending":
      // The hub tells the address first: nothing else can be mended before it finds the node.
      if (node.routes.length > 0 && !node.routes.some(({ proven }) => proven)) {
        return { reason, advice: `${letPortThrough(node.port)} Nothing but its agent may answer there.` };
      }
      if (!node.ollama.ok) {
        return {
          reason,
          advice: "Start Ollama on that machine (ollama serve), or check OLLAMA_BASE_URL of its agent.",
        };
      }
      return { reason, advice: "Check its addresses (ADVERTISE_IPV4, ADVERTISE_IPV6) and the hub's IP_PREFERENCE." };
    case "degraded":
      return { reason, advice: adviceOnTrust(node) };
  }
}

/** @param {number} port */
const letPortThrough = (port) => `Check the network, and that its firewall lets port ${port} through.`;

/** @param {Node} node */
function adviceOnTrust(node) {
  if (node.trust === "ejected") {
    const rest = node.trust_until_ms;
    const when = rest == null || rest <= 0 ? "as soon as it answers a probe" : `in about ${duration(rest)}`;
    return `It gets no work now and is tried again ${when}. If that goes on, look at the log of its agent and its Ollama.`;
  }
  if (node.trust === "trial")
    return "It is tried with one request at a time; back after two good ones, or a quiet minute.";
  return letPortThrough(node.port);
}
