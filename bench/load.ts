/**
 * The load of streams, a process of its own: reads them from raw sockets and says how late each chunk was. What to do comes
 * as JSON on the command line; it writes a JSON line per event, which is how the bench knows when to look at processors.
 */
import type { Socket } from "bun";
import { httpRequest, now, type Pace, requestBody, writtenAt } from "./chunk.ts";
import { quantile } from "./spread.ts";

export interface Load {
  readonly port: number;
  readonly pace: Pace;
  /** `window`: streams without an end, measured for a while. `whole`: each to its end. `one by one`: over one connection. */
  readonly kind: "window" | "whole" | "one by one";
  readonly streams: number;
  /** Milliseconds before the window, and of it; `one by one` has no streams but a time. */
  readonly warmMs: number;
  readonly windowMs: number;
}

/** What `window` and `whole` come to; delays in milliseconds from the upstream's write to this process. */
export interface StreamFigures {
  readonly chunks: number;
  readonly p50: number;
  readonly p99: number;
  /** Streams that were open when the last one had its first chunk. */
  readonly atOnce: number;
  /** Streams that came to their last line and their end, with every chunk. */
  readonly answered: number;
  /** What the first streams that failed got. */
  readonly failures: readonly string[];
}

/** What `one by one` comes to: milliseconds from the request to the first byte of the answer's body. */
export interface FirstByteFigures {
  readonly requests: number;
  readonly p50: number;
  readonly p99: number;
}

/** Events, in this order; `opened` when every stream has its first chunk. */
export type LoadEvent =
  | { readonly event: "opened" }
  | { readonly event: "begin" }
  | { readonly event: "end"; readonly figures: StreamFigures }
  | { readonly event: "first bytes"; readonly figures: FirstByteFigures };

/** Connections that are opened at a time; more would measure the listener's backlog. */
const OPENING = 100;
/** The most that is waited for streams to open, or to end, in milliseconds. */
const PATIENCE_MS = 60_000;
/** The line before the one that ends a chunked body. */
const NO_CHUNK = "0\r";
/** A header that a body without chunks has. */
const SIZED = /^content-length: /im;
const BODY_END = "0\r\n\r\n";
const FAILURES_TOLD = 3;

interface Reading {
  /** The beginning of a line whose end has not come. */
  rest: string;
  /** The line before. */
  last: string;
  chunks: number;
  done: boolean;
  /** The length of the body was told: nothing comes behind the last line. */
  sized: boolean;
  onFirst: () => void;
  onEnd: () => void;
}

function tell(event: LoadEvent): void {
  console.log(JSON.stringify(event));
}

async function readStreams({ port, pace, kind, streams, warmMs, windowMs }: Load): Promise<void> {
  const request = httpRequest(port, requestBody(pace));
  /** Delays of the window; as long as nobody measures, null. */
  let delays: number[] | null = kind === "whole" ? [] : null;
  let over = 0;
  let answered = 0;
  const failures: string[] = [];
  const ended: Promise<void>[] = [];
  const sockets = new Set<Socket<Reading>>();

  function take(socket: Socket<Reading>, bytes: Buffer): void {
    const { data } = socket;
    const at = now();
    const lines = (data.rest + bytes.toString("latin1")).split("\n");
    data.rest = lines.pop() ?? "";
    for (const line of lines) {
      const isEnd = line === "\r" && data.last === NO_CHUNK;
      data.last = line;
      const written = writtenAt(line);
      if (!Number.isNaN(written)) {
        if (data.chunks++ === 0) data.onFirst();
        delays?.push(at - written);
      } else if (line.includes('"done":true')) data.done = true;
      else if (SIZED.test(line)) data.sized = true;
      else if (line.includes('"error"') || line.startsWith("HTTP/1.1 5")) failures.push(line);
      if (isEnd || (data.done && data.sized)) conclude(socket);
    }
  }

  function conclude(socket: Socket<Reading>): void {
    const { chunks, done } = socket.data;
    if (done && chunks === pace.chunks) answered += 1;
    else failures.push(`ended after ${chunks} of ${pace.chunks} chunks`);
    socket.end();
  }

  async function open(): Promise<void> {
    const first = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    const finish = () => {
      over += 1;
      first.resolve();
      end.resolve();
    };
    ended.push(end.promise);
    const data: Reading = {
      rest: "",
      last: "",
      chunks: 0,
      done: false,
      sized: false,
      onFirst: first.resolve,
      onEnd: finish,
    };
    try {
      const socket = await Bun.connect<Reading>({
        hostname: "127.0.0.1",
        port,
        data,
        socket: {
          data: take,
          close: ({ data }) => data.onEnd(),
          // `close` follows.
          error: (_, error) => void failures.push(String(error)),
        },
      });
      sockets.add(socket);
      socket.write(request);
      await first.promise;
    } catch (error) {
      failures.push(String(error));
      finish();
    }
  }

  let left = streams;
  const opener = async () => {
    while (left-- > 0) await open();
  };
  await atMost(Promise.all(Array.from({ length: OPENING }, opener)));
  const atOnce = sockets.size - over;
  tell({ event: "opened" });
  await Bun.sleep(warmMs);
  if (kind === "window") delays = [];
  tell({ event: "begin" });
  await (kind === "window" ? Bun.sleep(windowMs) : atMost(Promise.all(ended)));
  const sorted = Float64Array.from(delays ?? []).sort();
  delays = null;
  const quantiles = { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
  const told = failures.slice(0, FAILURES_TOLD);
  tell({ event: "end", figures: { chunks: sorted.length, ...quantiles, atOnce, answered, failures: told } });
  for (const socket of sockets) socket.terminate();
}

/** Short streams one after another over one connection. */
async function readOneByOne({ port, pace, warmMs, windowMs }: Load): Promise<void> {
  const request = httpRequest(port, requestBody(pace));
  const waits: number[] = [];
  const measureFrom = now() + warmMs;
  const finished = Promise.withResolvers<void>();
  let sentAt = 0;
  let received = "";

  function ask(socket: Socket): void {
    received = "";
    sentAt = now();
    socket.write(request);
  }
  await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: ask,
      data(socket, bytes) {
        const at = now();
        const hadFirst = received.includes('"@');
        received += bytes.toString("latin1");
        if (!hadFirst && received.includes('"@') && sentAt > measureFrom) waits.push(at - sentAt);
        if (!isWhole(received)) return;
        if (at < measureFrom + windowMs) return ask(socket);
        socket.end();
        finished.resolve();
      },
      close: () => finished.resolve(),
    },
  });
  await atMost(finished.promise);
  const sorted = Float64Array.from(waits).sort();
  const quantiles = { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
  tell({ event: "first bytes", figures: { requests: sorted.length, ...quantiles } });
}

/** Whether `received` is a whole answer; a proxy that had all of it before it wrote any tells its length instead of chunks. */
function isWhole(received: string): boolean {
  return received.endsWith(BODY_END) || (received.includes('"done":true') && SIZED.test(received));
}

/** Resolves with `done`, or when patience is over. */
async function atMost(done: Promise<unknown>): Promise<void> {
  await Promise.race([done, Bun.sleep(PATIENCE_MS)]);
}

if (import.meta.main) {
  const load: Load = JSON.parse(process.argv[2] ?? "");
  await (load.kind === "one by one" ? readOneByOne(load) : readStreams(load));
  process.exit(0);
}
