// The listening socket of the stand-in Ollama: accepts connections, reads requests, hands each to the handler in turn.
import { once } from "node:events";
import net from "node:net";
import { Exchange, type HttpRequest, headerOf, statusTexts } from "./fake_ollama_http.ts";

const maxHeadBytes = 1 << 20; // Go's DefaultMaxHeaderBytes

/** A listening socket that can be shut and opened again on the same port. */
export class Listener {
  readonly #handler: (exchange: Exchange) => Promise<void>;
  readonly #hostname: string;
  readonly #connections = new Set<Connection>();
  #server: net.Server | undefined;
  #port: number;

  constructor(hostname: string, port: number, handler: (exchange: Exchange) => Promise<void>) {
    this.#hostname = hostname;
    this.#port = port;
    this.#handler = handler;
  }

  get port(): number {
    return this.#port;
  }

  /** Opens the port (the same one again after `shut`). Rejects with the system's error, such as EADDRINUSE. */
  async open(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = net.createServer({ noDelay: true }, (socket) => {
      const connection = new Connection(socket, this.#handler);
      this.#connections.add(connection);
      socket.on("close", () => this.#connections.delete(connection));
      void connection.serve();
    });
    // A thousand clients may dial at once; the default backlog of 511 would make some of them wait a second for a SYN.
    server.listen({ host: this.#hostname, port: this.#port, backlog: 4096 });
    await once(server, "listening");
    this.#server = server;
    const address = server.address();
    if (typeof address === "object" && address !== null) this.#port = address.port;
  }

  /** Closes the port and the idle connections: new ones are refused, exchanges under way go on. */
  shut(): void {
    this.#server?.close();
    this.#server = undefined;
    for (const connection of this.#connections) connection.closeWhenIdle();
  }

  /** Resets every open connection. */
  resetAll(): void {
    for (const connection of [...this.#connections]) connection.reset();
    this.#connections.clear();
  }
}

/** One client connection: reads requests one after another (pipelined ones wait) until it closes. */
class Connection {
  readonly #socket: net.Socket;
  readonly #handler: (exchange: Exchange) => Promise<void>;
  readonly #input = new Input();
  #exchange: Exchange | undefined;
  #closing = false;

  constructor(socket: net.Socket, handler: (exchange: Exchange) => Promise<void>) {
    this.#socket = socket;
    this.#handler = handler;
    // The socket is always read, also while answering: only so is a client that leaves noticed at once.
    socket.on("data", (data: Buffer) => this.#input.push(data));
    const left = () => {
      this.#input.end();
      this.#exchange?.leave();
    };
    // Go cancels the request on a mere FIN too; a client that half-closes counts as gone.
    socket.on("end", left);
    socket.on("close", left);
    socket.on("error", left);
  }

  async serve(): Promise<void> {
    for (;;) {
      const head = await this.#input.head();
      if (head === undefined) return;
      const parsed = typeof head === "string" ? parseHead(head) : 431;
      if (typeof parsed === "number") return this.#refuse(parsed);
      if (headerOf(parsed, "expect")?.toLowerCase() === "100-continue") {
        this.#socket.write("HTTP/1.1 100 Continue\r\n\r\n");
      }
      const body = await this.#readBody(parsed.headers);
      if (body === "bad") return this.#refuse(400);
      if (body === "gone") return;
      const keepAlive = parsed.keepAlive && !this.#closing;
      this.#exchange = new Exchange(this.#socket, { ...parsed, body }, keepAlive);
      if (this.#input.ended) this.#exchange.leave();
      await this.#handler(this.#exchange);
      this.#exchange = undefined;
      if (this.#socket.destroyed || this.#socket.writableEnded) return;
      if (!keepAlive || this.#closing) {
        this.#socket.end();
        return;
      }
    }
  }

  closeWhenIdle(): void {
    this.#closing = true;
    if (this.#exchange === undefined) this.#socket.end();
  }

  reset(): void {
    this.#input.end();
    this.#exchange?.leave();
    this.#socket.resetAndDestroy();
  }

  async #readBody(headers: [string, string][]): Promise<Uint8Array | "bad" | "gone"> {
    if (headerOf({ headers }, "transfer-encoding")?.toLowerCase() === "chunked") return this.#readChunks();
    const length = headerOf({ headers }, "content-length") ?? "0";
    if (!/^\d+$/.test(length)) return "bad";
    return (await this.#input.take(Number(length))) ?? "gone";
  }

  async #readChunks(): Promise<Uint8Array | "bad" | "gone"> {
    const parts: Uint8Array[] = [];
    for (;;) {
      const line = await this.#input.line();
      if (line === undefined) return "gone";
      if (!/^[0-9a-f]+\s*(;.*)?$/i.test(line)) return "bad";
      const length = Number.parseInt(line, 16);
      if (length === 0) break;
      const part = await this.#input.take(length);
      if (part === undefined || (await this.#input.line()) === undefined) return "gone";
      parts.push(part);
    }
    for (;;) {
      const trailer = await this.#input.line();
      if (trailer === undefined) return "gone";
      if (trailer === "") return Buffer.concat(parts);
    }
  }

  /** Go's answer to bytes that are no request. */
  #refuse(status: number): void {
    const text = `${status} ${statusTexts[status] ?? ""}`;
    const head = `HTTP/1.1 ${text}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n`;
    this.#socket.end(head + text);
  }
}

type Head = Omit<HttpRequest, "body"> & { keepAlive: boolean };

/** The request line and headers, or the status with which Go refuses them. */
function parseHead(text: string): Head | number {
  const [requestLine = "", ...lines] = text.split("\r\n");
  const match = /^([A-Z-]+) (\S+) HTTP\/1\.([01])$/.exec(requestLine);
  if (match === null) return 400;
  const [, method = "", target = "", minor] = match;
  const headers: [string, string][] = [];
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 1 || /\s/.test(line.slice(0, colon))) return 400;
    headers.push([line.slice(0, colon), line.slice(colon + 1).trim()]);
  }
  if (minor === "1" && headerOf({ headers }, "host") === undefined) return 400;
  const connection = headerOf({ headers }, "connection")?.toLowerCase() ?? "";
  const keepAlive = minor === "1" ? !connection.includes("close") : connection.includes("keep-alive");
  return { method, target, path: target.split("?", 1)[0] ?? "", headers, keepAlive };
}

/** The bytes of a connection as an awaitable queue. Every reader gets undefined once the client has left. */
class Input {
  #parts: Buffer[] = [];
  #size = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  get ended(): boolean {
    return this.#ended;
  }

  push(data: Buffer): void {
    this.#parts.push(data);
    this.#size += data.length;
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** Up to the empty line, without it; 431 when that line does not come in time. */
  async head(): Promise<string | number | undefined> {
    const text = await this.#until("\r\n\r\n");
    // Go, too, skips one stray line end left over from the request before.
    return typeof text === "string" ? text.replace(/^(\r\n)+/, "") : text;
  }

  async line(): Promise<string | undefined> {
    const text = await this.#until("\r\n");
    return typeof text === "number" ? undefined : text;
  }

  /** Exactly `length` bytes. */
  async take(length: number): Promise<Uint8Array | undefined> {
    while (this.#size < length) if (!(await this.#more())) return undefined;
    const whole = this.#joined();
    this.#keep(whole.subarray(length));
    return whole.subarray(0, length);
  }

  async #until(mark: string): Promise<string | number | undefined> {
    for (;;) {
      const whole = this.#joined();
      const at = whole.indexOf(mark);
      if (at >= 0) {
        this.#keep(whole.subarray(at + mark.length));
        return whole.toString("latin1", 0, at);
      }
      if (whole.length > maxHeadBytes) return 431;
      if (!(await this.#more())) return undefined;
    }
  }

  #joined(): Buffer {
    const [only] = this.#parts;
    const whole = only !== undefined && this.#parts.length === 1 ? only : Buffer.concat(this.#parts);
    this.#parts = [whole];
    return whole;
  }

  #keep(rest: Buffer): void {
    this.#parts = [rest];
    this.#size = rest.length;
  }

  async #more(): Promise<boolean> {
    if (this.#ended) return false;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    return !this.#ended || this.#size > 0;
  }
}
