/** Which signed heartbeats were heard since the hub started: none of them is heard twice. */
import type { Heartbeat } from "../../shared/protocol.ts";

/** Starts of one agent that are remembered: half a day of one that falls over every five seconds. */
const MOST_BOOTS = 10_000;
/** Names with their keys; the one silent for longest is forgotten first. */
const MOST_SPEAKERS = 20_000;
/** Starts of all of them together: whoever has many names could fill memory with the starts of each. */
export const MOST_BOOTS_IN_ALL = 200_000;

/** What a node was heard to say last. Most have one start only, and a map for it would be most of what is kept. */
interface Speaker {
  boot: string;
  seq: number;
  /** The last sequence numbers of its starts before. */
  earlier: Map<string, number> | null;
}

/** Nothing was heard yet. */
export function createHeard() {
  /** By node with its key: what one key has said another cannot be repeating. */
  const speakers = new Map<string, Speaker>();
  let bootsInAll = 0;

  const nameOf = ({ node_id, public_key }: Heartbeat) => `${node_id} ${public_key ?? ""}`;
  const bootsOf = ({ earlier }: Speaker) => 1 + (earlier?.size ?? 0);

  function forgetOldest(): void {
    const [oldest, speaker] = speakers.entries().next().value ?? [];
    if (oldest === undefined || speaker === undefined) return;
    speakers.delete(oldest);
    bootsInAll -= bootsOf(speaker);
  }

  /** The speaker from now on at start `boot`, the others of which it remembers. */
  function begin(speaker: Speaker, boot: string): void {
    const earlier = speaker.earlier ?? new Map<string, number>();
    earlier.delete(boot);
    earlier.set(speaker.boot, speaker.seq);
    if (earlier.size >= MOST_BOOTS) earlier.delete(earlier.keys().next().value ?? "");
    speaker.boot = boot;
    speaker.earlier = earlier;
  }

  return {
    /** True when `beat` was heard before, or may have been. */
    has(beat: Heartbeat): boolean {
      if (beat.seq == null) return true;
      const speaker = speakers.get(nameOf(beat));
      const boot = beat.boot_id ?? "";
      const last = speaker?.boot === boot ? speaker.seq : speaker?.earlier?.get(boot);
      return last !== undefined && beat.seq <= last;
    },

    /** Takes note of `beat`. */
    note(beat: Heartbeat): void {
      const name = nameOf(beat);
      const [boot, seq] = [beat.boot_id ?? "", beat.seq ?? 0];
      const known = speakers.get(name);
      const speaker = known ?? { boot, seq, earlier: null };
      bootsInAll -= known ? bootsOf(known) : 0;
      if (speaker.boot !== boot) begin(speaker, boot);
      speaker.seq = seq;
      bootsInAll += bootsOf(speaker);
      speakers.delete(name);
      speakers.set(name, speaker);
      while (speakers.size > MOST_SPEAKERS || (bootsInAll > MOST_BOOTS_IN_ALL && speakers.size > 1)) forgetOldest();
    },

    /** Starts that are remembered now. */
    get boots() {
      return bootsInAll;
    },
  };
}
