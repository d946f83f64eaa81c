// The HTTP/1.1 server of the stand-in Ollama: bytes in, exchanges out, and every way a connection can go wrong.
//
// Written over node:net, not Bun.serve or node:http, because a stand-in must write what Go's net/http writes and fail
// the way a machine fails. Measured on Bun 1.4.5: Bun.serve can neither send headers without a body byte nor reset at
// byte n; node:http resets, but adds Connection and Keep-Alive headers and puts Date in another place than Go.
// node:net gave FIN, RST, partial bodies and the client's FIN and RST exactly, with all written bytes arriving first.
import type net from "node:net";

/** One request as it came: headers in wire order and case, the body complete. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query as sent. */
  readonly target: string;
  readonly path: string;
  readonly headers: [string, string][];
  readonly body: Uint8Array;
}

/** Value of the first header called `name` (any case), or undefined. */
export function headerOf(request: { headers: [string, string][] }, name: string): string | undefined {
  return request.headers.find(([key]) => key.toLowerCase() === name)?.[1];
}

/** What goes wrong with a response, counted in bytes of the payload (chunk framing and head are not counted). */
export type WireFault =
  | { how: "hang" } // status and headers, then silence
  | { how: "reset" | "close" | "end"; bytes: number }; // RST, FIN, or a valid end after `bytes` payload bytes

/** Thrown out of a handler when its response is over before its time. */
export class ExchangeOver extends Error {
  /** "gone": the client left or the server stops. "cut": a fault ended the response. */
  readonly reason: "gone" | "cut";
  constructor(reason: "gone" | "cut") {
    super(`the exchange is over: ${reason}`);
    this.reason = reason;
  }
}

// A reset may overtake bytes that the client's kernel has but its program has not read yet.
const resetGraceMs = 20;

/** One request and its response. Writing methods throw ExchangeOver. */
export class Exchange {
  readonly request: HttpRequest;
  /** Headers every answer gets in addition, such as those of CORS. */
  readonly extraHeaders: Record<string, string> = {};
  readonly #socket: net.Socket;
  readonly #gone = new AbortController();
  readonly #keepAlive: boolean;
  #fault: WireFault | undefined;
  #head = "";
  #chunked = false;
  #payloadBytes = 0;
  #state: "waiting" | "started" | "finished" = "waiting";

  constructor(socket: net.Socket, request: HttpRequest, keepAlive: boolean) {
    this.#socket = socket;
    this.request = request;
    this.#keepAlive = keepAlive;
  }

  /** Aborts when the client has left (FIN or RST) or the server stops; not after the response is complete. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get started(): boolean {
    return this.#state !== "waiting";
  }

  get finished(): boolean {
    return this.#state === "finished";
  }

  /** Called by the connection when its client has left. */
  leave(): void {
    if (!this.finished) this.#gone.abort();
  }

  /** Arms a fault of the wire for this response. */
  arm(fault: WireFault): void {
    this.#fault = fault;
  }

  /** A whole answer. Go sends up to 2048 bytes with Content-Length and more as one chunk; so does this. */
  async send(status: number, headers: Record<string, string>, body: string | Uint8Array): Promise<void> {
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    const fault = this.#fault;
    const cutCleanly = fault?.how === "end" && fault.bytes < bytes.length;
    const payload = cutCleanly ? bytes.subarray(0, fault.bytes) : bytes;
    if (payload.length > 2048 && this.request.method !== "HEAD") {
      await this.start(status, headers);
      await this.write(payload);
      await this.end();
      return;
    }
    this.#open(status, headers, `Content-Length: ${payload.length}`);
    await this.#put(this.request.method === "HEAD" ? "" : payload);
    this.#finish();
    if (cutCleanly) throw new ExchangeOver("cut");
  }

  /** Begins a chunked answer; the head leaves with the first chunk, as Go's does. */
  async start(status: number, headers: Record<string, string>): Promise<void> {
    this.#chunked = true;
    this.#open(status, headers, "Transfer-Encoding: chunked");
    const fault = this.#fault;
    if (fault?.how === "hang" || (fault !== undefined && fault.bytes === 0)) await this.#put("");
  }

  /** One chunk, on the wire before this resolves (or in the kernel's queue, when the client reads slowly). */
  async write(payload: string | Uint8Array): Promise<void> {
    if (payload.length > 0) await this.#put(payload);
  }

  /** Ends a chunked answer. */
  async end(): Promise<void> {
    this.#raw(`${this.#head}0\r\n\r\n`);
    this.#head = "";
    this.#finish();
  }

  /** Cuts the connection: RST or FIN, after everything written has had time to arrive. Always throws ExchangeOver. */
  async cut(how: "reset" | "close"): Promise<never> {
    const saidSomething = this.started && this.#head === "";
    this.#state = "finished";
    if (how === "close") this.#socket.end(() => this.#socket.destroy());
    else {
      if (saidSomething) await Bun.sleep(resetGraceMs);
      this.#socket.resetAndDestroy();
    }
    throw new ExchangeOver("cut");
  }

  /** Says nothing more until the client leaves; then throws ExchangeOver. */
  hang(): Promise<never> {
    return new Promise((_, reject) => {
      const give = () => reject(new ExchangeOver("gone"));
      if (this.gone.aborted) give();
      else this.gone.addEventListener("abort", give, { once: true });
    });
  }

  #open(status: number, headers: Record<string, string>, framing: string): void {
    this.#state = "started";
    const all = Object.entries({ ...headers, ...this.extraHeaders });
    all.sort(([left], [right]) => (left < right ? -1 : 1));
    const lines = all.map(([name, value]) => `${name}: ${value}`);
    lines.push(`Date: ${new Date().toUTCString()}`);
    // Go's order after the sorted ones: Date, Content-Length, Connection, Transfer-Encoding.
    if (!this.#keepAlive)
      lines.push(...(this.#chunked ? ["Connection: close", framing] : [framing, "Connection: close"]));
    else lines.push(framing);
    this.#head = `HTTP/1.1 ${status} ${statusTexts[status] ?? `status code ${status}`}\r\n${lines.join("\r\n")}\r\n\r\n`;
  }

  /** Payload through the armed fault: the part before the fault goes out, then the fault happens. */
  async #put(payload: string | Uint8Array): Promise<void> {
    if (this.#fault === undefined) {
      this.#frame(payload, Buffer.byteLength(payload));
      await this.#drained();
      return;
    }
    const fault = this.#fault;
    const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
    const room = fault.how === "hang" ? 0 : fault.bytes - this.#payloadBytes;
    const part = bytes.subarray(0, room);
    this.#frame(part, part.length);
    await this.#drained();
    if (fault.how === "hang") await this.hang();
    else if (this.#payloadBytes < fault.bytes) return;
    else if (fault.how !== "end") await this.cut(fault.how);
    else if (this.#chunked) {
      await this.end();
      throw new ExchangeOver("cut");
    }
  }

  #frame(payload: string | Uint8Array, length: number): void {
    this.#payloadBytes += length;
    const head = this.#head;
    this.#head = "";
    if (!this.#chunked || length === 0) {
      this.#raw(head);
      if (length > 0) this.#raw(payload);
    } else if (typeof payload === "string") {
      this.#raw(`${head}${length.toString(16)}\r\n${payload}\r\n`);
    } else {
      this.#raw(Buffer.concat([Buffer.from(`${head}${length.toString(16)}\r\n`), payload, Buffer.from("\r\n")]));
    }
  }

  #raw(bytes: string | Uint8Array): void {
    if (this.gone.aborted) throw new ExchangeOver("gone");
    if (bytes.length > 0) this.#socket.write(bytes);
  }

  /** Waits while the client reads more slowly than we write, so that a stopped reader stops the generation. */
  async #drained(): Promise<void> {
    if (!this.#socket.writableNeedDrain) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.once("drain", resolve);
    this.gone.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    if (this.gone.aborted) throw new ExchangeOver("gone");
  }

  #finish(): void {
    this.#state = "finished";
    if (!this.#keepAlive) this.#socket.end();
  }
}

export const statusTexts: Record<number, string> = {
  200: "OK",
  201: "Created",
  204: "No Content",
  301: "Moved Permanently",
  307: "Temporary Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Request Entity Too Large",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};
