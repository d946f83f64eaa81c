/** One body for several takers: read once, as fast as the slowest of them takes it, never kept. */

export interface Branch {
  readonly stream: ReadableStream<Uint8Array>;
  /** Takes no more: the others go on without it. Harmless at any time; cancelling the stream does the same. */
  drop(): void;
}

/**
 * Splits `source` into `count` branches. A piece is read when every branch still there has taken the one before, so at
 * most one is in memory. A source that breaks off breaks every branch; it is cancelled when the last one is dropped.
 * `onEnd` hears when all of it has been read.
 */
export function broadcast(source: ReadableStream<Uint8Array>, count: number, onEnd = () => {}): Branch[] {
  const taking = new Set<Taker>();
  let reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  let reading = false;

  async function advance(): Promise<void> {
    if (reading || taking.size === 0 || [...taking].some(({ asks }) => asks === null)) return;
    reading = true;
    try {
      reader ??= source.getReader() as ReadableStreamDefaultReader<Uint8Array>;
      const { done, value } = await reader.read();
      for (const taker of [...taking]) taker.give(done ? null : value);
      if (done) {
        taking.clear();
        onEnd();
      }
    } catch (error) {
      for (const taker of taking) taker.fail(error);
      taking.clear();
    }
    reading = false;
    // Whoever was dropped or asked in the meantime was not listened to.
    void advance();
  }

  function drop(taker: Taker): void {
    if (!taking.delete(taker)) return;
    taker.asks?.();
    if (taking.size > 0) return void advance();
    // Cancelling the body of a client that has gone rejects; there is nothing left to do about it.
    (reader ?? source).cancel().catch(() => {});
  }

  return Array.from({ length: count }, () => {
    const taker = newTaker(() => void advance(), drop);
    taking.add(taker);
    return { stream: taker.stream, drop: () => drop(taker) };
  });
}

interface Taker {
  readonly stream: ReadableStream<Uint8Array>;
  /** Not null while it waits for the next piece; to be called when it need not wait any more. */
  readonly asks: (() => void) | null;
  /** The next piece, or null at the end. */
  give(piece: Uint8Array | null): void;
  fail(error: unknown): void;
}

function newTaker(onAsk: () => void, onDrop: (taker: Taker) => void): Taker {
  let asks: (() => void) | null = null;
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const stream = new ReadableStream<Uint8Array>(
    {
      start(its) {
        controller = its;
      },
      pull() {
        return new Promise<void>((resolve) => {
          asks = resolve;
          onAsk();
        });
      },
      cancel: () => onDrop(taker),
    },
    { highWaterMark: 0 },
  );
  const answered = (act: () => void) => {
    const resolve = asks;
    asks = null;
    act();
    resolve?.();
  };
  const taker: Taker = {
    stream,
    get asks() {
      return asks;
    },
    give: (piece) => answered(() => (piece === null ? controller?.close() : controller?.enqueue(piece))),
    fail: (error) => answered(() => controller?.error(error)),
  };
  return taker;
}
