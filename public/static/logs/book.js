// The requests the log page knows: newest first, each once, at most a thousand; which are hidden, which came in a pause.
import { timeOfDay } from "../format.js";
import { outcomeWords } from "./words.js";

/** Rows kept, as many as the hub keeps. */
export const MOST = 1000;

/**
 * @typedef {import("../../contract.d.ts").Brief} Brief
 * @typedef {{ text: string, show: "all" | "success" | "errors", node: string, model: string }} Filter
 * "" stands for any.
 */

/** What is worked out once for each record. @type {WeakMap<Brief, { ended: number, haystack: string, nodes: string[] }>} */
const facts = new WeakMap();

/** @param {Brief} record */
function factsOf(record) {
  const known = facts.get(record);
  if (known) return known;
  const nodes = [...new Set([record.node_id, ...record.attempts.map(({ node_id }) => node_id)])].filter(
    (id) => id !== null,
  );
  const ended = Date.parse(record.timestamp) + record.duration_ms;
  // What the page shows in its own words can be searched for as well.
  const shown = [
    timeOfDay(new Date(ended).toISOString()),
    ...record.attempts.map(({ outcome }) => outcomeWords(outcome)),
  ];
  const made = { ended, haystack: `${textOf(record)} ${shown.join(" ")}`.toLowerCase(), nodes };
  facts.set(record, made);
  return made;
}

/** Every word and figure of a record, with spaces between. @param {unknown} value @returns {string} */
function textOf(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value);
  return Object.values(value).map(textOf).join(" ");
}

/** True for one whose client went away before its end: nobody's fault. @param {Pick<Brief, "status_code">} record */
export const clientLeft = ({ status_code }) => status_code === 499;

/** True for one that a person should look at. @param {Pick<Brief, "success" | "status_code">} record */
export const failed = (record) => !record.success && !clientLeft(record);

/** When it ended, in ms since 1970: what the rows are ordered by. @param {Brief} record */
export const endedAt = (record) => factsOf(record).ended;

/** Those of `records` that `filter` lets through. @param {readonly Brief[]} records @param {Filter} filter */
export function filtered(records, { text, show, node, model }) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return records.filter((record) => {
    if (show === "success" && !record.success) return false;
    if (show === "errors" && !failed(record)) return false;
    if (model !== "" && record.model !== model) return false;
    const { haystack, nodes } = factsOf(record);
    if (node !== "" && !nodes.includes(node)) return false;
    return words.every((word) => haystack.includes(word));
  });
}

/** The nodes and models that occur in `records`, in the order of the alphabet. @param {readonly Brief[]} records */
export function namesIn(records) {
  /** @type {Set<string>} */
  const nodes = new Set();
  /** @type {Set<string>} */
  const models = new Set();
  for (const record of records) {
    for (const id of factsOf(record).nodes) nodes.add(id);
    if (record.model !== null) models.add(record.model);
  }
  const sorted = (/** @type {Set<string>} */ names) =>
    [...names].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  return { nodes: sorted(nodes), models: sorted(models) };
}

/** A book in which nothing is written yet. */
export function createBook() {
  /** @type {Map<string, Brief>} */
  let known = new Map();
  /** Newest first; replaced, never changed. @type {readonly Brief[]} */
  let records = [];
  /** What stood there when the pause began; null while it runs. @type {readonly Brief[] | null} */
  let frozen = null;
  let cameInPause = 0;
  /** @type {Set<string>} */
  let hidden = new Set();

  const standing = () => frozen ?? records;

  return {
    /** Takes in finished requests, newest first, those it has already too. @param {readonly Brief[]} news */
    add(news) {
      const fresh = news.filter(({ request_id }) => !known.has(request_id));
      if (fresh.length === 0) return;
      if (frozen) cameInPause += fresh.length;
      const all = [...fresh, ...records];
      // A log loaded after events came holds older ones too.
      if (all.some((record, index) => index > 0 && endedAt(record) > endedAt(all[index - 1] ?? record))) {
        all.sort((a, b) => endedAt(b) - endedAt(a));
      }
      records = all.slice(0, MOST);
      known = new Map(records.map((record) => [record.request_id, record]));
    },
    pause() {
      frozen ??= records;
    },
    resume() {
      frozen = null;
      cameInPause = 0;
    },
    /** Hides what stands there now. */
    clear() {
      const gone = standing().map(({ request_id }) => request_id);
      hidden = new Set([...gone, ...[...hidden].filter((id) => known.has(id))]);
    },
    /** Shows again what was hidden. */
    restore() {
      hidden = new Set();
    },
    get paused() {
      return frozen !== null;
    },
    /** How many came since the pause began. */
    get cameInPause() {
      return cameInPause;
    },
    /** How many are hidden that would stand there. */
    get hidden() {
      return hidden.size === 0 ? 0 : standing().filter(({ request_id }) => hidden.has(request_id)).length;
    },
    /** What stands there, newest first, before any filter. */
    standing() {
      return hidden.size === 0 ? standing() : standing().filter(({ request_id }) => !hidden.has(request_id));
    },
  };
}
