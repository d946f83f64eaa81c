/** The contract of what goes wrong while a model works, before the first token or later (1.2, 1.16, 4.11-4.18). */
import { expect, test } from "bun:test";
import type { FakeFault } from "../fake_ollama.ts";
import { postBytes } from "../fake_ollama_wire.ts";
import { type Answer, bare, ndjson, openaiError, openaiRefusal, refusal, timeless } from "./answer.ts";
import { onEveryTarget, type Target, throughTheHub } from "./target.ts";
import { EXAMPLE, MESSAGES, PROMPT } from "./wire_examples.ts";

const OPTIONS = { ollama: EXAMPLE, fresh: true };
/** Slow enough that the first word is with the client before the fault comes after the second. */
const PACED = { ...OPTIONS, ollama: { ...EXAMPLE, tokensPerSecond: 10 } };
const FAILED = "500 Internal Server Error";
const LOST = "an error was encountered while running the model: unexpected EOF";
const BUSY = "server busy, please try again.  maximum pending requests exceeded";
const errorLine = JSON.stringify({ error: LOST });

const GENERATE = { model: "llama3.2", prompt: PROMPT };
const CHAT = { model: "llama3.2", messages: MESSAGES };
const MESSAGE = { ...CHAT, max_tokens: 100 };
const hello = '{"model":"llama3.2","created_at":"T","response":"Hello","done":false}';
const mark = '{"model":"llama3.2","created_at":"T","response":"!","done":false}';

/** As often as anybody tries. */
const always = (target: Target, fault: FakeFault) =>
  target.ollama().fault({ ...fault, times: Number.POSITIVE_INFINITY });

/** Ollama never says when to come back; the hub, which knows its queue, may. */
function withoutRetryAfter(target: Target, { headers, ...answer }: Answer): Answer {
  const { "retry-after": wait = "1", ...others } = headers;
  expect(wait).toMatch(/^[1-9]\d*$/);
  return { ...answer, headers: target.viaHub ? others : headers };
}

onEveryTarget("errors before the first token", OPTIONS, (target) => {
  test("a stream that fails at once has the real status and no charset (4.14b)", async () => {
    always(target, { kind: "errorAfterTokens", tokens: 0 });
    expect(await target.post("/api/generate", GENERATE)).toEqual(bare(FAILED, errorLine));
    expect(await target.post("/api/chat", CHAT)).toEqual(bare(FAILED, errorLine));
  });

  test("a whole answer that fails has the real status and a charset", async () => {
    always(target, { kind: "errorAfterTokens", tokens: 1 });
    expect(await target.post("/api/generate", { ...GENERATE, stream: false })).toEqual(refusal(FAILED, LOST));
  });

  test("a runner that dies while loading, or has too little memory, says so", async () => {
    const died = "llama-server process has terminated: signal: killed";
    always(target, { kind: "runnerCrash" });
    expect(await target.post("/api/chat", CHAT)).toEqual(refusal(FAILED, died));
    target.ollama().clearFaults();
    always(target, { kind: "outOfMemory", needGiB: 20, haveGiB: 8 });
    expect(await target.post("/api/chat", { ...CHAT, stream: false })).toEqual(
      refusal(FAILED, "model requires more system memory (20.0 GiB) than is available (8.0 GiB)"),
    );
  });

  test("a failure has the shape of its route", async () => {
    always(target, { kind: "outOfMemory", needGiB: 20, haveGiB: 8 });
    const message = "model requires more system memory (20.0 GiB) than is available (8.0 GiB)";
    expect(await target.post("/v1/chat/completions", CHAT)).toEqual(openaiRefusal(FAILED, "api_error", message));
    expect(await target.post("/v1/messages", MESSAGE)).toEqual(
      bare(FAILED, `{"type":"error","error":{"type":"api_error","message":"${message}"},"request_id":"req_N"}\n`),
    );
  });

  test("a prompt too long for the context is 400, as the route words it", async () => {
    const message = "the prompt is longer than the context length currently available";
    always(target, { kind: "status", status: 400, message });
    expect(await target.post("/api/chat", CHAT)).toEqual(refusal("400 Bad Request", message));
    expect(await target.post("/v1/chat/completions", { ...CHAT, stream: true })).toEqual(
      openaiRefusal("400 Bad Request", "invalid_request_error", message),
    );
  });

  test("a failing embedding is 400 on embed, 500 on the old route", async () => {
    always(target, { kind: "errorAfterTokens", tokens: 0, message: "the input length exceeds the context length" });
    const message = "the input length exceeds the context length";
    const input = { model: "all-minilm", input: "x", truncate: false };
    expect(await target.post("/api/embed", input)).toEqual(refusal("400 Bad Request", message));
    expect(await target.post("/v1/embeddings", input)).toEqual(
      openaiRefusal("400 Bad Request", "invalid_request_error", message),
    );
    expect(await target.post("/api/embeddings", { model: "all-minilm", prompt: "x" })).toEqual(
      refusal(FAILED, message),
    );
  });
});

onEveryTarget("a busy Ollama", OPTIONS, (target) => {
  test("is 503 in the same words on every route (4.11, 4.11b, 4.11c)", async () => {
    always(target, { kind: "status", status: 503 });
    const ask = async (path: string, body: object) => withoutRetryAfter(target, await target.post(path, body));
    const status = "503 Service Unavailable";
    expect(await ask("/api/generate", GENERATE)).toEqual(refusal(status, BUSY));
    expect(await ask("/api/chat", { ...CHAT, stream: false })).toEqual(refusal(status, BUSY));
    expect(await ask("/v1/chat/completions", CHAT)).toEqual(openaiRefusal(status, "api_error", BUSY));
    expect(await ask("/v1/messages", MESSAGE)).toEqual(
      bare(status, `{"type":"error","error":{"type":"overloaded_error","message":"${BUSY}"},"request_id":"req_N"}\n`),
    );
  });
});

onEveryTarget("errors in the middle of a stream", PACED, (target) => {
  test("a line says what went wrong and is the last one (4.14)", async () => {
    target.ollama().fault({ kind: "errorAfterTokens", tokens: 2 });
    expect(await target.post("/api/generate", GENERATE)).toEqual(ndjson(hello, mark, errorLine));
    target.ollama().fault({ kind: "runnerCrash", tokens: 2, message: "it <died>" });
    const chat = await target.post("/api/chat", CHAT);
    expect(chat.body).toEndWith('"content":"!"},"done":false}\n{"error":"it \\u003cdied\\u003e"}\n');
  });

  /** Each loses the message in Ollama's converter; what stands before is the same in every case. */
  const STREAMS: [path: string, body: object, before: string, instead: string][] = [
    [
      "/v1/chat/completions",
      CHAT,
      'data: {"id":"chatcmpl-N","object":"chat.completion.chunk","created":1,"model":"llama3.2","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"content":"!"},"finish_reason":null}]}\n\n',
      'data: {"id":"chatcmpl-N","object":"chat.completion.chunk","created":1,"model":"","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"content":""},"finish_reason":null}]}\n\n',
    ],
    [
      "/v1/completions",
      GENERATE,
      'data: {"id":"cmpl-N","object":"text_completion","created":1,"choices":[{"text":"!","index":0,"finish_reason":null}],"model":"llama3.2","system_fingerprint":"fp_ollama"}\n\n',
      'data: {"id":"cmpl-N","object":"text_completion","created":1,"choices":[{"text":"","index":0,"finish_reason":null}],"model":"","system_fingerprint":"fp_ollama"}\n\n',
    ],
    [
      "/v1/responses",
      { model: "llama3.2", input: PROMPT },
      'event: response.output_text.delta\ndata: {"content_index":0,"delta":"!","item_id":"msg_N","output_index":0,"sequence_number":5,"type":"response.output_text.delta"}\n\n',
      "",
    ],
    [
      "/v1/messages",
      MESSAGE,
      'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"!"}}\n\n',
      "",
    ],
  ];

  for (const [path, body, before, instead] of STREAMS) {
    const what = target.viaHub ? "says so in an error frame, where Ollama is silent" : "just ends";
    test(`${path} ${what}, without a good end (4.18)`, async () => {
      target.ollama().fault({ kind: "errorAfterTokens", tokens: 2 });
      const answer = await target.post(path, { ...body, stream: true });
      expect(answer).toMatchObject({ status: "200 OK", headers: { "content-type": "text/event-stream" } });
      expect(answer.body).not.toMatch(/\[DONE\]|response\.completed|message_stop|"finish_reason":"/);
      if (!target.viaHub) expect(answer.body).toEndWith(before + instead);
      else expectErrorFrame(answer.body, before, path);
    });
  }
});

/** After `before` there is, at the end, one frame with an error that OpenAI's or Anthropic's library raises. */
function expectErrorFrame(body: string, before: string, path: string): void {
  expect(body).toContain(before);
  expect(body).toEndWith("\n\n");
  const frame = body.slice(0, -2).split("\n\n").at(-1) ?? "";
  const [, name, data = ""] = /^(?:event: (\S+)\n)?data: (\{.*\})$/.exec(frame) ?? [];
  const sent = JSON.parse(data);
  // OpenAI's library takes the whole object of a responses event with `type` error; elsewhere it looks for `error`.
  const error = path === "/v1/responses" ? (sent.error ?? sent) : sent.error;
  expect(error.message).toBeString();
  expect(error.message).not.toBe("");
  if (path !== "/v1/messages") return;
  expect(name).toBe("error");
  expect(sent).toMatchObject({ type: "error", error: { type: expect.stringMatching(/_error$/) } });
}

onEveryTarget("an Ollama before 0.12.6", { ...PACED, ollama: { ...PACED.ollama, version: "0.12.5" } }, (target) => {
  test("hides an error before the first token in a 200; the hub finds it there", async () => {
    always(target, { kind: "errorAfterTokens", tokens: 0 });
    const answer = await target.post("/api/generate", GENERATE);
    expect(answer).toEqual(target.viaHub ? bare(FAILED, errorLine) : ndjson(errorLine));
  });

  test("answers everything else like a new one", async () => {
    expect(await target.call("GET", "/api/version")).toMatchObject({ body: '{"version":"0.12.5"}' });
    expect(await target.post("/api/chat", { model: "nope", messages: MESSAGES })).toEqual(
      refusal("404 Not Found", "model 'nope' not found"),
    );
    target.ollama().fault({ kind: "errorAfterTokens", tokens: 2 });
    expect(await target.post("/api/generate", GENERATE)).toEqual(ndjson(hello, mark, errorLine));
  });
});

onEveryTarget("a model that has just gone", OPTIONS, (target) => {
  test("is not found, whoever knows it already", async () => {
    target.ollama().setModels(["other"]);
    const unknown = "model 'llama3.2' not found";
    expect(await target.post("/api/chat", CHAT)).toEqual(refusal("404 Not Found", unknown));
    expect((await target.post("/v1/chat/completions", CHAT)).body).toBe(`${openaiError("not_found_error", unknown)}\n`);
    await target.knows((models) => models.join() === "other:latest");
    expect(await target.post("/api/chat", CHAT)).toEqual(refusal("404 Not Found", unknown));
  });
});

throughTheHub("a connection that breaks", PACED, (target) => {
  for (const kind of ["resetAfterBytes", "closeAfterBytes", "closeCleanly"] as const) {
    test(`a stream of lines cut by ${kind} ends with an error line, never with half a line`, async () => {
      const bytes = Buffer.byteLength((await target.exchange(postBytes("/api/generate", GENERATE))).chunks[0] ?? "");
      target.ollama().fault({ kind, bytes: bytes + 20 });
      const answer = await target.post("/api/generate", GENERATE);
      const lines = answer.body.split("\n");
      expect(lines.map((line) => line === "" || Object.keys(JSON.parse(line))[0])).toEqual(["model", "error", true]);
      expect(lines[0]).toBe(hello);
    });

    for (const [path, body] of [
      ["/v1/chat/completions", CHAT],
      ["/v1/messages", MESSAGE],
    ] as const) {
      test(`${path} cut by ${kind} ends with an error frame`, async () => {
        const whole = (await target.exchange(postBytes(path, { ...body, stream: true }))).body;
        const end = whole.indexOf("\n\n", whole.indexOf("Hello")) + 2;
        target.ollama().fault({ kind, bytes: end + 20 });
        const answer = await target.post(path, { ...body, stream: true });
        expectErrorFrame(answer.body, timeless(whole.slice(whole.lastIndexOf("\n\n", end - 3) + 2, end)), path);
        expect(answer.body).not.toMatch(/\[DONE\]|message_stop/);
      });
    }
  }
});
