/** The contract of /v1/chat/completions, /v1/completions and /v1/embeddings (reference 1.14, 4.15-4.17, 4.19c). */
import { expect, test } from "bun:test";
import { embeddingOf, expectedText } from "../fake_ollama.ts";
import { type Answer, bare, openaiInvalid, openaiRefusal, sse, timeless } from "./answer.ts";
import { onEveryTarget } from "./target.ts";
import { EXAMPLE, MESSAGES, PROMPT, thoughtsOf, WEATHER_QUESTION, WEATHER_TOOL, WORDS } from "./wire_examples.ts";

const CHAT = "/v1/chat/completions";
const said = WORDS.join("");
const usage = (completion = 4, prompt = 26) =>
  `"usage":{"prompt_tokens":${prompt},"completion_tokens":${completion},"total_tokens":${prompt + completion}}`;
const chat = (object: string, rest: string, model = "llama3.2") =>
  `{"id":"chatcmpl-N","object":"${object}","created":1,"model":"${model}","system_fingerprint":"fp_ollama",${rest}}`;
const chunk = (rest: string, model?: string) => `data: ${chat("chat.completion.chunk", rest, model)}`;
const delta = (fields: string, model?: string) =>
  chunk(`"choices":[{"index":0,"delta":{${fields}},"finish_reason":null}]`, model);
const finished = (reason: string, model?: string) =>
  chunk(`"choices":[{"index":0,"delta":{},"finish_reason":"${reason}"}]`, model);
const DONE = "data: [DONE]";

const spoken = [
  delta('"role":"assistant","content":"Hello"'),
  delta('"content":"!"'),
  delta('"content":" Hi"'),
  finished("stop"),
];

const text = (piece: string, reason: string | null, rest = "") =>
  `data: {"id":"cmpl-N","object":"text_completion","created":1,"choices":[{"text":"${piece}","index":0,"finish_reason":${JSON.stringify(reason)}}],"model":"llama3.2","system_fingerprint":"fp_ollama"${rest}}`;

onEveryTarget("the OpenAI routes", { ollama: EXAMPLE }, (target) => {
  test("a chat streams a role once, a finish chunk, usage when asked, and [DONE] (4.15)", async () => {
    const body = { model: "llama3.2", messages: MESSAGES, stream: true };
    expect(await target.post(CHAT, { ...body, stream_options: { include_usage: true } })).toEqual(
      sse([...spoken, chunk(`"choices":[],${usage()}`), DONE]),
    );
    expect(await target.post(CHAT, body)).toEqual(sse([...spoken, DONE]));
  });

  test("a chat is whole unless asked to stream (4.16)", async () => {
    const choice = `"choices":[{"index":0,"message":{"role":"assistant","content":"${said}"},"finish_reason":"stop"}]`;
    const whole = bare("200 OK", `${chat("chat.completion", `${choice},${usage()}`)}\n`);
    expect(await target.post(CHAT, { model: "llama3.2", messages: MESSAGES })).toEqual(whole);
    expect(await target.post(CHAT, { model: "llama3.2", messages: MESSAGES, stream: false })).toEqual(whole);
    const odd = { MODEL: "llama3.2", messages: MESSAGES, n: 2, tool_choice: "auto", user: "u", unknown: {} };
    expect(await target.post(CHAT, odd, { "Content-Type": "text/plain" })).toEqual(whole);
  });

  test("max_tokens ends a chat with reason length", async () => {
    const answer = await target.post(CHAT, { model: "llama3.2", messages: MESSAGES, max_tokens: 2 });
    expect(answer.body).toContain('"content":"Hello!"},"finish_reason":"length"}');
    expect(answer.body).toContain(usage(2));
  });

  test("a thinking model reasons first and calls the tool it is told to, with arguments as text", async () => {
    const messages = [{ role: "user", content: [{ type: "text", text: WEATHER_QUESTION }] }];
    const body = { model: "qwen3", messages, tools: [WEATHER_TOOL] };
    const [first, second] = thoughtsOf(WEATHER_QUESTION);
    const call =
      '"tool_calls":[{"id":"call_N","index":0,"type":"function","function":{"name":"get_weather","arguments":"{\\"city\\":\\"Oslo\\"}"}}]';
    expect(await target.post(CHAT, { ...body, stream: true })).toEqual(
      sse([
        delta(`"role":"assistant","content":"","reasoning":"${first}"`, "qwen3"),
        delta(`"content":"","reasoning":"${second}"`, "qwen3"),
        delta(`"content":"",${call}`, "qwen3"),
        finished("tool_calls", "qwen3"),
        DONE,
      ]),
    );
    const message = `"message":{"role":"assistant","content":"","reasoning":"${first}${second}",${call}}`;
    const choice = `"choices":[{"index":0,${message},"finish_reason":"tool_calls"}]`;
    expect(await target.post(CHAT, body)).toEqual(
      bare("200 OK", `${chat("chat.completion", `${choice},${usage(4, 5)}`, "qwen3")}\n`),
    );
    const quiet = await target.post(CHAT, { model: "qwen3", messages: MESSAGES, reasoning_effort: "none" });
    expect(quiet.body).not.toContain("reasoning");
  });

  test("a completion streams text chunks, with zero usage in each when usage is asked for", async () => {
    const body = { model: "llama3.2", prompt: PROMPT, stream: true };
    expect(await target.post("/v1/completions", body)).toEqual(
      sse([...WORDS.map((word) => text(word, null)), text("", "stop"), DONE]),
    );
    const none = ',"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}';
    const total = `data: {"id":"cmpl-N","object":"text_completion","created":1,"choices":[],"model":"llama3.2","system_fingerprint":"fp_ollama",${usage()}}`;
    expect(await target.post("/v1/completions", { ...body, stream_options: { include_usage: true } })).toEqual(
      sse([...WORDS.map((word) => text(word, null, none)), text("", "stop", none), total, DONE]),
    );
  });

  test("a completion is whole unless asked to stream, and without a prompt it only loads", async () => {
    const whole = (words: string, reason: string, counts: string) =>
      bare(
        "200 OK",
        `{"id":"cmpl-N","object":"text_completion","created":1,"model":"llama3.2","system_fingerprint":"fp_ollama","choices":[{"text":"${words}","index":0,"finish_reason":"${reason}"}],${counts}}\n`,
      );
    expect(await target.post("/v1/completions", { model: "llama3.2", prompt: PROMPT })).toEqual(
      whole(said, "stop", usage()),
    );
    expect(await target.post("/v1/completions", { model: "llama3.2" })).toEqual(whole("", "load", usage(0, 0)));
    const streamed = await target.post("/v1/completions", { model: "llama3.2", prompt: "", stream: true });
    expect(streamed).toEqual(sse([text("", "load"), DONE]));
  });

  test("embeddings are floats or base64 of the same floats (4.19c)", async () => {
    const vectors = ["a", "b"].map((each) => embeddingOf(each, 2, true));
    const expected = (values: readonly unknown[]): Answer => {
      const data = values.map((embedding, index) => ({ object: "embedding", embedding, index }));
      const counts = { prompt_tokens: values.length, total_tokens: values.length };
      return bare("200 OK", `${JSON.stringify({ object: "list", data, model: "all-minilm", usage: counts })}\n`);
    };
    const body = { model: "all-minilm", input: ["a", "b"] };
    expect(await target.post("/v1/embeddings", body)).toEqual(expected(vectors));
    expect(await target.post("/v1/embeddings", { ...body, input: "a" })).toEqual(expected(vectors.slice(0, 1)));
    expect(await target.post("/v1/embeddings", { ...body, encoding_format: "base64" })).toEqual(
      expected(vectors.map((vector) => Buffer.from(new Float32Array(vector).buffer).toString("base64"))),
    );
    const longer = await target.post("/v1/embeddings", { model: "all-minilm", input: "a", dimensions: 3 });
    expect(longer).toEqual(expected([embeddingOf("a", 3, true)]));
  });

  test("a body compressed with zstd is understood", async () => {
    const body = Bun.zstdCompressSync(JSON.stringify({ model: "llama3.2", messages: MESSAGES }));
    const headers = { "Content-Encoding": "zstd", "Content-Type": "application/json" };
    const answer = await fetch(`http://127.0.0.1:${target.port}${CHAT}`, { method: "POST", body, headers });
    expect(answer.status).toBe(200);
    expect(timeless(await answer.text())).toBe(
      (await target.post(CHAT, { model: "llama3.2", messages: MESSAGES })).body,
    );
  });

  test("an unknown model is not found, in the words of the route behind (4.17)", async () => {
    const missing = (message: string) => openaiRefusal("404 Not Found", "not_found_error", message);
    expect(await target.post(CHAT, { model: "nope", messages: MESSAGES })).toEqual(missing("model 'nope' not found"));
    expect(await target.post(CHAT, { model: "nope", messages: MESSAGES, stream: true })).toEqual(
      missing("model 'nope' not found"),
    );
    expect(await target.post("/v1/completions", { model: "nope", prompt: "x" })).toEqual(
      missing("model 'nope' not found"),
    );
    expect(await target.post("/v1/embeddings", { model: "nope", input: "x" })).toEqual(
      missing('model "nope" not found, try pulling it first'),
    );
    expect(await target.post("/v1/completions", { prompt: "x" })).toEqual(missing("model '' not found"));
  });

  test("what the handlers refuse has the type of its status, no charset, and a line end", async () => {
    const bad = (message: string) => openaiRefusal("400 Bad Request", "invalid_request_error", message);
    expect(await target.post(CHAT, { messages: MESSAGES })).toEqual(bad("model is required"));
    expect(await target.post(CHAT, { model: "a//b", messages: MESSAGES })).toEqual(bad("invalid model name"));
    expect(await target.post(CHAT, { model: "all-minilm", messages: MESSAGES })).toEqual(
      bad('"all-minilm" does not support chat'),
    );
    expect(await target.post(CHAT, { model: "plain", messages: MESSAGES, tools: [WEATHER_TOOL] })).toEqual(
      bad("registry.ollama.ai/library/plain:latest does not support tools"),
    );
    expect(await target.post(CHAT, { model: "plain", messages: MESSAGES, reasoning_effort: "high" })).toEqual(
      bad('"plain" does not support thinking'),
    );
    expect(await target.post("/v1/completions", { model: "plain", prompt: "x", suffix: "y" })).toEqual(
      bad("registry.ollama.ai/library/plain:latest does not support insert"),
    );
    expect(await target.post(CHAT, { model: "x:cloud", messages: MESSAGES })).toEqual(
      openaiRefusal("403 Forbidden", "api_error", "ollama cloud is disabled: remote model is unavailable"),
    );
  });

  test("what validation refuses has a charset and no line end (4.17b)", async () => {
    expect(await target.post(CHAT, { model: "llama3.2", messages: [] })).toEqual(
      openaiInvalid("[] is too short - 'messages'"),
    );
    // A hub looks for the model first, because it must choose a node.
    const unknown = openaiRefusal("404 Not Found", "not_found_error", "model 'nope' not found");
    expect(await target.post(CHAT, { model: "nope" })).toEqual(
      target.viaHub ? unknown : openaiInvalid("[] is too short - 'messages'"),
    );
    for (const input of [[], null, undefined]) {
      expect(await target.post("/v1/embeddings", { model: "all-minilm", input })).toEqual(
        openaiInvalid("invalid input"),
      );
    }
    const web = [{ role: "user", content: [{ type: "image_url", image_url: { url: "https://example.com/a.png" } }] }];
    const image = await target.post(CHAT, { model: "llama3.2", messages: web });
    expect(image.status).toBe("400 Bad Request");
    expect(JSON.parse(image.body).error.type).toBe("invalid_request_error");
    const encoding = await target.post("/v1/embeddings", { model: "all-minilm", input: "a", encoding_format: "hex" });
    expect(encoding.status).toBe("400 Bad Request");
    expect(JSON.parse(encoding.body).error.type).toBe("invalid_request_error");
  });

  for (const path of [CHAT, "/v1/completions", "/v1/embeddings"]) {
    test(`${path} refuses a body that is none in the words of Go`, async () => {
      expect(await target.post(path, "")).toEqual(openaiInvalid("EOF"));
      expect(await target.post(path, "hello")).toEqual(
        openaiInvalid("invalid character 'h' looking for beginning of value"),
      );
      expect(await target.post(path, '{"model":"llama3.2')).toEqual(openaiInvalid("unexpected EOF"));
    });
  }

  test("a field of the wrong type is refused by its name", async () => {
    expect(await target.post("/v1/completions", { model: "llama3.2", prompt: ["x"] })).toEqual(
      openaiInvalid("json: cannot unmarshal array into Go struct field CompletionRequest.prompt of type string"),
    );
    expect(await target.post(CHAT, { model: 1, messages: MESSAGES })).toEqual(
      openaiInvalid("json: cannot unmarshal number into Go struct field ChatCompletionRequest.model of type string"),
    );
  });

  test("a seed decides the answer", async () => {
    target.ollama().configure({ speak: (prompt, seed, index) => expectedText(prompt, seed + index, 1) });
    try {
      const ask = async (seed: number) =>
        (await target.post(CHAT, { model: "llama3.2", messages: MESSAGES, seed })).body;
      expect(await ask(1)).toBe(await ask(1));
      expect(await ask(1)).not.toBe(await ask(2));
    } finally {
      target.ollama().configure(EXAMPLE);
    }
  });
});
