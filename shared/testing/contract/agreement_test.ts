/** The contract in one sentence, tried at random: a hub answers what the Ollama behind it would have answered. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { Target } from "./target.ts";
import { EXAMPLE, MESSAGES, PROMPT, WEATHER_TOOL } from "./wire_examples.ts";

const direct = new Target(false, { ollama: EXAMPLE });
const hub = new Target(true, { ollama: EXAMPLE });
beforeAll(() => Promise.all([direct.start(), hub.start()]));
afterAll(() => Promise.all([direct.stop(), hub.stop()]));

/** Sound values of a field, and others. All get as far as Ollama: the models are there, or are no names at all. */
const VALUES: Readonly<Record<string, readonly unknown[]>> = {
  model: ["llama3.2", "LLAMA3.2:latest", "all-minilm", "qwen3", "plain", " plain ", "a//b", ":x", "", 1, null, {}],
  prompt: [PROMPT, "hi", "", 1, null, ["a"]],
  messages: [MESSAGES, [], null, "x", [{ role: "user", content: 1 }], [1], [{ role: "User", content: "<ü>" }]],
  input: ["a", ["a", "b"], [], "", null, 1, [1], {}],
  stream: [true, false, null, "yes", 0],
  keep_alive: ["5m", -1, 300, "5", "", true, "abc"],
  options: [{}, { num_predict: 2 }, { num_ctx: "big" }, [], null, "x"],
  format: ["json", "yaml", "", null, { type: "object", properties: { a: { type: "integer" } } }, 1],
  think: [true, false, "low", "hard", null, 1],
  images: [["aGk="], ["?"], "x", [1]],
  tools: [[], [WEATHER_TOOL], "x"],
  suffix: ["y", ""],
  raw: [true, false, 1],
  max_tokens: [1, 100, 0, -1, "x"],
  encoding_format: ["float", "base64", "hex", 1],
  dimensions: [2, 3, 0, "x"],
  top_logprobs: [1, 21, -1, "x"],
  system: ["be kind", 1],
  verbose: [true, "x"],
  unknown: [1, {}, []],
};

const ROUTES: Readonly<Record<string, readonly string[]>> = {
  "/api/generate": [
    "prompt",
    "stream",
    "keep_alive",
    "options",
    "format",
    "think",
    "images",
    "suffix",
    "raw",
    "system",
  ],
  "/api/chat": ["messages", "stream", "keep_alive", "options", "format", "think", "tools", "top_logprobs", "unknown"],
  "/api/embed": ["input", "keep_alive", "dimensions", "options"],
  "/api/embeddings": ["prompt", "keep_alive", "options"],
  "/api/show": ["verbose", "system", "unknown"],
  "/v1/chat/completions": ["messages", "stream", "max_tokens", "tools"],
  "/v1/completions": ["prompt", "stream", "max_tokens", "suffix"],
  "/v1/embeddings": ["input", "dimensions", "encoding_format"],
  "/v1/responses": ["input", "stream", "tools"],
  "/v1/messages": ["messages", "max_tokens", "stream", "system", "tools"],
};

/** A value of `field`; the first ones, which make sense, more often. */
const valuesOf = (field: string) => {
  const [sound, ...others] = VALUES[field] ?? [];
  return fc.oneof({ weight: 2, arbitrary: fc.constant(sound) }, { weight: 1, arbitrary: fc.constantFrom(...others) });
};

const request = fc.constantFrom(...Object.keys(ROUTES)).chain((path) => {
  const fields = ["model", ...(ROUTES[path] ?? [])];
  const body = fc.record(Object.fromEntries(fields.map((field) => [field, valuesOf(field)])), { requiredKeys: [] });
  /** Rarely the body breaks off. */
  const kept = fc.oneof(
    { weight: 15, arbitrary: fc.constant(1) },
    { weight: 1, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
  );
  return fc.tuple(fc.constant(path), body, kept).map(([, fieldsOfBody, part]) => {
    const text = JSON.stringify(fieldsOfBody);
    return { path, text: text.slice(0, Math.floor(text.length * part)) };
  });
});

test("a hub in front of one Ollama answers as that Ollama does, whatever it is asked", async () => {
  const agree = fc.asyncProperty(request, async ({ path, text }) => {
    const [expected, received] = await Promise.all([direct.post(path, text), hub.post(path, text)]);
    expect(received).toEqual(expected);
  });
  await fc.assert(agree, { numRuns: 600 });
}, 60_000);
