/** The last things people should know of the fleet, each with the time at which it happened. */
import type { Clock } from "../../shared/clock.ts";
import type { FleetEvent } from "../fleet/fleet_event.ts";

/** Happenings that are kept. */
export const KEPT_HAPPENINGS = 50;

/** Of these, refused takeovers that whatever else happens does not push out: joins cost a stranger nothing. */
export const KEPT_ALARMS = 10;

/** One of them as the dashboard gets it. */
export interface Happening {
  /** ISO. */
  readonly at: string;
  readonly event: FleetEvent["event"];
  readonly node_id: string;
  readonly detail: string;
}

export interface Happenings {
  /** Writes `event` down as of now. */
  add(event: FleetEvent): Happening;
  /** All that are kept, newest first. */
  newest(): Happening[];
}

/** An empty list. */
export function createHappenings(clock: Pick<Clock, "wall">): Happenings {
  const kept: Happening[] = [];

  function oldestToGo(): number {
    const isAlarm = ({ event }: Happening) => event === "impostor";
    const spared = kept.filter(isAlarm).length <= KEPT_ALARMS;
    return spared ? kept.findLastIndex((each) => !isAlarm(each)) : kept.findLastIndex(isAlarm);
  }

  return {
    add({ event, nodeId, detail }) {
      const happening = { at: clock.wall().toISOString(), event, node_id: nodeId, detail };
      kept.unshift(happening);
      if (kept.length > KEPT_HAPPENINGS) kept.splice(oldestToGo(), 1);
      return happening;
    },
    newest: () => [...kept],
  };
}
