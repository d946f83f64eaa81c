/** The contract of Ollama's own routes, refusals: which, in which words, in which order (reference 0, 1.2-1.5, 1.8). */
import { expect, test } from "bun:test";
import { refusal } from "./answer.ts";
import { onEveryTarget } from "./target.ts";
import { EXAMPLE, MESSAGES, PROMPT, WEATHER_TOOL } from "./wire_examples.ts";

const BAD_REQUEST = "400 Bad Request";
const NOT_FOUND = "404 Not Found";
const FORBIDDEN = "403 Forbidden";
const FAILED = "500 Internal Server Error";

type Case = [what: string, path: string, body: unknown, status: string, error: string];

const noCloud = "ollama cloud is disabled: remote model is unavailable";
const noModel = (name: string) => `model "${name}" not found, try pulling it first`;

const MODEL_CASES: Case[] = [
  ["generate without a model", "/api/generate", {}, NOT_FOUND, "model '' not found"],
  ["generate with an empty model", "/api/generate", { model: "", prompt: "x" }, NOT_FOUND, "model '' not found"],
  ["generate with a model that is null", "/api/generate", { model: null }, NOT_FOUND, "model '' not found"],
  ["generate with null for a body", "/api/generate", "null", NOT_FOUND, "model '' not found"],
  ["generate with an empty part of a name", "/api/generate", { model: "a//b" }, BAD_REQUEST, "invalid model name"],
  ["generate with a tag alone", "/api/generate", { model: ":x" }, BAD_REQUEST, "invalid model name"],
  [
    "chat with a space in the name",
    "/api/chat",
    { model: "a b", messages: MESSAGES },
    BAD_REQUEST,
    "invalid model name",
  ],
  [
    "a name both local and cloud",
    "/api/generate",
    { model: "a:cloud:local", prompt: "x" },
    BAD_REQUEST,
    'use either :local or :cloud, not both: "a:cloud:local"',
  ],
  [
    "generate with an unknown model",
    "/api/generate",
    { model: "nope", prompt: "x" },
    NOT_FOUND,
    "model 'nope' not found",
  ],
  ["generate loading an unknown model", "/api/generate", { model: "nope" }, NOT_FOUND, "model 'nope' not found"],
  [
    "chat with an unknown model, streamed",
    "/api/chat",
    { model: "nope", messages: MESSAGES, stream: true },
    NOT_FOUND,
    "model 'nope' not found",
  ],
  [
    "chat unloading an unknown model",
    "/api/chat",
    { model: "nope", keep_alive: 0 },
    NOT_FOUND,
    "model 'nope' not found",
  ],
  [
    "an unknown tag",
    "/api/chat",
    { model: "llama3.2:1b", messages: MESSAGES },
    NOT_FOUND,
    "model 'llama3.2:1b' not found",
  ],
  ["a cloud model", "/api/chat", { model: "gpt-oss:120b-cloud", messages: MESSAGES }, FORBIDDEN, noCloud],
  ["a cloud model for generate", "/api/generate", { model: "x:cloud", prompt: "x" }, FORBIDDEN, noCloud],
  ["chat without a model", "/api/chat", { messages: MESSAGES }, BAD_REQUEST, "model is required"],
  ["embed without a model", "/api/embed", { input: "x" }, NOT_FOUND, "model '' not found"],
  ["embed with an unknown model", "/api/embed", { model: "nope", input: "x" }, NOT_FOUND, noModel("nope")],
  ["embeddings without a model", "/api/embeddings", { prompt: "x" }, BAD_REQUEST, "model is required"],
  ["embeddings with an unknown model", "/api/embeddings", { model: "nope", prompt: "x" }, NOT_FOUND, noModel("nope")],
  ["show without a model", "/api/show", {}, BAD_REQUEST, "model is required"],
  ["show with a malformed name", "/api/show", { model: "a//b" }, BAD_REQUEST, "invalid model name"],
  ["show with an unknown model", "/api/show", { model: "nope" }, NOT_FOUND, "model 'nope:latest' not found"],
  [
    "show of an unknown model, in the case it was asked for",
    "/api/show",
    { model: "NoPe:1B" },
    NOT_FOUND,
    "model 'NoPe:1B' not found",
  ],
  [
    "show of an unknown model by its full name",
    "/api/show",
    { model: "registry.ollama.ai/library/nope" },
    NOT_FOUND,
    "model 'nope:latest' not found",
  ],
  [
    "show of an unknown model of somebody",
    "/api/show",
    { model: "hf.co/me/Nope" },
    NOT_FOUND,
    "model 'hf.co/me/Nope:latest' not found",
  ],
  [
    "chat with an unknown model of somebody",
    "/api/chat",
    { model: "hf.co/me/Nope", messages: MESSAGES },
    NOT_FOUND,
    "model 'hf.co/me/Nope' not found",
  ],
  ["show with an unknown name", "/api/show", { model: "", name: "nope:1b" }, NOT_FOUND, "model 'nope:1b' not found"],
];

const cannot = (what: string) => `registry.ollama.ai/library/plain:latest does not support ${what}`;

const CONTENT_CASES: Case[] = [
  [
    "thinking asked of a model without it",
    "/api/chat",
    { model: "plain", think: true, messages: MESSAGES },
    BAD_REQUEST,
    '"plain" does not support thinking',
  ],
  [
    "generate with a model that embeds",
    "/api/generate",
    { model: "all-minilm", prompt: "x" },
    BAD_REQUEST,
    '"all-minilm" does not support generate',
  ],
  [
    "chat with a model that embeds",
    "/api/chat",
    { model: "all-minilm", messages: MESSAGES },
    BAD_REQUEST,
    '"all-minilm" does not support chat',
  ],
  [
    "a suffix for a model without insert",
    "/api/generate",
    { model: "plain", prompt: "x", suffix: "y" },
    BAD_REQUEST,
    cannot("insert"),
  ],
  [
    "tools for a model without them",
    "/api/chat",
    { model: "plain", messages: MESSAGES, tools: [WEATHER_TOOL] },
    BAD_REQUEST,
    cannot("tools"),
  ],
  ["embed with numbers", "/api/embed", { model: "all-minilm", input: [1] }, BAD_REQUEST, "invalid input type"],
  ["embed with an object", "/api/embed", { model: "all-minilm", input: {} }, BAD_REQUEST, "invalid input type"],
  [
    "too many logprobs",
    "/api/generate",
    { model: "plain", prompt: "x", top_logprobs: 21 },
    BAD_REQUEST,
    "top_logprobs must be between 0 and 20",
  ],
  [
    "keep_alive without a unit",
    "/api/generate",
    { model: "plain", keep_alive: "5" },
    BAD_REQUEST,
    'time: missing unit in duration "5"',
  ],
  ["an empty keep_alive", "/api/chat", { model: "plain", keep_alive: "" }, BAD_REQUEST, 'time: invalid duration ""'],
  [
    "an option of the wrong type",
    "/api/generate",
    { model: "plain", prompt: "x", options: { num_ctx: "big" } },
    FAILED,
    'option "num_ctx" must be of type integer',
  ],
];

/** Each breaks two rules; the earlier one in the table of reference 1.2 is what is answered. */
const ORDER_CASES: Case[] = [
  ["no model before thinking", "/api/generate", { think: true, prompt: "x" }, NOT_FOUND, "model '' not found"],
  [
    "a malformed name before thinking",
    "/api/generate",
    { model: "a//b", think: true },
    BAD_REQUEST,
    "invalid model name",
  ],
  [
    "an unknown model before thinking",
    "/api/generate",
    { model: "nope", think: true },
    NOT_FOUND,
    "model 'nope' not found",
  ],
  ["a cloud model before thinking", "/api/chat", { model: "x:cloud", think: true }, FORBIDDEN, noCloud],
  [
    "thinking before embedding",
    "/api/generate",
    { model: "all-minilm", think: true, prompt: "x" },
    BAD_REQUEST,
    '"all-minilm" does not support thinking',
  ],
  [
    "embedding before a suffix",
    "/api/generate",
    { model: "all-minilm", suffix: "y", prompt: "x" },
    BAD_REQUEST,
    '"all-minilm" does not support generate',
  ],
];

/** What Ollama refuses before it looks for the model. A hub looks for the model first, because it must choose a node. */
const EARLY_CASES: Case[] = [
  [
    "a number for a prompt",
    "/api/generate",
    { model: "nope", prompt: 1 },
    BAD_REQUEST,
    "json: cannot unmarshal number into Go struct field GenerateRequest.prompt of type string",
  ],
  [
    "keep_alive without a unit",
    "/api/chat",
    { model: "nope", keep_alive: "5" },
    BAD_REQUEST,
    'time: missing unit in duration "5"',
  ],
];

onEveryTarget("refusals of Ollama's own routes", { ollama: EXAMPLE }, (target) => {
  for (const [what, path, body, status, error] of [...MODEL_CASES, ...CONTENT_CASES]) {
    test(`${path} refuses ${what}`, async () => {
      expect(await target.post(path, body)).toEqual(refusal(status, error));
    });
  }

  for (const [what, path, body, status, error] of ORDER_CASES) {
    test(`${path} names ${what}`, async () => {
      expect(await target.post(path, body)).toEqual(refusal(status, error));
    });
  }

  for (const [what, path, body, status, error] of EARLY_CASES) {
    const order = target.viaHub ? `an unknown model before ${what}` : `${what} before an unknown model`;
    test(`${path} names ${order}`, async () => {
      expect(await target.post(path, body)).toEqual(
        target.viaHub ? refusal(NOT_FOUND, "model 'nope' not found") : refusal(status, error),
      );
    });
  }

  test("raw excludes template, system and context", async () => {
    const body = { model: "llama3.2", prompt: PROMPT, raw: true, system: "x" };
    expect((await target.post("/api/generate", body)).status).toBe(BAD_REQUEST);
  });

  test("an unknown word for think is refused", async () => {
    const answer = await target.post("/api/chat", { model: "qwen3", messages: MESSAGES, think: "hard" });
    expect(answer.status).toBe(BAD_REQUEST);
    expect(Object.keys(JSON.parse(answer.body))).toEqual(["error"]);
  });

  test("images that are not base64 are refused", async () => {
    const answer = await target.post("/api/generate", { model: "llama3.2", prompt: "x", images: ["?"] });
    expect(answer.status).toBe(BAD_REQUEST);
    expect(Object.keys(JSON.parse(answer.body))).toEqual(["error"]);
  });

  test("an unknown format is refused with 500, in a stream without a charset", async () => {
    const body = { model: "llama3.2", prompt: "x", format: "yaml" };
    const streamed = await target.post("/api/generate", body);
    expect(streamed).toMatchObject({ status: FAILED, headers: { "content-type": "application/json" } });
    expect(JSON.parse(streamed.body).error).toStartWith("invalid format:");
    const whole = await target.post("/api/generate", { ...body, stream: false });
    expect(whole).toMatchObject({ status: FAILED, headers: { "content-type": "application/json; charset=utf-8" } });
    expect(whole.body).toBe(streamed.body);
  });
});

onEveryTarget("the old embeddings", { ollama: EXAMPLE, fresh: true }, (target) => {
  test("minds the case of a name, and nobody else suffers from it", async () => {
    expect(await target.post("/api/embeddings", { model: "ALL-minilm", prompt: "x" })).toEqual(
      refusal(NOT_FOUND, noModel("ALL-minilm")),
    );
    const other = { model: "ALL-minilm", input: "x" };
    expect((await target.post("/api/embed", other)).status).toBe("200 OK");
    expect((await target.post("/api/embeddings", { model: "all-minilm", prompt: "x" })).status).toBe("200 OK");
  });
});
