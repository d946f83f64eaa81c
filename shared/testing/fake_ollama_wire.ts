// A raw HTTP client for the tests of the stand-in Ollama: exact bytes, and how the connection ended.
import net from "node:net";

/** What came back over one connection. */
export interface WireAnswer {
  /** Status line and headers, without the empty line. */
  head: string;
  /** Everything after the head, chunk framing included. */
  raw: string;
  /** The payload, chunk framing removed as far as it came. */
  body: string;
  chunks: string[];
  /** Whether the answer was complete: terminating chunk, or Content-Length reached. */
  complete: boolean;
  ended: "close" | "reset" | "open";
}

/** Bytes of a POST request with a JSON (or raw string) body. */
export function postBytes(path: string, body: unknown, headers: Record<string, string> = {}): string {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const lines = Object.entries({ Host: "localhost", "Content-Length": String(Buffer.byteLength(text)), ...headers });
  return `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${text}`;
}

/**
 * Sends `bytes` to `port` and reads until the answer is complete, the connection ends, or nothing has come for
 * `silenceMs`; then closes. Rejects when the connection is refused.
 */
export function exchangeBytes(port: number, bytes: string, silenceMs = 3000): Promise<WireAnswer> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1");
    let received = Buffer.alloc(0);
    const withoutBody = bytes.startsWith("HEAD ");
    let connected = false;
    let timer: ReturnType<typeof setTimeout>;
    const done = (ended: WireAnswer["ended"]) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(parseAnswer(received, ended));
    };
    const restart = () => {
      clearTimeout(timer);
      timer = setTimeout(() => done("open"), silenceMs);
    };
    socket.on("connect", () => {
      connected = true;
      socket.write(bytes);
      restart();
    });
    socket.on("data", (data: Buffer) => {
      received = Buffer.concat([received, data]);
      restart();
      const answer = parseAnswer(received, "open");
      if (answer.complete || (withoutBody && received.includes("\r\n\r\n"))) done("open");
    });
    socket.on("end", () => done("close"));
    socket.on("error", (error) => (connected ? done("reset") : reject(error)));
  });
}

function parseAnswer(received: Buffer, ended: WireAnswer["ended"]): WireAnswer {
  const split = received.indexOf("\r\n\r\n");
  if (split < 0) return { head: received.toString(), raw: "", body: "", chunks: [], complete: false, ended };
  const head = received.toString("latin1", 0, split);
  const rest = received.subarray(split + 4);
  const length = /content-length: (\d+)/i.exec(head)?.[1];
  if (length !== undefined) {
    const body = rest.toString();
    return { head, raw: body, body, chunks: [body], complete: rest.length >= Number(length), ended };
  }
  const { chunks, complete } = parseChunks(rest);
  return { head, raw: rest.toString(), body: chunks.join(""), chunks, complete, ended };
}

function parseChunks(bytes: Buffer): { chunks: string[]; complete: boolean } {
  const chunks: string[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return { chunks, complete: false };
    const length = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    if (length === 0) return { chunks, complete: true };
    // No chunks at all, such as `100 Continue` with the real answer behind it.
    if (Number.isNaN(length)) return { chunks, complete: false };
    chunks.push(bytes.toString("utf8", lineEnd + 2, lineEnd + 2 + length));
    at = lineEnd + 4 + length;
    if (at > bytes.length) return { chunks, complete: false };
  }
}
