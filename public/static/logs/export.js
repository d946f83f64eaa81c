// Saves requests as NDJSON: one whole record a line, what the client sent included.
import { ask } from "../live.js";

/**
 * @typedef {import("../../contract.d.ts").Brief} Brief
 */

/** `records` as NDJSON, whole as far as the hub still has them. @param {readonly Brief[]} records @param {readonly Brief[]} whole */
export function ndjson(records, whole) {
  const byId = new Map(whole.map((record) => [record.request_id, record]));
  return records.map((record) => `${JSON.stringify(byId.get(record.request_id) ?? record)}\n`).join("");
}

/** "requests-2026-11-23T02-59-59.ndjson". @param {Date} now */
export const fileName = (now) => `requests-${now.toISOString().slice(0, 19).replaceAll(":", "-")}.ndjson`;

/** Asks the hub for `records` whole and gives them to the browser as a file, whose name it returns. Rejects with a sentence. @param {readonly Brief[]} records */
export async function save(records) {
  const text = ndjson(records, await ask("/logs?limit=1000"));
  const address = URL.createObjectURL(new Blob([text], { type: "application/x-ndjson" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = fileName(new Date());
  link.click();
  // The browser reads it after this returns.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  return link.download;
}
