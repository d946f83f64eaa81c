/** Which signed heartbeats were heard since the hub started: none of them is heard twice. */
import type { Heartbeat } from "../../shared/protocol.ts";

/** Starts of one agent that are remembered: half a day of one that falls over every five seconds. */
const MOST_BOOTS = 10_000;
/** Names with their keys; the one silent for longest is forgotten first. */
const MOST_SPEAKERS = 20_000;
/** Starts of all of them together: whoever has many names could fill memory with the starts of each. */
export const MOST_BOOTS_IN_ALL = 200_000;

/** Nothing was heard yet. */
export function createHeard() {
  /** The last sequence number, by node with its key, and by boot: what one key has said another cannot be repeating. */
  const lastSeq = new Map<string, Map<string, number>>();
  let bootsInAll = 0;

  const speakerOf = ({ node_id, public_key }: Heartbeat) => `${node_id} ${public_key ?? ""}`;

  function forgetOldest(): void {
    const [oldest, boots] = lastSeq.entries().next().value ?? [];
    if (oldest === undefined) return;
    lastSeq.delete(oldest);
    bootsInAll -= boots?.size ?? 0;
  }

  return {
    /** True when `beat` was heard before, or may have been. */
    has(beat: Heartbeat): boolean {
      const last = lastSeq.get(speakerOf(beat))?.get(beat.boot_id ?? "");
      return beat.seq == null || (last !== undefined && beat.seq <= last);
    },

    /** Takes note of `beat`. */
    note(beat: Heartbeat): void {
      const speaker = speakerOf(beat);
      const boots = lastSeq.get(speaker) ?? new Map<string, number>();
      lastSeq.delete(speaker);
      lastSeq.set(speaker, boots);
      const before = boots.size;
      boots.set(beat.boot_id ?? "", beat.seq ?? 0);
      if (boots.size > MOST_BOOTS) boots.delete(boots.keys().next().value ?? "");
      bootsInAll += boots.size - before;
      while (lastSeq.size > MOST_SPEAKERS || (bootsInAll > MOST_BOOTS_IN_ALL && lastSeq.size > 1)) forgetOldest();
    },

    /** Starts that are remembered now. */
    get boots() {
      return bootsInAll;
    },
  };
}
