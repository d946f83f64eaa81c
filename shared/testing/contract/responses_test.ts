/** The contract of /v1/responses: events with sorted keys and numbers, no [DONE] (reference 1.14). */
import { expect, test } from "bun:test";
import { bare, openaiInvalid, openaiRefusal } from "./answer.ts";
import { onEveryTarget } from "./target.ts";
import { EXAMPLE, MESSAGES, PROMPT, WEATHER_QUESTION, WEATHER_SCHEMA, WORDS } from "./wire_examples.ts";

const PATH = "/v1/responses";
const said = WORDS.join("");

interface Event {
  name: string;
  data: { type: string; sequence_number: number; delta?: string; arguments?: string };
}

/** The events of a stream. @throws Error when there is anything else in it. */
function eventsOf(body: string): Event[] {
  expect(body).toEndWith("\n\n");
  return body
    .slice(0, -2)
    .split("\n\n")
    .map((frame) => {
      const [, name = "", data = ""] = /^event: (\S+)\ndata: (\{.*\})$/.exec(frame) ?? [];
      expect(name).not.toBe("");
      return { name, data: JSON.parse(data) };
    });
}

onEveryTarget("the OpenAI responses", { ollama: EXAMPLE }, (target) => {
  test("a response streams numbered events, keys sorted, without [DONE]", async () => {
    const answer = await target.post(PATH, { model: "llama3.2", input: PROMPT, stream: true });
    expect(answer.status).toBe("200 OK");
    expect(answer.headers).toEqual({ "cache-control": "no-cache", "content-type": "text/event-stream" });
    const events = eventsOf(answer.body);
    expect(events.map(({ name }) => name)).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      ...WORDS.map(() => "response.output_text.delta"),
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ]);
    expect(events.map(({ data }) => data.type)).toEqual(events.map(({ name }) => name));
    expect(events.map(({ data }) => data.sequence_number)).toEqual([...events.keys()]);
    for (const { data } of events) expect(Object.keys(data)).toEqual(Object.keys(data).toSorted());
    expect(events.map(({ data }) => data.delta ?? "").join("")).toBe(said);
    expect(answer.body).not.toContain("[DONE]");
    expect(answer.body).toContain(
      'event: response.output_text.delta\ndata: {"content_index":0,"delta":"Hello","item_id":"msg_N","output_index":0,"sequence_number":4,"type":"response.output_text.delta"}\n\n',
    );
  });

  test("a response is whole unless asked to stream", async () => {
    const whole = bare(
      "200 OK",
      `{"id":"resp_N","object":"response","created_at":1,"status":"completed","model":"llama3.2","output":[{"id":"msg_N","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"${said}","annotations":[],"logprobs":[]}]}],"usage":{"input_tokens":26,"output_tokens":4,"total_tokens":30}}\n`,
    );
    expect(await target.post(PATH, { model: "llama3.2", input: PROMPT })).toEqual(whole);
    expect(await target.post(PATH, { model: "llama3.2", input: MESSAGES, stream: false })).toEqual(whole);
    const parts = [{ role: "user", content: [{ type: "input_text", text: PROMPT }] }];
    expect(await target.post(PATH, { model: "llama3.2", input: parts, store: true })).toEqual(whole);
  });

  test("a function call has its arguments as text, once as a delta and once done", async () => {
    const tools = [{ type: "function", name: "get_weather", parameters: WEATHER_SCHEMA }];
    const body = { model: "qwen3", input: WEATHER_QUESTION, tools, stream: true };
    const events = eventsOf((await target.post(PATH, body)).body);
    const names = events.map(({ name }) => name);
    expect(names).toContain("response.reasoning_summary_text.delta");
    const added = names.lastIndexOf("response.output_item.added");
    expect(names.slice(added)).toEqual([
      "response.output_item.added",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.done",
      "response.output_item.done",
      "response.completed",
    ]);
    expect(events[added + 1]?.data.delta).toBe('{"city":"Oslo"}');
    expect(events[added + 2]?.data.arguments).toBe('{"city":"Oslo"}');
  });

  test("an unknown model is not found, streamed or not", async () => {
    const missing = openaiRefusal("404 Not Found", "not_found_error", "model 'nope' not found");
    expect(await target.post(PATH, { model: "nope", input: "x" })).toEqual(missing);
    expect(await target.post(PATH, { model: "nope", input: "x", stream: true })).toEqual(missing);
  });

  test("a request without a model, or for a model that embeds, is refused", async () => {
    const bad = (message: string) => openaiRefusal("400 Bad Request", "invalid_request_error", message);
    expect(await target.post(PATH, { input: "x" })).toEqual(bad("model is required"));
    expect(await target.post(PATH, { model: "all-minilm", input: "x" })).toEqual(
      bad('"all-minilm" does not support chat'),
    );
  });

  test("a body that is none is refused in the words of Go", async () => {
    expect(await target.post(PATH, "")).toEqual(openaiInvalid("EOF"));
    expect(await target.post(PATH, "hello")).toEqual(
      openaiInvalid("invalid character 'h' looking for beginning of value"),
    );
    expect(await target.post(PATH, '{"model":')).toEqual(openaiInvalid("unexpected EOF"));
  });

  test("responses are not kept: they cannot be fetched or deleted", async () => {
    for (const method of ["GET", "DELETE"]) {
      expect((await target.call(method, PATH)).status).toBe("405 Method Not Allowed");
      expect((await target.call(method, `${PATH}/resp_1`)).status).toBe("404 Not Found");
    }
  });
});
