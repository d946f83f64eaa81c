// Go's times on the wire: RFC 3339 stamps, nanosecond durations, the keep_alive field.
import { Refusal } from "./fake_ollama_json.ts";

/** The present moment in UTC with up to 9 fractional digits and `Z`, as in `created_at`. For display only, never logic. */
export function utcStamp(): string {
  const now = performance.timeOrigin + performance.now();
  return `${new Date(now).toISOString().slice(0, 19)}${fraction(now)}Z`;
}

/** The moment `epochMs` (ms since 1970) with the local zone offset, as in `modified_at` and `expires_at`. */
export function localStamp(epochMs: number): string {
  const offset = -new Date(epochMs).getTimezoneOffset();
  const shifted = new Date(epochMs + offset * 60_000).toISOString();
  const wall = `${shifted.slice(0, shifted.indexOf("."))}${fraction(epochMs)}`;
  if (offset === 0) return `${wall}Z`;
  const pad = (value: number) => String(Math.floor(value)).padStart(2, "0");
  return `${wall}${offset < 0 ? "-" : "+"}${pad(Math.abs(offset) / 60)}:${pad(Math.abs(offset) % 60)}`;
}

/** Wall-clock ms of a `performance.now()` reading, for display. */
export function epochOf(performanceMs: number): number {
  return performance.timeOrigin + performanceMs;
}

/** Milliseconds as Go's integer nanoseconds; never negative. */
export function nanoseconds(ms: number): number {
  return Math.max(0, Math.round(ms * 1e6));
}

function fraction(epochMs: number): string {
  const inSecond = ((epochMs % 1000) + 1000) % 1000;
  const digits = String(Math.floor(inSecond * 1e6))
    .padStart(9, "0")
    .replace(/0+$/, "");
  return digits === "" ? "" : `.${digits}`;
}

const unitMs: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * The `keep_alive` field in ms: a number means seconds, a string is a Go duration; negative = Infinity; undefined = not
 * given. @throws Refusal 400 with Go's text.
 */
export function parseKeepAlive(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number") return value < 0 ? Number.POSITIVE_INFINITY : value * 1000;
  if (typeof value === "string") {
    const ms = parseGoDuration(value);
    return ms < 0 ? Number.POSITIVE_INFINITY : ms;
  }
  const kind =
    typeof value === "boolean" ? "bool" : Array.isArray(value) ? "[]interface {}" : "map[string]interface {}";
  throw new Refusal(400, `Unsupported type: '${kind}'`);
}

/** A Go duration such as "1h30m" in ms. @throws Refusal 400 with the text of Go's time.ParseDuration. */
function parseGoDuration(text: string): number {
  const unsigned = text.replace(/^[-+]/, "");
  if (unsigned === "0") return 0;
  const parts = [...unsigned.matchAll(/(\d+\.?\d*|\.\d+)([^\d.]*)/g)];
  if (unsigned === "" || parts.map((part) => part[0]).join("") !== unsigned) {
    throw new Refusal(400, `time: invalid duration ${JSON.stringify(text)}`);
  }
  let total = 0;
  for (const [, amount, unit] of parts) {
    if (unit === "") throw new Refusal(400, `time: missing unit in duration ${JSON.stringify(text)}`);
    const scale = unitMs[unit ?? ""];
    if (scale === undefined) {
      throw new Refusal(400, `time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`);
    }
    total += Number(amount) * scale;
  }
  return text.startsWith("-") ? -total : total;
}
