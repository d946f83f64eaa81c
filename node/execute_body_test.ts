import { describe, expect, test } from "bun:test";
import { readExecuteBody } from "./execute_body.ts";

function read(body: unknown) {
  return readExecuteBody(new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body)));
}

function sentToOllama(body: unknown): unknown {
  const result = read(body);
  return result.ok ? JSON.parse(String(result.work.request.body)) : result.problem;
}

describe("readExecuteBody", () => {
  test("the job id is taken out and options stay under options", () => {
    expect(sentToOllama({ job_id: "j1", model: "m", prompt: "p", options: { seed: 7 }, stream: false })).toEqual({
      model: "m",
      prompt: "p",
      options: { seed: 7 },
      stream: false,
    });
  });

  test.each([
    [{ model: "m" }, true],
    [{ model: "m", stream: null }, true],
    [{ model: "m", stream: true }, true],
    [{ model: "m", stream: false }, false],
  ])("%p is streamed: %p", (body, stream) => {
    expect(sentToOllama(body)).toMatchObject({ stream });
  });

  test("fields this version does not know reach Ollama as they came", () => {
    const extra = { keep_alive: -1, format: { type: "object" }, think: "high", images: ["aGk="], future: null };
    expect(sentToOllama({ model: "m", ...extra })).toEqual({ model: "m", ...extra, stream: true });
  });

  test.each([
    ["", "the body is not JSON"],
    ['{"model":"m"', "the body is not JSON"],
    ["[]", "expected object, received array"],
    [{ prompt: "p" }, "model: is required (string)"],
    [{ model: 3 }, "model: expected string, received number"],
    [{ model: "" }, "model: Too small: expected string to have >=1 characters"],
    [{ model: "m", prompt: ["p"] }, "prompt: expected string, received array"],
    [{ model: "m", options: "hot" }, "options: expected object, received string"],
    [{ model: "m", stream: "yes" }, "stream: expected boolean, received string"],
  ])("%j is refused: %s", (body, problem) => {
    expect(read(body)).toEqual({ ok: false, problem });
  });

  test("bytes that are not UTF-8 are refused", () => {
    expect(readExecuteBody(new Uint8Array([0x22, 0xff, 0x22]))).toEqual({ ok: false, problem: "the body is not JSON" });
  });
});
