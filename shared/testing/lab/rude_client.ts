/** Clients that misbehave on purpose, on bare sockets: they never read, send a byte a second, or say nothing at all. */
import net from "node:net";

export interface RudeClients extends Disposable {
  /** Connections the hub has not closed yet. */
  readonly open: number;
}

/** What such a client does. */
export type Rudeness = "never reads" | "sends slowly" | "says nothing";

const SLOW_MS = 1000;

/** Opens `count` connections to the hub at `url`, all rude in the same way. */
export function rudeClients(url: string, count: number, how: Rudeness, body: () => string): RudeClients {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const sockets = new Set<net.Socket>();
  const timers: ReturnType<typeof setInterval>[] = [];
  for (let at = 0; at < count; at++) {
    const socket = net.connect({ host, port: Number(port) });
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    // A paused socket does not notice its end; only who never reads pauses.
    if (how === "never reads") socket.pause();
    else socket.resume();
    if (how === "says nothing") continue;
    const text = body();
    const head = `POST /api/generate HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n`;
    if (how === "never reads") {
      socket.write(head + text);
      continue;
    }
    socket.write(head);
    let sent = 0;
    timers.push(
      setInterval(() => {
        if (!socket.destroyed && socket.writable) socket.write(text.charAt(sent++) || " ");
      }, SLOW_MS),
    );
  }
  return {
    get open() {
      return sockets.size;
    },
    [Symbol.dispose]() {
      for (const timer of timers) clearInterval(timer);
      for (const socket of sockets) socket.destroy();
    },
  };
}
