import { expect, test } from "bun:test";
import { anthropicError, messagesFace } from "./anthropic.ts";

// The length is that of Ollama's own answer.
test("busy is refused byte for byte as Ollama does", () => {
  const asked = { id: "0123456789abcdef01234567", model: "llama3.2" };
  const text =
    '{"type":"error","error":{"type":"overloaded_error","message":"server busy, please try again.  ' +
    'maximum pending requests exceeded"},"request_id":"req_0123456789abcdef01234567"}\n';
  const refusal = { kind: "queue_timeout", waiting: 1, retryAfterSeconds: 1 } as const;
  expect(messagesFace.refuse(asked, refusal)).toEqual({ status: 503, contentType: "application/json", text });
  expect(Buffer.byteLength(text)).toBe(175);
});

test.each([
  [400, "invalid_request_error"],
  [401, "authentication_error"],
  [403, "permission_error"],
  [404, "not_found_error"],
  [413, "request_too_large"],
  [429, "rate_limit_error"],
  [500, "api_error"],
  [503, "overloaded_error"],
  [504, "api_error"],
])("an error with status %p is of type %p", (status, type) => {
  expect(JSON.parse(anthropicError("7", status, "x").text)).toEqual({
    type: "error",
    error: { type, message: "x" },
    request_id: "req_7",
  });
});

test.each<[json: unknown, is: boolean]>([
  [{ type: "message", role: "assistant", content: [] }, true],
  [{ type: "error", error: { type: "api_error", message: "x" } }, false],
  [{ choices: [] }, false],
  [undefined, false],
])("it knows its answers: %j", (json, is) => {
  expect(messagesFace.isAnswer(json, "application/json")).toBe(is);
});

test("a whole answer says how many tokens it took", () => {
  const whole = { type: "message", stop_reason: "end_turn", usage: { input_tokens: 26, output_tokens: 2 } };
  expect(messagesFace.framing.readWhole(whole)).toEqual({
    kind: "done",
    promptTokens: 26,
    completionTokens: 2,
    slotWaitMs: null,
  });
});

test("the error frame is an event of the name error", () => {
  const frame = messagesFace.errorFrame("node b was lost");
  expect(new TextDecoder().decode(frame)).toBe(
    'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"node b was lost"}}\n\n',
  );
  expect(messagesFace.framing.readLast(frame)).toEqual({ kind: "error", message: "node b was lost" });
});
