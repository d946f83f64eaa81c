// Bytes onto a connection as they are, and what came back: for requests that no HTTP library would send.
import net from "node:net";

export interface RawAnswer {
  /** Of the first answer on the connection; null where none came. */
  readonly status: number | null;
  readonly text: string;
  /** How it ended: by the server, by an error, or by us, when nothing more came. */
  readonly ended: "closed" | "reset" | "silent";
}

/** Sends `bytes` to `port` of this machine and reads until the server closes, or says nothing for `silenceMs`. */
export function sendRaw(port: number, bytes: Uint8Array, silenceMs = 150): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    const pieces: Buffer[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = (ended: RawAnswer["ended"]) => {
      clearTimeout(timer);
      socket.destroy();
      const text = Buffer.concat(pieces).toString("latin1");
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1];
      resolve({ status: status === undefined ? null : Number(status), text, ended });
    };
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(() => end("silent"), silenceMs);
    };
    socket.on("connect", () => {
      socket.write(bytes);
      wait();
    });
    socket.on("data", (piece: Buffer) => {
      pieces.push(piece);
      if (isWhole(Buffer.concat(pieces).toString("latin1"))) end("silent");
      else wait();
    });
    socket.on("end", () => end("closed"));
    socket.on("close", () => end("closed"));
    socket.on("error", () => end("reset"));
  });
}

/** True for an answer that has all it announced. */
function isWhole(text: string): boolean {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) return false;
  const lines = text.slice(0, headEnd).toLowerCase();
  const length = /\r\ncontent-length: *(\d+)/.exec(lines)?.[1];
  if (length !== undefined) return text.length - headEnd - 4 >= Number(length);
  return lines.includes("\r\ntransfer-encoding: chunked") && text.endsWith("\r\n0\r\n\r\n");
}

/** Text as bytes, one for each character below 256. */
export function latin1(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}

/** A request of these lines, without a body of its own. */
export function head(...lines: string[]): string {
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** A whole POST; headers of `more` come after the usual ones. */
export function post(path: string, body: string, ...more: string[]): string {
  const length = `Content-Length: ${Buffer.byteLength(body, "latin1")}`;
  return head(`POST ${path} HTTP/1.1`, "Host: localhost", length, ...more) + body;
}
