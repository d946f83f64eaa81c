/** The contract of Ollama's own inference routes: generate, chat, embed, embeddings (reference 1.2-1.5, 2.1). */
import { expect, test } from "bun:test";
import { embeddingOf } from "../fake_ollama.ts";
import { postBytes } from "../fake_ollama_wire.ts";
import { native, ndjson, timeless } from "./answer.ts";
import { chunkedBytes, onEveryTarget } from "./target.ts";
import { EXAMPLE, MESSAGES, PROMPT, thoughtsOf, WEATHER_QUESTION, WEATHER_TOOL, WORDS } from "./wire_examples.ts";

const counts = (evaluated: number, prompt = 26) =>
  `"total_duration":1,"load_duration":1,"prompt_eval_count":${prompt},"prompt_eval_duration":1,"eval_count":${evaluated},"eval_duration":1`;
const generated = (text: string, rest: string, model = "llama3.2") =>
  `{"model":"${model}","created_at":"T","response":"${text}",${rest}}`;
const chatted = (message: string, rest: string, model = "llama3.2") =>
  `{"model":"${model}","created_at":"T","message":{"role":"assistant",${message}},${rest}}`;
const stopped = '"done":true,"done_reason":"stop"';
const said = WORDS.join("");

onEveryTarget("Ollama's own routes", { ollama: EXAMPLE }, (target) => {
  test("generate streams lines unless told not to, and ends with context and counts (4.1)", async () => {
    expect(await target.post("/api/generate", { model: "llama3.2", prompt: PROMPT })).toEqual(
      ndjson(
        ...WORDS.map((word) => generated(word, '"done":false')),
        generated("", `${stopped},"context":[N],${counts(4)}`),
      ),
    );
  });

  test("generate without a stream is one object", async () => {
    expect(await target.post("/api/generate", { model: "llama3.2", prompt: PROMPT, stream: false })).toEqual(
      native("200 OK", generated(said, `${stopped},"context":[N],${counts(4)}`)),
    );
  });

  test("a raw prompt has no context in its answer", async () => {
    expect(await target.post("/api/generate", { model: "llama3.2", prompt: PROMPT, raw: true, stream: false })).toEqual(
      native("200 OK", generated(said, `${stopped},${counts(4)}`)),
    );
  });

  test("chat without a stream is one object (4.2)", async () => {
    expect(await target.post("/api/chat", { model: "llama3.2", messages: MESSAGES, stream: false })).toEqual(
      native("200 OK", chatted(`"content":"${said}"`, `${stopped},${counts(4)}`)),
    );
  });

  test("chat streams lines unless told not to (4.3)", async () => {
    expect(await target.post("/api/chat", { model: "llama3.2", messages: MESSAGES })).toEqual(
      ndjson(
        ...WORDS.map((word) => chatted(`"content":"${word}"`, '"done":false')),
        chatted('"content":""', `${stopped},${counts(4)}`),
      ),
    );
  });

  test("a line carries a thought, a line a tool call (4.4)", async () => {
    const [first, second] = thoughtsOf(WEATHER_QUESTION);
    const call =
      '"content":"","tool_calls":[{"id":"call_N","function":{"index":0,"name":"get_weather","arguments":{"city":"Oslo"}}}]';
    const messages = [{ role: "user", content: WEATHER_QUESTION }];
    const answer = await target.post("/api/chat", { model: "qwen3", messages, tools: [WEATHER_TOOL] });
    const thought = (text: string) => chatted(`"content":"","thinking":"${text}"`, '"done":false', "qwen3");
    expect(answer).toEqual(
      ndjson(
        thought(first),
        thought(second),
        chatted(call, '"done":false', "qwen3"),
        chatted('"content":""', `${stopped},${counts(4, 5)}`, "qwen3"),
      ),
    );
    const whole = await target.post("/api/chat", { model: "qwen3", messages, tools: [WEATHER_TOOL], stream: false });
    expect(whole.body).toStartWith(
      `{"model":"qwen3","created_at":"T","message":{"role":"assistant","content":"","thinking":"${first}${second}","tool_calls":[`,
    );
  });

  test("a thinking model thinks unless think is false", async () => {
    const ask = async (more: object) =>
      (await target.post("/api/generate", { model: "qwen3", prompt: PROMPT, stream: false, ...more })).body;
    const [first, second] = thoughtsOf(PROMPT);
    const thinking = `"response":"${said}","thinking":"${first}${second}","done":true`;
    expect(await ask({})).toContain(thinking);
    expect(await ask({ think: "low" })).toContain(thinking);
    expect(await ask({ think: false })).toContain(`"response":"${said}","done":true`);
  });

  test("num_predict ends an answer with reason length", async () => {
    const body = { model: "llama3.2", messages: MESSAGES, stream: false, options: { num_predict: 2 } };
    expect(await target.post("/api/chat", body)).toEqual(
      native("200 OK", chatted('"content":"Hello!"', `"done":true,"done_reason":"length",${counts(2)}`)),
    );
  });

  test("a format is answered in that format", async () => {
    const format = { type: "object", properties: { age: { type: "integer" } } };
    const body = { model: "llama3.2", prompt: PROMPT, format, stream: false };
    expect((await target.post("/api/generate", body)).body).toContain('"response":"{\\"age\\":1}","done":true');
  });

  for (const [path, content] of [
    ["/api/generate", '"response":""'],
    ["/api/chat", '"message":{"role":"assistant","content":""}'],
  ] as const) {
    const end = (reason: string) =>
      native("200 OK", `{"model":"llama3.2","created_at":"T",${content},"done":true,"done_reason":"${reason}"}`);

    test(`${path} with nothing to say loads: one object whatever stream says (4.5)`, async () => {
      expect(await target.post(path, { model: "llama3.2" })).toEqual(end("load"));
      expect(await target.post(path, { model: "llama3.2", stream: true })).toEqual(end("load"));
      expect(await target.post(path, { model: "llama3.2", stream: false })).toEqual(end("load"));
      expect(await target.post(path, { model: "llama3.2", prompt: "", messages: [] })).toEqual(end("load"));
    });

    test(`${path} with nothing to say and keep_alive 0 unloads, also what is not loaded (4.6)`, async () => {
      for (const keep_alive of [0, "0", "0s"]) {
        expect(await target.post(path, { model: "llama3.2", messages: [], keep_alive })).toEqual(end("unload"));
      }
      target.ollama().setLoaded(["llama3.2"]);
    });
  }

  test("keep_alive is a number of seconds, a Go duration, negative or null", async () => {
    for (const keep_alive of [300, 0.5, -1, "5m", "1h30m", "300ms", "-1m", null]) {
      const answer = await target.post("/api/generate", { model: "llama3.2", keep_alive });
      expect(answer.body).toContain('"done_reason":"load"');
    }
    target.ollama().setLoaded(["llama3.2", "all-minilm", "qwen3", "plain"]);
  });

  test("embed gives one vector of length 1 for each input, in order (4.19)", async () => {
    const vectors = JSON.stringify(["a", "b"].map((text) => embeddingOf(text, 2, true)));
    expect(await target.post("/api/embed", { model: "all-minilm", input: ["a", "b"] })).toEqual(
      native(
        "200 OK",
        `{"model":"all-minilm","embeddings":${vectors},"total_duration":1,"load_duration":1,"prompt_eval_count":2}`,
      ),
    );
    const one = (await target.post("/api/embed", { model: "all-minilm", input: "a", stream: true })).body;
    expect(one).toContain(`"embeddings":${JSON.stringify([embeddingOf("a", 2, true)])}`);
    const longer = await target.post("/api/embed", { model: "all-minilm", input: "a", dimensions: 3 });
    expect(longer.body).toContain(`"embeddings":${JSON.stringify([embeddingOf("a", 3, true)])}`);
  });

  test("embed with nothing to embed loads", async () => {
    const loaded = native("200 OK", '{"model":"all-minilm","embeddings":[]}');
    expect(await target.post("/api/embed", { model: "all-minilm" })).toEqual(loaded);
    expect(await target.post("/api/embed", { model: "all-minilm", input: "" })).toEqual(loaded);
    expect(await target.post("/api/embed", { model: "all-minilm", input: [] })).toEqual(loaded);
  });

  test("the old embeddings gives one bare vector, or none for no prompt (4.19b)", async () => {
    const vector = JSON.stringify(embeddingOf("a", 2, false));
    expect(await target.post("/api/embeddings", { model: "all-minilm", prompt: "a" })).toEqual(
      native("200 OK", `{"embedding":${vector}}`),
    );
    expect(await target.post("/api/embeddings", { model: "all-minilm" })).toEqual(native("200 OK", '{"embedding":[]}'));
  });

  test("the answer names the model as the request did", async () => {
    const full = "registry.ollama.ai/library/llama3.2";
    const names = ["llama3.2:latest", "LLAMA3.2", "library/llama3.2", full, `https://${full}:latest`, " llama3.2 "];
    for (const model of [...names, "llama3.2:local", "llama3.2:latest:local"]) {
      const answer = await target.post("/api/generate", { model, prompt: PROMPT });
      const named = [...answer.body.matchAll(/"model":"([^"]*)"/g)].map((match) => match[1]);
      expect(named).toEqual([model, model, model, model]);
    }
  });

  test("Content-Type and Accept are not looked at", async () => {
    const body = { model: "llama3.2", prompt: PROMPT, stream: false };
    const answer = await target.post("/api/generate", body);
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]) {
      expect(await target.post("/api/generate", body, { "Content-Type": type, Accept: "text/html" })).toEqual(answer);
    }
    const streamed = { model: "llama3.2", prompt: PROMPT };
    const accepted = await target.post("/api/generate", streamed, { Accept: "application/json" });
    expect(accepted.headers).toEqual({ "content-type": "application/x-ndjson" });
  });

  test("field names match in any case and unknown fields do not matter", async () => {
    const answer = await target.post("/api/chat", { model: "llama3.2", messages: MESSAGES, stream: false });
    const odd = { MODEL: "llama3.2", Messages: MESSAGES, sTREAM: false, unknown: { model: "nope" }, tool_choice: 1 };
    expect(await target.post("/api/chat", odd)).toEqual(answer);
  });

  test("a field that is null is as good as absent, and unknown options do not matter", async () => {
    const nulls = {
      stream: null,
      format: null,
      keep_alive: null,
      think: null,
      images: null,
      options: { unknown: "x" },
    };
    const answer = await target.post("/api/generate", { model: "llama3.2", prompt: PROMPT });
    expect(await target.post("/api/generate", { model: "llama3.2", prompt: PROMPT, ...nulls })).toEqual(answer);
    expect(await target.post("/api/generate", { model: "llama3.2", prompt: PROMPT, format: "" })).toEqual(answer);
  });

  test("the last of several fields of one name counts, whatever its case", async () => {
    const text = `"prompt":${JSON.stringify(PROMPT)},"stream":false`;
    const answer = await target.post("/api/generate", `{"model":"nope","model":"llama3.2",${text}}`);
    expect(answer.status).toBe("200 OK");
    expect(await target.post("/api/generate", `{"model":"nope","MODEL":"llama3.2",${text}}`)).toEqual(answer);
  });

  test("only the first JSON value of a body is read", async () => {
    const body = JSON.stringify({ model: "llama3.2", prompt: PROMPT, stream: false });
    const answer = await target.post("/api/generate", body);
    for (const more of ["\n", ' {"model":"nope"}', " trailing", "]"]) {
      expect(await target.post("/api/generate", `  \r\n\t${body}${more}`)).toEqual(answer);
    }
  });

  test("a body may come in chunks, and after 100-continue", async () => {
    const body = JSON.stringify({ model: "llama3.2", prompt: PROMPT, stream: false });
    const answer = await target.post("/api/generate", body);
    expect(await target.send(chunkedBytes("/api/generate", [body.slice(0, 9), body.slice(9)]))).toEqual(answer);
    const request = postBytes("/api/generate", body, { Expect: "100-continue" });
    const waiting = timeless(await target.talk(request, (received) => received.endsWith("}")));
    expect(waiting).toContain("HTTP/1.1 200 OK\r\n");
    expect(waiting).toContain(answer.body);
  });

  test("a body may be large", async () => {
    const images = [Buffer.alloc(3 << 20, "x").toString("base64")];
    const messages = [{ ...MESSAGES[0], images }];
    expect(await target.post("/api/chat", { model: "llama3.2", messages, stream: false })).toEqual(
      native("200 OK", chatted(`"content":"${said}"`, `${stopped},${counts(4)}`)),
    );
  });

  test("a long stream comes whole", async () => {
    const body = { model: "llama3.2", prompt: PROMPT, options: { num_predict: 3000 } };
    const lines = (await target.post("/api/generate", body)).body.split("\n");
    expect(lines).toHaveLength(3002);
    expect(new Set(lines.slice(3, -2))).toEqual(new Set([generated("", '"done":false')]));
    expect(lines.at(-2)).toContain('"done":true,"done_reason":"length"');
  });

  test("every line leaves when it is made", async () => {
    target.ollama().fault({ kind: "hangAfterTokens", tokens: 2 });
    const answer = await target.exchange(postBytes("/api/generate", { model: "llama3.2", prompt: PROMPT }), 300);
    expect(timeless(answer.body)).toBe(["Hello", "!"].map((word) => `${generated(word, '"done":false')}\n`).join(""));
    expect(answer.complete).toBe(false);
  });
});
