/** A node that behaves as badly as a test wants: it speaks raw bytes, not HTTP, once a job has arrived. */
import type { Socket } from "bun";

export interface FakeNodeOptions {
  readonly nodeId: string;
  /** Called when a whole job has arrived; what it writes to the socket is all the hub gets. */
  readonly onJob: (socket: Socket<undefined>, job: string) => void;
  /** False leaves GET /health unanswered. */
  readonly healthy?: boolean;
}

export interface FakeNode extends Disposable {
  readonly port: number;
  /** Jobs that arrived whole. */
  readonly jobs: number;
  setHealthy(healthy: boolean): void;
  /** The heartbeat with which a test registers it. */
  heartbeat(models?: readonly string[]): Record<string, unknown>;
}

/** Starts one on 127.0.0.1. */
export function startFakeNode(options: FakeNodeOptions): FakeNode {
  let jobs = 0;
  let healthy = options.healthy ?? true;
  const received = new WeakMap<Socket<undefined>, string>();
  const listener = Bun.listen<undefined>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, data) {
        const text = (received.get(socket) ?? "") + data.toString("latin1");
        received.set(socket, text);
        const headEnd = text.indexOf("\r\n\r\n");
        if (headEnd < 0) return;
        if (text.startsWith("GET /health")) {
          received.set(socket, "");
          if (healthy) socket.write(jsonResponse({ status: "ok", node_id: options.nodeId, agent_version: "0" }));
          return;
        }
        const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
        if (text.length < headEnd + 4 + length) return;
        received.set(socket, "");
        jobs++;
        options.onJob(socket, text.slice(headEnd + 4));
      },
      error() {},
    },
  });
  return {
    port: listener.port,
    get jobs() {
      return jobs;
    },
    setHealthy(now) {
      healthy = now;
    },
    heartbeat: (models = ["llama3:latest"]) => ({
      node_id: options.nodeId,
      ipv4: "127.0.0.1",
      port: listener.port,
      models,
      metadata: {},
      agent_version: "0",
    }),
    [Symbol.dispose]: () => listener.stop(true),
  };
}

/** A whole HTTP response with `body` as JSON. */
export function jsonResponse(body: unknown, status = 200): string {
  const text = JSON.stringify(body);
  return `HTTP/1.1 ${status} X\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
}

/** The head of a chunked NDJSON stream. */
export const STREAM_HEAD =
  "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";

/** One chunk of a chunked body; an empty one ends it. */
export function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}
