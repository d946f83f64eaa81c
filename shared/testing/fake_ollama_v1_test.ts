// Tests of the OpenAI- and Anthropic-shaped routes: the bytes of the reference's wire examples.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { expectedText, type FakeOllama, startFakeOllama } from "./fake_ollama.ts";
import { exchangeBytes, postBytes } from "./fake_ollama_wire.ts";

let ollama: FakeOllama;
beforeAll(async () => {
  ollama = await startFakeOllama({
    models: [
      "llama3.2",
      { name: "all-minilm", embedding: true },
      { name: "qwen3", capabilities: ["completion", "tools", "thinking"] },
    ],
    tokens: 2,
  });
});
afterAll(() => ollama.stop());

const post = (path: string, body: unknown, headers = {}) => exchangeBytes(ollama.port, postBytes(path, body, headers));
const messages = [{ role: "user", content: "hi" }];
const tokens = ["t0.82e1dc58", " t1.82e1dc58"];

/** A head or body with everything that differs from run to run replaced. */
function timeless(text: string): string {
  return text
    .replace(/Date: .* GMT/, "Date: D")
    .replace(/Content-Length: \d+/, "Content-Length: N")
    .replace(/"id":"(chatcmpl|cmpl)-\d{1,3}"/g, '"id":"$1-1"')
    .replace(/"id":"msg_\w{24}"/g, '"id":"msg_1"')
    .replace(/"created":\d{10}/g, '"created":1');
}

const chunk = (rest: string, model = "llama3.2") =>
  `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"${model}","system_fingerprint":"fp_ollama",${rest}}\n\n`;

describe("/v1/chat/completions", () => {
  test("streams a role once, a finish chunk, usage when asked, and [DONE]", async () => {
    const body = { model: "llama3.2", messages, stream: true, stream_options: { include_usage: true } };
    const answer = await post("/v1/chat/completions", body);
    expect(timeless(answer.head)).toBe(
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nDate: D\r\nTransfer-Encoding: chunked",
    );
    expect(answer.chunks.map(timeless)).toEqual([
      chunk(`"choices":[{"index":0,"delta":{"role":"assistant","content":"${tokens[0]}"},"finish_reason":null}]`),
      chunk(`"choices":[{"index":0,"delta":{"content":"${tokens[1]}"},"finish_reason":null}]`),
      chunk('"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]'),
      chunk('"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":3,"total_tokens":4}'),
      "data: [DONE]\n\n",
    ]);
  });

  test("is whole by default, without a charset and with LF", async () => {
    const answer = await post("/v1/chat/completions", { model: "llama3.2", messages, max_tokens: 1 });
    expect(timeless(answer.head)).toBe(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: D\r\nContent-Length: N",
    );
    expect(timeless(answer.body)).toBe(
      `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"llama3.2","system_fingerprint":"fp_ollama","choices":[{"index":0,"message":{"role":"assistant","content":"${tokens[0]}"},"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n`,
    );
  });

  test("calls tools with arguments as text and reasons before it speaks", async () => {
    const tools = [{ type: "function", function: { name: "now", parameters: { properties: {} } } }];
    const asking = [{ role: "user", content: [{ type: "text", text: "use tool now" }] }];
    const answer = await post("/v1/chat/completions", { model: "qwen3", messages: asking, tools });
    const [choice] = JSON.parse(answer.body).choices;
    expect(choice.finish_reason).toBe("tool_calls");
    expect(choice.message.reasoning).toStartWith("t0.");
    expect(choice.message.tool_calls[0]).toMatchObject({
      index: 0,
      type: "function",
      function: { name: "now", arguments: "{}" },
    });
  });

  test("loses the message of an error in the middle of a stream, and ends without [DONE]", async () => {
    ollama.fault({ kind: "errorAfterTokens", tokens: 1 });
    const answer = await post("/v1/chat/completions", { model: "llama3.2", messages, stream: true });
    expect(answer.chunks).toHaveLength(2);
    expect(timeless(answer.chunks[1] ?? "")).toBe(
      chunk('"choices":[{"index":0,"delta":{"content":""},"finish_reason":null}]', ""),
    );
    expect(answer.complete).toBe(true);
  });

  test("is cut at a byte of its payload like the native routes", async () => {
    ollama.fault({ kind: "resetAfterBytes", bytes: 17, match: { path: "/v1/chat/completions" } });
    const answer = await post("/v1/chat/completions", { model: "llama3.2", messages, stream: true });
    expect(answer).toMatchObject({ ended: "reset", complete: false });
    expect(answer.body).toHaveLength(17);
  });

  test("accepts a zstd-compressed body", async () => {
    const packed = Bun.zstdCompressSync(JSON.stringify({ model: "llama3.2", messages }));
    const response = await fetch(`${ollama.url}/v1/chat/completions`, {
      method: "POST",
      body: packed,
      headers: { "Content-Encoding": "zstd" },
    });
    expect(response.status).toBe(200);
    expect(await response.text()).toContain(expectedText("hi", 0, 2));
  });
});

test("errors have the shape of their family, and only validation keeps the charset and leaves out the LF", async () => {
  const unknown = await post("/v1/chat/completions", { model: "nope", messages });
  expect(timeless(unknown.head)).toBe(
    "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nDate: D\r\nContent-Length: N",
  );
  expect(unknown.body).toBe(
    `{"error":{"message":"model 'nope' not found","type":"not_found_error","param":null,"code":null}}\n`,
  );
  const empty = await post("/v1/chat/completions", { model: "llama3.2", messages: [] });
  expect(empty.head).toContain("\r\nContent-Type: application/json; charset=utf-8\r\n");
  expect(empty.body).toBe(
    `{"error":{"message":"[] is too short - 'messages'","type":"invalid_request_error","param":null,"code":null}}`,
  );
  expect(JSON.parse((await post("/v1/completions", "")).body).error.message).toBe("EOF");
  ollama.fault({ kind: "status", status: 503, times: 2 });
  expect((await post("/v1/completions", { model: "llama3.2", prompt: "x" })).body).toBe(
    '{"error":{"message":"server busy, please try again.  maximum pending requests exceeded","type":"api_error","param":null,"code":null}}\n',
  );
  const busy = await post("/v1/messages", { model: "llama3.2", max_tokens: 9, messages });
  expect(busy.head).toMatch(/^HTTP\/1.1 503 [\s\S]*\r\nContent-Length: 175$/);
  expect(busy.body).toBe(
    '{"type":"error","error":{"type":"overloaded_error","message":"server busy, please try again.  maximum pending requests exceeded"},"request_id":"req_0123456789abcdef01234567"}\n',
  );
});

test("/v1/completions speaks in text chunks, and an empty prompt only loads", async () => {
  const answer = await post("/v1/completions", { model: "llama3.2", prompt: "hi", stream: true });
  expect(timeless(answer.chunks[0] ?? "")).toBe(
    `data: {"id":"cmpl-1","object":"text_completion","created":1,"choices":[{"text":"${tokens[0]}","index":0,"finish_reason":null}],"model":"llama3.2","system_fingerprint":"fp_ollama"}\n\n`,
  );
  expect(answer.chunks.at(-1)).toBe("data: [DONE]\n\n");
  const load = await post("/v1/completions", { model: "llama3.2" });
  expect(JSON.parse(load.body).choices).toEqual([{ text: "", index: 0, finish_reason: "load" }]);
  expect((await post("/v1/completions", { model: "llama3.2", prompt: ["a"] })).head).toContain(" 400 ");
});

test("/v1/embeddings gives the same numbers as floats and as base64", async () => {
  const answer = await post("/v1/embeddings", { model: "all-minilm", input: "a" });
  expect(answer.body).toMatch(
    /^\{"object":"list","data":\[\{"object":"embedding","embedding":\[.*\],"index":0\}\],"model":"all-minilm","usage":\{"prompt_tokens":1,"total_tokens":1\}\}\n$/,
  );
  const packed = await post("/v1/embeddings", { model: "all-minilm", input: "a", encoding_format: "base64" });
  const bytes = Buffer.from(JSON.parse(packed.body).data[0].embedding, "base64");
  expect([...new Float32Array(new Uint8Array(bytes).buffer)]).toEqual(JSON.parse(answer.body).data[0].embedding);
});

test("/v1/models lists the models, or null when there are none", async () => {
  const answer = await exchangeBytes(ollama.port, "GET /v1/models/LLAMA3.2 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  expect(timeless(answer.body)).toBe('{"id":"LLAMA3.2","object":"model","created":1,"owned_by":"library"}\n');
  const empty = await startFakeOllama({ models: [] });
  expect(await (await fetch(`${empty.url}/v1/models`)).text()).toBe('{"object":"list","data":null}\n');
  await empty.stop();
});

test("/v1/messages streams the events of Anthropic in order", async () => {
  const answer = await post("/v1/messages", { model: "llama3.2", max_tokens: 100, messages, stream: true });
  expect(timeless(answer.head)).toBe(
    "HTTP/1.1 200 OK\r\nCache-Control: no-cache\r\nConnection: keep-alive\r\nContent-Type: text/event-stream\r\nDate: D\r\nTransfer-Encoding: chunked",
  );
  expect(timeless(answer.body)).toBe(
    [
      'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"llama3.2","content":[],"usage":{"input_tokens":1,"output_tokens":0}}}',
      'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
      `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"${tokens[0]}"}}`,
      `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"${tokens[1]}"}}`,
      'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}',
      'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":1,"output_tokens":3}}',
      'event: message_stop\ndata: {"type":"message_stop"}',
      "",
    ].join("\n\n"),
  );
});

test("/v1/responses streams numbered events from response.created to response.completed, without [DONE]", async () => {
  const answer = await post("/v1/responses", { model: "llama3.2", input: "hi", stream: true });
  const events = [...answer.body.matchAll(/event: (\S+)\ndata: (.*)\n\n/g)];
  expect(events.map((event) => event[1])).toEqual([
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
  ]);
  expect(events.map((event) => JSON.parse(event[2] ?? "").sequence_number)).toEqual([...events.keys()]);
  expect(answer.body).not.toContain("[DONE]");
  const whole = await post("/v1/responses", { model: "llama3.2", input: messages });
  expect(JSON.parse(whole.body).output[0].content[0].text).toBe(expectedText("hi", 0, 2));
});

test("/v1/audio/transcriptions answers a multipart upload with JSON or text", async () => {
  const upload = (more: Record<string, string>) => {
    const form = new FormData();
    form.set("file", new Blob(["sound"]), "a.wav");
    for (const [name, value] of Object.entries(more)) form.set(name, value);
    return fetch(`${ollama.url}/v1/audio/transcriptions`, { method: "POST", body: form });
  };
  expect(await (await upload({ model: "llama3.2" })).text()).toMatch(/^\{"text":"t0\.\w{8} t1\.\w{8}"\}\n$/);
  expect(await (await upload({ model: "llama3.2", response_format: "text" })).text()).toMatch(/^t0\./);
  expect((await upload({})).status).toBe(400);
});
