// What the `ollama` command-line program puts on the wire and how it reads the answer: Go's HTTP client, byte for byte.
import net from "node:net";

const userAgent = "ollama/0.33.0 (amd64 linux) Go/go1.24.1";

/** Answer of a plain call, read to its end. */
export interface GoAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface GoRequest {
  /** Sent as JSON; a list of byte arrays is sent chunked, without a length, as a file is. */
  readonly body?: object | Uint8Array[];
  readonly accept?: "application/json" | "application/x-ndjson";
  /** With OLLAMA_AUTH=1. */
  readonly authorization?: string;
}

/** One line of a stream. */
export type GoLine = Record<string, unknown>;

/** A pool of kept-alive connections to one address, like Go's transport. */
export class GoClient {
  readonly #port: number;
  readonly #idle: Connection[] = [];
  /** Connections opened so far. */
  opened = 0;

  constructor(port: number) {
    this.#port = port;
  }

  /** One call whose answer is read whole. Rejects when the connection ends before the answer does. */
  async call(method: string, path: string, request: GoRequest = {}): Promise<GoAnswer> {
    const connection = await this.#send(method, path, request);
    const { status, headers } = await connection.readHead();
    let body = "";
    const decoder = new TextDecoder();
    for await (const part of connection.readBody(method, headers)) body += decoder.decode(part, { stream: true });
    this.#giveBack(connection, headers);
    return { status, headers, body };
  }

  /**
   * POSTs `body` and yields the lines of the answer as they come, as the program does: a status of 400 or more, a blank
   * line, a line that is no JSON and a line with `error` end it with an Error. Leaving the loop early is Ctrl-C: the
   * connection is closed.
   */
  async *stream(path: string, body: object): AsyncGenerator<GoLine> {
    const connection = await this.#send("POST", path, { body, accept: "application/x-ndjson" });
    const { status, headers } = await connection.readHead();
    let rest = "";
    let whole = false;
    const decoder = new TextDecoder();
    try {
      for await (const part of connection.readBody("POST", headers)) {
        const lines = (rest + decoder.decode(part, { stream: true })).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) yield readLine(line, status);
      }
      if (rest !== "") yield readLine(rest, status);
      whole = true;
    } finally {
      if (whole) this.#giveBack(connection, headers);
      else connection.close();
    }
  }

  /** Closes the idle connections. */
  close(): void {
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  async #send(method: string, path: string, request: GoRequest): Promise<Connection> {
    const connection = this.#idle.findLast((idle) => idle.alive) ?? (await this.#open());
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    for (const bytes of requestBytes(this.#port, method, path, request)) connection.write(bytes);
    return connection;
  }

  async #open(): Promise<Connection> {
    this.opened += 1;
    return Connection.open(this.#port);
  }

  #giveBack(connection: Connection, headers: ReadonlyMap<string, string>): void {
    if (connection.unread > 0) throw new Error(`${connection.unread} bytes follow the end of the answer`);
    if (headers.get("connection") === "close") connection.close();
    else this.#idle.push(connection);
  }
}

function readLine(line: string, status: number): GoLine {
  if (line === "") throw new Error("unexpected end of JSON input");
  let value: GoLine;
  try {
    value = JSON.parse(line);
  } catch {
    throw new Error(line);
  }
  const error = typeof value.error === "string" ? value.error : "";
  if (status >= 400) throw new Error(`${status}: ${error}`);
  if (error !== "") throw new Error(error);
  return value;
}

/** Go writes Host, User-Agent and the length first, its caller's headers by name, and Accept-Encoding last. */
function* requestBytes(port: number, method: string, path: string, request: GoRequest): Generator<string | Uint8Array> {
  const { body, accept = "application/json", authorization } = request;
  const json = body === undefined || Array.isArray(body) ? "" : JSON.stringify(body);
  const length = Array.isArray(body) ? "Transfer-Encoding: chunked" : `Content-Length: ${Buffer.byteLength(json)}`;
  const head = [
    `${method} ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    `User-Agent: ${userAgent}`,
    ...(method === "GET" || method === "HEAD" ? [] : [length]),
    `Accept: ${accept}`,
    ...(authorization === undefined ? [] : [`Authorization: ${authorization}`]),
    "Content-Type: application/json",
    ...(method === "HEAD" ? [] : ["Accept-Encoding: gzip"]),
  ];
  yield `${head.join("\r\n")}\r\n\r\n${json}`;
  if (!Array.isArray(body)) return;
  for (const chunk of body) {
    yield `${chunk.length.toString(16)}\r\n`;
    yield chunk;
    yield "\r\n";
  }
  yield "0\r\n\r\n";
}

/** One connection and the bytes that have come over it. */
class Connection {
  readonly #socket: net.Socket;
  #received = Buffer.alloc(0);
  #ended: Error | undefined;
  #wake: () => void = () => {};

  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(port, "127.0.0.1");
      socket.once("error", reject);
      socket.once("connect", () => resolve(new Connection(socket)));
    });
  }

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    const end = (error: Error) => {
      this.#ended ??= error;
      this.#wake();
    };
    socket.on("data", (data: Buffer) => {
      this.#received = Buffer.concat([this.#received, data]);
      this.#wake();
    });
    socket.on("end", () => end(new Error("unexpected EOF")));
    socket.on("error", end);
    socket.on("close", () => end(new Error("unexpected EOF")));
  }

  get alive(): boolean {
    return this.#ended === undefined;
  }

  get unread(): number {
    return this.#received.length;
  }

  write(bytes: string | Uint8Array): void {
    this.#socket.write(bytes);
  }

  close(): void {
    this.#socket.destroy();
  }

  async readHead(): Promise<{ status: number; headers: Map<string, string> }> {
    const [statusLine = "", ...lines] = (await this.#readTo("\r\n\r\n")).split("\r\n");
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    });
    return { status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]), headers: new Map(headers) };
  }

  async *readBody(method: string, headers: ReadonlyMap<string, string>): AsyncGenerator<Uint8Array> {
    if (method === "HEAD") return;
    if (headers.get("transfer-encoding") !== "chunked") {
      const length = headers.get("content-length");
      if (length === undefined) throw new Error("an answer with neither Content-Length nor chunks");
      yield await this.#take(Number(length));
      return;
    }
    for (;;) {
      const length = Number.parseInt(await this.#readTo("\r\n"), 16);
      const chunk = await this.#take(length + 2);
      if (length === 0) return;
      yield chunk.subarray(0, length);
    }
  }

  async #readTo(mark: string): Promise<string> {
    for (;;) {
      const at = this.#received.indexOf(mark);
      if (at >= 0) return (await this.#take(at + mark.length)).toString("latin1", 0, at);
      await this.#more();
    }
  }

  async #take(length: number): Promise<Buffer> {
    while (this.#received.length < length) await this.#more();
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return taken;
  }

  #more(): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const had = this.#received.length;
      this.#wake = () => {
        if (this.#received.length > had) resolve();
        else if (this.#ended !== undefined) reject(this.#ended);
      };
    });
  }
}
