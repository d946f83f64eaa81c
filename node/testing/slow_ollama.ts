/** An Ollama that answers the watch, and reads the body of anything else only when a test lets it. */
import { once } from "node:events";
import net from "node:net";

export interface SlowOllama {
  readonly url: string;
  /** Bytes it has read of the bodies, framing included. */
  readonly read: number;
  /** Heads of the requests that are not the watch's. */
  readonly heads: readonly string[];
  /** Connections of such requests that were closed from the other side before they were answered. */
  readonly left: number;
  /** Reads on. */
  resume(): void;
  /** Answers what has come with these bytes. */
  answer(bytes: string): void;
  stop(): void;
}

const WATCHED: readonly (readonly [path: string, body: string])[] = [
  ["/api/version", '{"version":"0.33.0"}'],
  ["/api/tags", '{"models":[]}'],
  ["/api/ps", '{"models":[]}'],
];

/** Starts one on a free port of loopback. */
export async function startSlowOllama(): Promise<SlowOllama> {
  const sockets = new Set<net.Socket>();
  const waiting = new Set<net.Socket>();
  const heads: string[] = [];
  let read = 0;
  let left = 0;
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      if (waiting.delete(socket)) left += 1;
    });
    socket.on("data", (data: Buffer) => {
      const watched = WATCHED.find(([path]) => data.toString("latin1", 0, 64).startsWith(`GET ${path} `));
      if (watched !== undefined && !waiting.has(socket)) {
        const [, body] = watched;
        socket.write(
          `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        );
        return;
      }
      const end = waiting.has(socket) ? 0 : data.indexOf("\r\n\r\n") + 4;
      if (end > 0) {
        heads.push(data.toString("latin1", 0, end - 4));
        socket.pause();
      }
      waiting.add(socket);
      read += data.length - end;
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    get read() {
      return read;
    },
    get left() {
      return left;
    },
    heads,
    resume() {
      for (const socket of waiting) socket.resume();
    },
    answer(bytes) {
      for (const socket of waiting) socket.write(bytes);
      waiting.clear();
    },
    stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
