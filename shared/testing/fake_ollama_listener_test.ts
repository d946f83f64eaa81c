// Tests of the stand-in's HTTP reading: bodies, pipelining, keep-alive, bytes that are no request.
import { afterAll, beforeAll, expect, test } from "bun:test";
import net from "node:net";
import { type FakeOllama, startFakeOllama } from "./fake_ollama.ts";
import { exchangeBytes, postBytes } from "./fake_ollama_wire.ts";

let ollama: FakeOllama;
beforeAll(async () => {
  ollama = await startFakeOllama({ tokens: 1 });
});
afterAll(() => ollama.stop());

const body = '{"model":"llama3","prompt":"hi","stream":false}';

/** Everything that comes back within `ms` for the given pieces, sent 5 ms apart. */
async function talk(pieces: string[], ms = 100): Promise<string> {
  const socket = net.connect(ollama.port, "127.0.0.1");
  let received = "";
  socket.on("data", (data) => {
    received += data.toString();
  });
  socket.on("error", () => {});
  for (const piece of pieces) {
    socket.write(piece);
    await Bun.sleep(5);
  }
  await Bun.sleep(ms);
  socket.destroy();
  return received;
}

test("a body arrives whole in chunks, in single bytes, and after 100-continue", async () => {
  const half = body.length >> 1;
  const chunks = [body.slice(0, half), body.slice(half)].map((part) => `${part.length.toString(16)}\r\n${part}\r\n`);
  const head = "POST /api/generate HTTP/1.1\r\nHost: localhost\r\n";
  expect(await talk([`${head}Transfer-Encoding: chunked\r\n\r\n`, ...chunks, "0\r\nX-Trailer: 1\r\n\r\n"])).toContain(
    "t0.",
  );
  expect(await talk([...postBytes("/api/generate", body)], 0)).toContain("t0.");
  const waiting = await talk([`${head}Content-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`, body]);
  expect(waiting).toStartWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n");
});

test("requests sent ahead are answered in order on one connection", async () => {
  const version = "GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const answers = await talk([postBytes("/api/generate", body) + version + version]);
  expect(answers.match(/HTTP\/1.1 200 OK/g)).toHaveLength(3);
  expect(answers.indexOf("t0.")).toBeLessThan(answers.indexOf("version"));
});

test("Connection: close and HTTP/1.0 close after the answer", async () => {
  const closing = await exchangeBytes(ollama.port, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  expect(closing.head).toEndWith("Content-Length: 17\r\nConnection: close");
  const old = await exchangeBytes(ollama.port, "GET / HTTP/1.0\r\n\r\n");
  expect(old.body).toBe("Ollama is running");
});

test("bytes that are no request, or a request without Host, get 400 and a closed connection", async () => {
  expect(await talk(["hello\r\n\r\n"])).toContain("400 Bad Request");
  expect(await talk(["GET / HTTP/1.1\r\n\r\n"])).toContain("400 Bad Request");
  expect(await talk([`GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n`])).toContain("400 Bad Request");
});

test("seen keeps headers in wire order and case", async () => {
  await exchangeBytes(
    ollama.port,
    "GET /api/version?x=1 HTTP/1.1\r\nhOST: localhost\r\nX-b: 1\r\nX-B: 2\r\nA: 3\r\n\r\n",
  );
  expect(ollama.seen.at(-1)).toEqual({
    method: "GET",
    path: "/api/version",
    headers: [
      ["hOST", "localhost"],
      ["X-b", "1"],
      ["X-B", "2"],
      ["A", "3"],
    ],
  });
});

test("a client that reads slowly holds the generation back instead of filling memory", async () => {
  const slow = await startFakeOllama({ speak: () => "x".repeat(100_000) });
  const request = { model: "llama3", prompt: "hi", options: { num_predict: 1000 } };
  const socket = net.connect(slow.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.pause();
  socket.write(postBytes("/api/generate", request));
  await Bun.sleep(300);
  const sent = slow.executions[0]?.tokensSent ?? 0;
  expect(sent).toBeLessThan(500);
  await Bun.sleep(100);
  expect(slow.executions[0]?.tokensSent).toBe(sent);
  socket.destroy();
  await slow.stop();
});
