// Figures and times as people read them. "–" stands for what is not known.

export const UNKNOWN = "–";

/** @typedef {number | null | undefined} Maybe */

/** A ratio of 0 to 1 as a percentage. @param {Maybe} ratio */
export const percent = (ratio) => (ratio == null ? UNKNOWN : `${Math.round(ratio * 100)} %`);

/** Milliseconds: "3 ms", "1.4 s", "2 min 5 s". @param {Maybe} ms */
export function duration(ms) {
  if (ms == null) return UNKNOWN;
  if (ms < 1) return "< 1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const [minutes, rest] = [Math.floor(seconds / 60), seconds % 60];
  if (minutes < 60) return rest === 0 ? `${minutes} min` : `${minutes} min ${rest} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Milliseconds with a decimal where they are few, as round trips are. @param {Maybe} ms */
export const roundTrip = (ms) => (ms == null ? UNKNOWN : `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`);

/** Bytes in the units of Ollama's own lists: powers of a thousand. @param {Maybe} bytes */
export function size(bytes) {
  if (bytes == null) return UNKNOWN;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** A rate or count: "0.4", "12", "1,204". @param {Maybe} value */
export function count(value) {
  if (value == null) return UNKNOWN;
  if (value !== 0 && Math.abs(value) < 10 && !Number.isInteger(value)) return value.toFixed(1);
  return Math.round(value).toLocaleString("en");
}

/** "1 node", "3 nodes". @param {number} number @param {string} one @param {string} [many] */
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

// Made once: a thousand rows each with a format of their own take a tenth of a second.
const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

const day = new Intl.DateTimeFormat([], { month: "short", day: "numeric" });

/** The time of day of an ISO timestamp, by the clock of whoever looks; with the date when that is not today. @param {string} iso */
export function timeOfDay(iso) {
  const date = new Date(iso);
  const time = clock.format(date);
  return date.toDateString() === new Date().toDateString() ? time : `${day.format(date)} ${time}`;
}

/**
 * Tokens a second of one answer. @param {{ completion_tokens: Maybe, duration_ms: number, first_byte_ms: Maybe,
 *   stream: boolean, attempts: readonly { outcome: string, duration_ms: number }[] }} request
 */
export function tokensPerSecond({ completion_tokens, duration_ms, first_byte_ms, stream, attempts }) {
  if (completion_tokens == null || first_byte_ms == null) return null;
  // An answer that came whole was generated before its first byte, by the node that gave it, and after any wait.
  const last = attempts.at(-1);
  const ms = stream ? duration_ms - first_byte_ms : (last?.duration_ms ?? duration_ms);
  return ms > 0 ? (completion_tokens * 1000) / ms : null;
}
