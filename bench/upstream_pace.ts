/** Writes the chunks of many streams at their pace, with one timer for all of them. */
import { chunkAt, lastLine, now, type Pace } from "./chunk.ts";

export interface Pacer {
  /** Begins a stream: the first chunk is in what this returns, the others and the end go to `write`. */
  begin(pace: Pace, write: (text: string) => void, end: () => void): { readonly first: string; stop(): void };
}

interface Stream {
  left: number;
  readonly chunks: number;
  readonly write: (text: string) => void;
  readonly end: () => void;
}

/** One HTTP chunk. */
const framed = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
/** The end of a chunked body. */
const NO_MORE = "0\r\n\r\n";

/** Milliseconds between two looks at the clock. */
const TICK_MS = 1;

/**
 * A pacer. Streams of one pace are spread evenly over its period, as those of many machines would be; all at once they
 * would measure how long a queue gets.
 */
export function createPacer(): Pacer {
  const wheels = new Map<number, Wheel>();
  setInterval(() => {
    for (const wheel of wheels.values()) wheel.turn();
  }, TICK_MS);

  return {
    begin({ chunks, everyMs }, write, end) {
      const wheel = wheels.get(everyMs) ?? createWheel(everyMs);
      wheels.set(everyMs, wheel);
      const stop = wheel.add({ left: chunks - 1, chunks, write, end });
      return { first: framed(chunkAt(now())), stop };
    },
  };
}

interface Wheel {
  add(stream: Stream): () => void;
  turn(): void;
}

/** All streams of one period, each in the millisecond of it in which its chunks are due. */
function createWheel(periodMs: number): Wheel {
  const spokes = Array.from({ length: periodMs }, () => new Set<Stream>());
  let next = 0;
  let turnedTo = Math.floor(now());

  function advance(stream: Stream, spoke: Set<Stream>): void {
    if (stream.left > 0) {
      stream.left -= 1;
      return stream.write(framed(chunkAt(now())));
    }
    spoke.delete(stream);
    stream.write(framed(lastLine(stream.chunks)) + NO_MORE);
    stream.end();
  }

  return {
    add(stream) {
      const spoke = spokes[next++ % periodMs];
      spoke?.add(stream);
      return () => spoke?.delete(stream);
    },
    turn() {
      const until = Math.floor(now());
      // After a standstill longer than the period nothing is made up for.
      for (turnedTo = Math.max(turnedTo, until - periodMs); turnedTo < until; turnedTo++) {
        const spoke = spokes[turnedTo % periodMs];
        if (spoke) for (const stream of spoke) advance(stream, spoke);
      }
    },
  };
}
