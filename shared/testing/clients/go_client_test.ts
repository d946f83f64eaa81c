// The stand-in of Go's HTTP client: what it writes, and that it is as strict with answers as the `ollama` program.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type FakeOllama, startFakeOllama } from "../fake_ollama.ts";
import { GoClient } from "./go_client.ts";
import { rejectionOf } from "./targets.ts";

let ollama: FakeOllama;
beforeAll(async () => {
  ollama = await startFakeOllama();
});
afterAll(() => ollama.stop());

const common = [
  ["Accept", "application/json"],
  ["Content-Type", "application/json"],
];
const before = () => [
  ["Host", `127.0.0.1:${ollama.port}`],
  ["User-Agent", "ollama/0.33.0 (amd64 linux) Go/go1.24.1"],
];

async function seenOf(method: string, path: string, request = {}): Promise<[string, string][]> {
  const client = new GoClient(ollama.port);
  await client.call(method, path, request);
  client.close();
  return ollama.seen.at(-1)?.headers ?? [];
}

test("it writes Host, User-Agent and the length, then its headers by name, then Accept-Encoding", async () => {
  const gzip = ["Accept-Encoding", "gzip"];
  expect(await seenOf("HEAD", "/")).toEqual([...before(), ...common] as [string, string][]);
  expect(await seenOf("GET", "/api/tags")).toEqual([...before(), ...common, gzip] as [string, string][]);
  const posted = [...before(), ["Content-Length", "0"], ...common, gzip];
  expect(await seenOf("POST", "/api/me")).toEqual(posted as [string, string][]);
  const uploaded = [...before(), ["Transfer-Encoding", "chunked"], ...common, gzip];
  const body = [new Uint8Array(1), new Uint8Array(9)];
  expect(await seenOf("POST", `/api/blobs/sha256:${"0".repeat(64)}`, { body })).toEqual(uploaded as [string, string][]);
});

test("a blank line, a line that is no JSON and an error line each end a stream with an error", async () => {
  for (const [line, message] of [
    ["", "unexpected end of JSON input"],
    ["oops", "oops"],
    ['{"error":"broken"}', "broken"],
  ] as const) {
    ollama.fault({ kind: "malformedAfterTokens", tokens: 1, line });
    const client = new GoClient(ollama.port);
    const lines = client.stream("/api/generate", { model: "llama3", prompt: "hi" });
    expect((await lines.next()).value).toMatchObject({ done: false });
    expect(await rejectionOf(lines.next())).toMatchObject({ message });
  }
});

test("an end of the connection in the middle of a stream is an error", async () => {
  ollama.fault({ kind: "closeAfterBytes", bytes: 10 });
  const lines = new GoClient(ollama.port).stream("/api/generate", { model: "llama3", prompt: "hi" });
  expect(await rejectionOf(lines.next())).toMatchObject({ message: "unexpected EOF" });
});
