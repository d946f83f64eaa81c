/** A TCP proxy that spoils what goes through it: slow, uneven, one-eyed, cut off at byte n. Stands in for a kernel's netem. */
import net from "node:net";

/** Seen from the hub: `there` is what it sends, `back` is what it gets. */
export type Way = "there" | "back";

/** What the proxy does to bytes; may be changed at any time and holds for open connections as well. */
export interface FaultControl {
  /** Milliseconds each piece is held, each way. */
  delayMs: number;
  /** Milliseconds by which that varies, up and down. */
  jitterMs: number;
  /** Bytes a second of each connection, each way. */
  bytesPerSecond: number;
  /**
   * Ways on which nothing comes through. Both: a black hole that still takes connections. What was under way comes when
   * it is healed, as TCP sends it again: a stream never has a gap.
   */
  swallow: readonly Way[];
  /** After this many bytes of an answer the connection is reset: 0 before the first. */
  resetAfter: number | null;
  /** After this many bytes of an answer the connection is closed in an orderly way. */
  endAfter: number | null;
}

export interface FaultProxy {
  readonly control: FaultControl;
  /** Back to an honest proxy. */
  heal(): void;
  /** Resets every connection and refuses new ones. */
  shut(): void;
  /** Takes connections again, on the same port. */
  open(): Promise<void>;
  /** The port it takes connections on. */
  readonly port: number;
  /** Connections open now. */
  readonly connections: number;
}

export interface FaultProxyOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly target: { readonly host: string; readonly port: number };
  /** From 0 to 1, for jitter. */
  readonly random: () => number;
}

/** Milliseconds between two tries to get bytes through that vanish. */
const RETRANSMIT_MS = 50;
/** Bytes held back in one direction before its sender has to wait. */
const MOST_HELD = 1 << 20;

function honest(): FaultControl {
  return {
    delayMs: 0,
    jitterMs: 0,
    bytesPerSecond: Number.POSITIVE_INFINITY,
    swallow: [],
    resetAfter: null,
    endAfter: null,
  };
}

/** Listens when this resolves. Rejects with the system's error, such as EADDRINUSE. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const control = honest();
  const open = new Set<net.Socket>();
  let server: net.Server | null = null;
  let { port } = options.listen;

  function take(hub: net.Socket): void {
    const node = net.connect({ ...options.target, allowHalfOpen: true });
    for (const [socket, other] of [[hub, node] as const, [node, hub] as const]) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", (hadError) => {
        open.delete(socket);
        if (other.destroyed) return;
        // A reset is passed on as a reset; what was closed in an orderly way has been ended already.
        if (hadError) other.resetAndDestroy();
        else if (!other.writableEnded) setTimeout(() => other.end(), control.delayMs + control.jitterMs);
      });
    }
    const cut = (how: "reset" | "end") => {
      node.resetAndDestroy();
      if (how === "reset") hub.resetAndDestroy();
      else hub.end();
    };
    pump("there", hub, node, control, options.random, () => {});
    pump("back", node, hub, control, options.random, cut);
  }

  const listen = async () => {
    if (server !== null) return;
    const fresh = net.createServer({ allowHalfOpen: true }, take);
    await new Promise<void>((resolve, reject) => {
      fresh.once("error", reject);
      fresh.listen({ host: options.listen.host, port, backlog: 1024 }, resolve);
    });
    server = fresh;
    const address = fresh.address();
    if (typeof address === "object" && address !== null) ({ port } = address);
  };
  await listen();
  return {
    control,
    heal: () => void Object.assign(control, honest()),
    shut() {
      server?.close();
      server = null;
      for (const socket of open) socket.resetAndDestroy();
    },
    open: listen,
    get port() {
      return port;
    },
    get connections() {
      return open.size / 2;
    },
  };
}

/** Passes on what `from` sends, late and at the pace of the control, in order, until the control says to cut. */
function pump(
  way: Way,
  from: net.Socket,
  to: net.Socket,
  control: FaultControl,
  random: () => number,
  cut: (how: "reset" | "end") => void,
): void {
  /** What waits for its turn, in order. One timer for all: two timers for the same moment may fire in any order. */
  const line: { due: number; act: () => void }[] = [];
  let lastDue = 0;
  let held = 0;
  let passed = 0;
  const drain = () => {
    for (let first = line[0]; first !== undefined; first = line[0]) {
      const ms = control.swallow.includes(way) ? RETRANSMIT_MS : first.due - performance.now();
      if (ms > 0) return void setTimeout(drain, ms);
      first.act();
      line.shift();
    }
  };
  /** Calls `act` when its turn has come: never before what was sent earlier. */
  const later = (bytes: number, act: () => void) => {
    const wait = control.delayMs + (2 * random() - 1) * control.jitterMs;
    const spent = (bytes / control.bytesPerSecond) * 1000;
    lastDue = Math.max(performance.now() + Math.max(0, wait), lastDue) + spent;
    line.push({ due: lastDue, act });
    if (line.length === 1) drain();
  };
  from.on("data", (data: Buffer) => {
    held += data.length;
    if (held > MOST_HELD) from.pause();
    later(data.length, () => {
      held -= data.length;
      if (from.isPaused() && held < MOST_HELD / 2) from.resume();
      if (to.destroyed || to.writableEnded) return;
      const limit = way === "back" ? (control.resetAfter ?? control.endAfter) : null;
      const room = limit === null ? data.length : Math.min(data.length, Math.max(0, limit - passed));
      passed += room;
      const how = control.resetAfter === null ? "end" : "reset";
      if (room < data.length) {
        if (room === 0) return cut(how);
        to.write(data.subarray(0, room), () => cut(how));
      } else if (!to.write(data)) {
        from.pause();
        to.once("drain", () => from.resume());
      }
    });
  });
  from.on("end", () =>
    later(0, () => {
      if (!to.destroyed) to.end();
    }),
  );
}
