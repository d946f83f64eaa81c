/** Which signed heartbeats were heard since the hub started: none of them is heard twice. */
import type { Heartbeat } from "../shared/protocol.ts";

/** Starts of one agent that are remembered: half a day of one that falls over every five seconds. */
const MOST_BOOTS = 10_000;
/** Names with their keys; the one silent for longest is forgotten first. */
const MOST_SPEAKERS = 20_000;

/** Nothing was heard yet. */
export function createHeard() {
  /** The last sequence number, by node with its key, and by boot: what one key has said another cannot be repeating. */
  const lastSeq = new Map<string, Map<string, number>>();

  const speakerOf = ({ node_id, public_key }: Heartbeat) => `${node_id} ${public_key ?? ""}`;

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
      boots.set(beat.boot_id ?? "", beat.seq ?? 0);
      if (boots.size > MOST_BOOTS) boots.delete(boots.keys().next().value ?? "");
      if (lastSeq.size > MOST_SPEAKERS) lastSeq.delete(lastSeq.keys().next().value ?? "");
    },
  };
}
