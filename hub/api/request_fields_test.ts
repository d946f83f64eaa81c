import { expect, test } from "bun:test";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { createBodyBudget } from "../body_budget.ts";
import { readFields } from "./request_fields.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const bytes = (text: string): Bytes => new TextEncoder().encode(text);
const zstd = (text: string | Uint8Array): Bytes => new Uint8Array(zstdCompressSync(text));
const CHAT = "/v1/chat/completions";
const SPEECH = "/v1/audio/transcriptions";
const json = '{"model":"llama3","messages":[]}';
const read = { model: "llama3", messages: [] };

const fieldsOf = (body: Bytes, headers: Record<string, string> = {}, path = CHAT) => {
  const on = { path, budget: createBodyBudget(100_000_000), signal: new AbortController().signal };
  return readFields(body, new Headers(headers), path === "" ? undefined : on);
};

test.each<[what: string, headers: Record<string, string>, path: string]>([
  ["without a type", {}, "/api/chat"],
  ["called a text", { "content-type": "text/plain" }, "/api/chat"],
  ["called a form", { "content-type": "multipart/form-data; boundary=x" }, "/api/chat"],
  ["called a form on /v1", { "content-type": "multipart/form-data; boundary=x" }, CHAT],
  ["called compressed where Ollama does not look", { "content-encoding": "zstd" }, "/api/chat"],
  ["called compressed in another way", { "content-encoding": "gzip" }, CHAT],
  ["for a route that is not named", { "content-encoding": "zstd" }, ""],
])("JSON %s is read as JSON, as Ollama does", async (_, headers, path) => {
  expect(await fieldsOf(bytes(json), headers, path)).toEqual(read);
});

test.each(["zstd", "ZSTD"])("a body compressed with %s is unpacked on /v1", async (encoding) => {
  expect(await fieldsOf(zstd(json), { "content-encoding": encoding })).toEqual(read);
});

test("a body in two compressed frames is unpacked whole", async () => {
  const body = new Uint8Array(Buffer.concat([zstd(json.slice(0, 9)), zstd(json.slice(9))]));
  expect(await fieldsOf(body, { "content-encoding": "zstd" })).toEqual(read);
});

test("a small body that unpacks to gigabytes is not unpacked", async () => {
  // Frame after frame, each of 8 MB of spaces in a few hundred bytes.
  const frame = zstd(new Uint8Array(8_000_000).fill(32));
  const bomb = new Uint8Array(Buffer.concat(Array.from({ length: 500 }, () => frame)));
  const before = process.memoryUsage.rss();
  const startedAt = performance.now();
  expect(await fieldsOf(bomb, { "content-encoding": "zstd" })).toBeUndefined();
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  expect(process.memoryUsage.rss() - before).toBeLessThan(200_000_000);
});

test("an object with anything behind it is read, however much that would be unpacked, as Ollama reads it", async () => {
  const headers = { "content-encoding": "zstd" };
  expect(await fieldsOf(zstd(json.padEnd(21 * 1024 * 1024)), headers)).toEqual(read);
  const noise = crypto.getRandomValues(new Uint8Array(60_000)).toHex();
  expect(await fieldsOf(zstd(`${json} "${noise.repeat(4)}`).subarray(0, -2), headers)).toEqual(read);
});

test.each<[what: string, body: Bytes]>([
  ["nothing", new Uint8Array()],
  ["no zstd", bytes(json)],
  ["half a frame", zstd(json).subarray(0, 12)],
])("of a compressed body that is %s nothing is read", async (_, body) => {
  expect(await fieldsOf(body, { "content-encoding": "zstd" })).toBeUndefined();
});

async function form(fields: readonly [name: string, value: string | Blob][]): Promise<[Bytes, Record<string, string>]> {
  const data = new FormData();
  for (const [name, value] of fields) data.append(name, value);
  const request = new Request("http://x", { method: "POST", body: data });
  const type = request.headers.get("content-type") ?? "";
  return [new Uint8Array(await request.arrayBuffer()), { "content-type": type }];
}

test("a form's texts are read, and of its files how large they are", async () => {
  const [body, headers] = await form([
    ["model", "whisper"],
    ["file", new File([new Uint8Array(3_000)], "a.wav")],
    ["response_format", "text"],
  ]);
  const fields = { model: "whisper", file: "(3000 bytes)", response_format: "text" };
  expect(await fieldsOf(body, headers, SPEECH)).toEqual(fields);
});

test("of two form fields of one name the first counts, and a name in capitals is another one, as in Go", async () => {
  const [body, headers] = await form([
    ["Model", "zero"],
    ["model", "first"],
    ["model", "second"],
    ["MODEL", "third"],
  ]);
  expect(await fieldsOf(body, headers, SPEECH)).toEqual({ model: "first" });
});

test("a form field with a name that JavaScript uses itself changes nothing", async () => {
  const [body, headers] = await form([
    ["__proto__", "x"],
    ["model", "whisper"],
  ]);
  const fields = (await fieldsOf(body, headers, SPEECH)) as Record<string, unknown>;
  expect(fields.model).toBe("whisper");
  expect(Object.getPrototypeOf(fields)).toBe(Object.prototype);
});

test.each<[what: string, headers: Record<string, string>]>([
  ["is JSON", { "content-type": "application/json" }],
  ["has no type", {}],
  ["has another boundary", { "content-type": "multipart/form-data; boundary=other" }],
  ["has no boundary", { "content-type": "multipart/form-data" }],
])("of a transcription's body that %s nothing is read", async (_, headers) => {
  expect(await fieldsOf(bytes(json), headers, SPEECH)).toBeUndefined();
});

test("whatever bytes and labels come, nothing throws", async () => {
  const headers = fc.record(
    {
      "content-type": fc.constantFrom("application/json", "multipart/form-data; boundary=x", "multipart/form-data"),
      "content-encoding": fc.constantFrom("zstd", "gzip", "identity"),
    },
    { requiredKeys: [] },
  );
  const path = fc.constantFrom(CHAT, SPEECH, "/api/chat");
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), headers, path, async (body, labels, route) => {
      await fieldsOf(new Uint8Array(body), labels, route);
    }),
  );
});
