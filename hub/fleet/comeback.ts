/** A restart of the hub, seen by its nodes: whether some that it had before may be missing yet, and, once, that all are back. */
import type { Clock } from "../../shared/clock.ts";
import type { Logger } from "../../shared/log.ts";
import type { Heartbeat } from "../../shared/protocol.ts";

/**
 * Milliseconds after the first that came back until it is said. A node looks at the hub every 5 seconds and waits 3 for
 * an answer: whoever has not come by then was not there before, or is gone.
 */
const ALL_BACK_MS = 8_000;

export interface Comeback {
  /** A heartbeat that was taken in. */
  heard(beat: Pick<Heartbeat, "node_id" | "models" | "hub_boot_id">): void;
  /** True while some nodes of an earlier start are back and others may not be yet. */
  readonly underWay: boolean;
  /** Says nothing any more. */
  stop(): void;
}

export interface ComebackOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Of this start of the hub. */
  readonly bootId: string;
}

/** Nobody is back yet; the hub starts now. */
export function createComeback({ clock, log, bootId }: ComebackOptions): Comeback {
  const startedAt = clock.now();
  const models = new Map<string, readonly string[]>();
  let lastMs = 0;
  let said = false;
  let cancel = () => {};

  function say(): void {
    said = true;
    const names = new Set([...models.values()].flat());
    const seconds = Math.round(lastMs / 100) / 10;
    log.info(
      { nodes: models.size, models: names.size, seconds },
      `${count(models.size, "node is", "nodes are")} back after the restart, ${count(names.size, "model", "models")}: ` +
        `the last one ${seconds} s after the hub's start`,
    );
    models.clear();
  }

  return {
    heard(beat) {
      if (said) return;
      if (beat.hub_boot_id != null && beat.hub_boot_id !== bootId && !models.has(beat.node_id)) {
        if (models.size === 0) cancel = clock.after(ALL_BACK_MS, say);
        lastMs = clock.now() - startedAt;
        models.set(beat.node_id, beat.models);
      } else if (models.has(beat.node_id)) {
        // It may have found out about its models a moment after it came.
        models.set(beat.node_id, beat.models);
      }
    },
    get underWay() {
      return !said && models.size > 0;
    },
    stop() {
      said = true;
      cancel();
    },
  };
}

function count(number: number, one: string, more: string): string {
  return `${number} ${number === 1 ? one : more}`;
}
