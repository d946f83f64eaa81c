/** Just enough of an HTTP server to answer proxies, hub and node from prepared text: it must cost less than any of them. */
import type { Socket } from "bun";

export interface UpstreamRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly body: string;
}

export interface Reply {
  /** Sends `text` as it is. */
  write(text: string): void;
  /** To be called when the answer is whole: the connection takes the next request, or is closed if that was asked for. */
  end(): void;
  /** Called when the other side has gone. */
  onGone: () => void;
}

interface Connection {
  received: string;
  /** What the kernel has not taken yet. */
  unsent: string;
  reply: Reply | null;
  closing: boolean;
}

/** Listens on 127.0.0.1 at `port`, 0 for any, and returns the port. */
export function listenAt(port: number, answer: (request: UpstreamRequest, reply: Reply) => void): number {
  function flush(socket: Socket<Connection>): void {
    const { data } = socket;
    if (data.unsent !== "") data.unsent = data.unsent.slice(Math.max(0, socket.write(data.unsent)));
    if (data.unsent === "" && data.closing) socket.end();
  }

  function serve(socket: Socket<Connection>): void {
    const { data } = socket;
    if (data.reply !== null) return;
    const read = readRequest(data.received);
    if (read === null) return;
    data.received = data.received.slice(read.bytes);
    const reply: Reply = {
      write(text) {
        data.unsent += text;
        flush(socket);
      },
      end() {
        data.reply = null;
        data.closing = read.close;
        flush(socket);
        if (!read.close && data.received !== "") serve(socket);
      },
      onGone: () => {},
    };
    data.reply = reply;
    answer(read.request, reply);
  }

  const listener = Bun.listen<Connection>({
    hostname: "127.0.0.1",
    port,
    socket: {
      open(socket) {
        socket.data = { received: "", unsent: "", reply: null, closing: false };
        socket.setNoDelay(true);
      },
      data(socket, bytes) {
        socket.data.received += bytes.toString("latin1");
        serve(socket);
      },
      drain: flush,
      close: ({ data }) => data.reply?.onGone(),
      error: ({ data }) => data?.reply?.onGone(),
    },
  });
  return listener.port;
}

interface ReadRequest {
  readonly request: UpstreamRequest;
  /** How much of the text it was. */
  readonly bytes: number;
  /** True when no further request shall come on this connection. */
  readonly close: boolean;
}

/** The first request in `text`, or null while it is not whole. */
export function readRequest(text: string): ReadRequest | null {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const head = text.slice(0, headEnd);
  const [method = "", path = ""] = head.slice(0, head.indexOf("\r\n")).split(" ", 2);
  const close = /\r\nconnection: *close/i.test(head);
  const from = headEnd + 4;
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
    const body = readChunked(text, from);
    return body && { request: { method, path, body: body.text }, bytes: body.end, close };
  }
  const end = from + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  if (text.length < end) return null;
  return { request: { method, path, body: text.slice(from, end) }, bytes: end, close };
}

function readChunked(text: string, from: number): { readonly text: string; readonly end: number } | null {
  let body = "";
  for (let at = from; ; ) {
    const lineEnd = text.indexOf("\r\n", at);
    if (lineEnd < 0) return null;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    const next = lineEnd + 2 + size + 2;
    if (text.length < next) return null;
    if (size === 0) return { text: body, end: next };
    body += text.slice(lineEnd + 2, lineEnd + 2 + size);
    at = next;
  }
}
