/** Says in the hub's log which heartbeats are refused and why: else only the node knows, whose log nobody looks at. */
import type { Clock } from "../../shared/clock.ts";
import type { Logger } from "../../shared/log.ts";
import { createRarely } from "../rarely.ts";

/** Milliseconds between two lines about the same name and status. */
const SAY_EVERY_MS = 60_000;
/** Lines within that time: names can be invented. */
const MOST_LINES = 20;

/** Nothing was refused yet. */
export function createRefusedBeats(clock: Pick<Clock, "now">, log: Pick<Logger, "warn">) {
  const rarely = createRarely(clock, SAY_EVERY_MS, MOST_LINES);
  return {
    /** The heartbeat of node `id` from `source` was refused. */
    note(id: string, source: string, status: number, detail: string): void {
      if (rarely(`${status} ${id}`)) log.warn({ node_id: id, source, status }, `refused a heartbeat: ${detail}`);
    },
  };
}
