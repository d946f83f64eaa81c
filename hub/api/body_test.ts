/** Reading a body of a real request: its limit, with and without a length, and a client that breaks off. */
import { expect, test } from "bun:test";
import { Hono } from "hono";
import { eventually } from "../../shared/testing/start_hub.ts";
import { type Body, type HubEnv, readBody } from "./body.ts";

const LIMIT = 1_000;

/** A server that reads every body with the limit, and what it read. */
function startReader(maxRequestBodySize = 1_000_000, limit = LIMIT) {
  const bodies: Body[] = [];
  const app = new Hono<HubEnv>();
  app.post("/", async (context) => {
    const body = await readBody(context, limit);
    bodies.push(body);
    return context.text(body.kind === "whole" ? String(body.bytes.byteLength) : body.kind);
  });
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", maxRequestBodySize, fetch: app.fetch });
  return { bodies, url: server.url.href, port: server.port ?? 0, [Symbol.dispose]: () => server.stop(true) };
}

/** A body that is sent in chunks, without a length. */
function chunked(size: number, piece = 100): ReadableStream<Uint8Array> {
  let left = size;
  return new ReadableStream({
    async pull(controller) {
      if (left === 0) return controller.close();
      const length = Math.min(piece, left);
      left -= length;
      controller.enqueue(new Uint8Array(length).fill(65));
      await Bun.sleep(0);
    },
  });
}

test.each<[size: number, answer: string]>([
  [0, "0"],
  [1, "1"],
  [LIMIT - 1, "999"],
  [LIMIT, "1000"],
  [LIMIT + 1, "too large"],
  [10 * LIMIT, "too large"],
])("a body of %p bytes is read as %p, with a length and in chunks", async (size, answer) => {
  using reader = startReader();
  const post = async (body: Uint8Array | ReadableStream<Uint8Array>) =>
    (await fetch(reader.url, { method: "POST", body })).text();
  expect(await post(new Uint8Array(size))).toBe(answer);
  expect(await post(chunked(size))).toBe(answer);
});

test("a large body in chunks comes out as it was sent, although its pieces are freed on the way", async () => {
  using reader = startReader(10_000_000, 10_000_000);
  const sent = crypto.getRandomValues(new Uint8Array(65_536));
  const body = new ReadableStream({
    start(controller) {
      for (let piece = 0; piece < 50; piece++) controller.enqueue(sent.map((byte) => byte ^ piece));
      controller.close();
    },
  });
  await fetch(reader.url, { method: "POST", body });
  const [read] = reader.bodies;
  if (read?.kind !== "whole") throw new Error(`it is ${read?.kind}`);
  expect(read.bytes.byteLength).toBe(50 * sent.byteLength);
  expect(read.bytes.every((byte, at) => byte === ((sent[at % 65_536] ?? 0) ^ (at >> 16)))).toBe(true);
});

test("a body in chunks comes out as it was sent", async () => {
  using reader = startReader();
  const pieces = ["é".slice(0), "日本", "x"];
  const body = new ReadableStream({
    start(controller) {
      // Cut inside a character.
      const bytes = new TextEncoder().encode(pieces.join(""));
      controller.enqueue(bytes.subarray(0, 3));
      controller.enqueue(bytes.subarray(3));
      controller.close();
    },
  });
  await fetch(reader.url, { method: "POST", body });
  const [read] = reader.bodies;
  expect(read?.kind === "whole" && new TextDecoder().decode(read.bytes)).toBe("é日本x");
});

/** Sends `text` over a connection of its own, without an end. */
async function raw(port: number, text: string) {
  let received = "";
  const closed = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(_, data) {
        received += data.toString();
      },
      close: () => closed.resolve(),
      error() {},
    },
  });
  socket.write(text);
  return { socket, closed: closed.promise, received: () => received };
}

const head = (framing: string) => `POST / HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n`;

test("a length that is too large is refused before anything of the body came", async () => {
  using reader = startReader();
  const { received, socket } = await raw(reader.port, head(`Content-Length: ${LIMIT + 1}`));
  await eventually(() => expect(received()).toEndWith("too large"));
  socket.terminate();
});

test("chunks that never end are refused when they are too many, whatever the sender goes on to send", async () => {
  using reader = startReader();
  const { received, socket } = await raw(reader.port, head("Transfer-Encoding: chunked"));
  for (let sent = 0; sent <= LIMIT; sent += 100) socket.write(`64\r\n${"A".repeat(100)}\r\n`);
  await eventually(() => expect(received()).toContain("too large"));
  socket.terminate();
});

test.each<[what: string, framing: string, part: string]>([
  ["a length", "Content-Length: 100", "A".repeat(50)],
  ["chunks", "Transfer-Encoding: chunked", `32\r\n${"A".repeat(50)}\r\n`],
  ["chunks, in the middle of one", "Transfer-Encoding: chunked", `64\r\n${"A".repeat(50)}`],
])(
  "a client that breaks off in a body with %s is noticed, and half a body is never taken for a whole",
  async (_, framing, part) => {
    using reader = startReader();
    const { socket } = await raw(reader.port, head(framing) + part);
    await Bun.sleep(30);
    socket.terminate();
    await eventually(() => expect(reader.bodies).toEqual([{ kind: "broken off" }]));
  },
);

test("a body beyond the server's own limit is refused too, with a length and in chunks", async () => {
  using reader = startReader(2 * LIMIT);
  const { received, socket } = await raw(reader.port, head("Transfer-Encoding: chunked"));
  socket.write(`${(5 * LIMIT).toString(16)}\r\n${"A".repeat(5 * LIMIT)}\r\n0\r\n\r\n`);
  await eventually(() => expect(received()).toMatch(/too large|broken off|413/));
  expect(reader.bodies.filter(({ kind }) => kind === "whole")).toEqual([]);
  socket.terminate();
});
