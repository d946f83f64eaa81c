/** The contract of /v1/messages (reference 1.15, 4.25). */
import { expect, test } from "bun:test";
import { type Answer, bare, native, sse } from "./answer.ts";
import { onEveryTarget } from "./target.ts";
import { EXAMPLE, MESSAGES, thoughtsOf, WEATHER_QUESTION, WEATHER_SCHEMA, WORDS } from "./wire_examples.ts";

const PATH = "/v1/messages";
const HEADERS = { "cache-control": "no-cache" };
const BODY = { model: "llama3.2", max_tokens: 100, messages: MESSAGES };
const said = WORDS.join("");

const event = (type: string, rest = "") => `event: ${type}\ndata: {"type":"${type}"${rest}}`;
const started = (model: string, tokens: number) =>
  event(
    "message_start",
    `,"message":{"id":"msg_N","type":"message","role":"assistant","model":"${model}","content":[],"usage":{"input_tokens":${tokens},"output_tokens":0}}`,
  );
const block = (index: number, content: string, ...deltas: string[]) => [
  event("content_block_start", `,"index":${index},"content_block":{${content}}`),
  ...deltas.map((delta) => event("content_block_delta", `,"index":${index},"delta":{${delta}}`)),
  event("content_block_stop", `,"index":${index}`),
];
const ended = (reason: string, input: number, output: number) => [
  event(
    "message_delta",
    `,"delta":{"stop_reason":"${reason}"},"usage":{"input_tokens":${input},"output_tokens":${output}}`,
  ),
  event("message_stop"),
];

function errorBody(type: string, message: string): string {
  return JSON.stringify({ type: "error", error: { type, message }, request_id: "req_N" });
}

const refused = (status: string, type: string, message: string): Answer =>
  bare(status, `${errorBody(type, message)}\n`);
const invalid = (message: string): Answer => native("400 Bad Request", errorBody("invalid_request_error", message));

onEveryTarget("the Anthropic route", { ollama: EXAMPLE }, (target) => {
  test("a message streams its events in order (4.25)", async () => {
    const deltas = WORDS.map((word) => `"type":"text_delta","text":"${word}"`);
    expect(await target.post(PATH, { ...BODY, stream: true })).toEqual(
      sse(
        [started("llama3.2", 26), ...block(0, '"type":"text","text":""', ...deltas), ...ended("end_turn", 26, 4)],
        HEADERS,
      ),
    );
  });

  test("a message is whole unless asked to stream", async () => {
    const whole = (content: string, reason: string, output: number) =>
      bare(
        "200 OK",
        `{"id":"msg_N","type":"message","role":"assistant","model":"llama3.2","content":[{"type":"text","text":"${content}"}],"stop_reason":"${reason}","usage":{"input_tokens":26,"output_tokens":${output}}}\n`,
      );
    expect(await target.post(PATH, BODY)).toEqual(whole(said, "end_turn", 4));
    expect(await target.post(PATH, { ...BODY, stream: false })).toEqual(whole(said, "end_turn", 4));
    expect(await target.post(PATH, { ...BODY, max_tokens: 2 })).toEqual(whole("Hello!", "max_tokens", 2));
    const key = { "x-api-key": "any", "anthropic-version": "2023-06-01", "Content-Type": "text/plain" };
    expect(await target.post(PATH, BODY, key)).toEqual(whole(said, "end_turn", 4));
    const parts = [{ role: "user", content: MESSAGES.map(({ content }) => ({ type: "text", text: content })) }];
    expect(await target.post(PATH, { ...BODY, messages: parts })).toEqual(whole(said, "end_turn", 4));
    const thinking = { type: "enabled", budget_tokens: 1024 };
    expect(await target.post(PATH, { ...BODY, thinking })).toEqual(whole(said, "end_turn", 4));
  });

  test("thoughts and tool calls are blocks of their own", async () => {
    const tools = [{ name: "get_weather", input_schema: WEATHER_SCHEMA }];
    const messages = [{ role: "user", content: WEATHER_QUESTION }];
    const body = { model: "qwen3", max_tokens: 100, messages, tools, thinking: { type: "enabled" }, stream: true };
    const thoughts = thoughtsOf(WEATHER_QUESTION).map((text) => `"type":"thinking_delta","thinking":"${text}"`);
    expect(await target.post(PATH, body)).toEqual(
      sse(
        [
          started("qwen3", 5),
          ...block(0, '"type":"thinking","thinking":""', ...thoughts),
          ...block(
            1,
            '"type":"tool_use","id":"call_N","name":"get_weather","input":{}',
            '"type":"input_json_delta","partial_json":"{\\"city\\":\\"Oslo\\"}"',
          ),
          ...ended("tool_use", 5, 4),
        ],
        HEADERS,
      ),
    );
  });

  test("an unknown model is not found", async () => {
    const missing = refused("404 Not Found", "not_found_error", "model 'nope' not found");
    expect(await target.post(PATH, { ...BODY, model: "nope" })).toEqual(missing);
    expect(await target.post(PATH, { ...BODY, model: "nope", stream: true })).toEqual(missing);
  });

  test("what the handler refuses has the type of its status", async () => {
    const bad = (message: string) => refused("400 Bad Request", "invalid_request_error", message);
    expect(await target.post(PATH, { ...BODY, model: "all-minilm" })).toEqual(
      bad('"all-minilm" does not support chat'),
    );
    expect(await target.post(PATH, { ...BODY, model: "plain", tools: [{ name: "f", input_schema: {} }] })).toEqual(
      bad("registry.ollama.ai/library/plain:latest does not support tools"),
    );
    expect(await target.post(PATH, { ...BODY, model: "x:cloud" })).toEqual(
      refused("403 Forbidden", "permission_error", "ollama cloud is disabled: remote model is unavailable"),
    );
  });

  test("what validation refuses has a charset and no line end", async () => {
    expect(await target.post(PATH, { ...BODY, model: undefined })).toEqual(invalid("model is required"));
    for (const max_tokens of [undefined, 0, -1]) {
      expect(await target.post(PATH, { ...BODY, max_tokens })).toEqual(
        invalid("max_tokens is required and must be positive"),
      );
    }
    expect(await target.post(PATH, { ...BODY, messages: [] })).toEqual(invalid("messages is required"));
    // A hub looks for the model first, because it must choose a node.
    expect(await target.post(PATH, { model: "nope", max_tokens: 1 })).toEqual(
      target.viaHub
        ? refused("404 Not Found", "not_found_error", "model 'nope' not found")
        : invalid("messages is required"),
    );
  });

  test("a body that is none is refused in the words of Go", async () => {
    expect(await target.post(PATH, "")).toEqual(invalid("EOF"));
    expect(await target.post(PATH, "hello")).toEqual(invalid("invalid character 'h' looking for beginning of value"));
    expect(await target.post(PATH, '{"model":"llama3.2"')).toEqual(invalid("unexpected EOF"));
    expect(await target.post(PATH, { ...BODY, model: 1 })).toEqual(
      invalid("json: cannot unmarshal number into Go struct field MessagesRequest.model of type string"),
    );
  });
});
