// Tests of what the request log page knows: order, pauses, clearing, search.
import { describe, expect, test } from "bun:test";
import { createBook, filtered, MOST, namesIn } from "./book.js";
import { fileName, ndjson } from "./export.js";

const ALL = { text: "", show: "all", node: "", model: "" };
const START = Date.parse("2026-11-23T12:00:00.000Z");

/** A request that ended `second` seconds after noon. */
function record(second, fields = {}) {
  const { node_id = "a", outcome = "ok", ...rest } = fields;
  return {
    timestamp: new Date(START + second * 1000 - 500).toISOString(),
    duration_ms: 500,
    request_id: `id-${second}`,
    request_ip: "10.0.0.7",
    endpoint: "/api/chat",
    method: "POST",
    model: "llama3",
    node_id,
    success: true,
    status_code: 200,
    error: null,
    attempts: [{ node_id, ip_version: "IPv6", node_url: "http://[::1]:8001", outcome, error: null, duration_ms: 5 }],
    ...rest,
  };
}

const ids = (records) => records.map(({ request_id }) => request_id);

describe("the book of requests", () => {
  test("stands newest first whatever order pieces came in, and each request once", () => {
    const book = createBook();
    book.add([record(3), record(2)]);
    book.add([record(4), record(3), record(2), record(1)]);
    expect(ids(book.standing())).toEqual(["id-4", "id-3", "id-2", "id-1"]);
  });

  test("a request seen twice stays the same object, so that its row is not drawn again", () => {
    const book = createBook();
    const first = record(1);
    book.add([first]);
    book.add([record(2), record(1)]);
    expect(book.standing()[1]).toBe(first);
  });

  test("keeps the newest thousand", () => {
    const book = createBook();
    for (let second = 1; second <= MOST + 5; second++) book.add([record(second)]);
    expect(book.standing()).toHaveLength(MOST);
    expect(book.standing()[0]?.request_id).toBe(`id-${MOST + 5}`);
    expect(book.standing().at(-1)?.request_id).toBe("id-6");
  });

  test("shows nothing new in a pause, counts what came, and shows it afterwards", () => {
    const book = createBook();
    book.add([record(1)]);
    book.pause();
    book.add([record(3), record(2)]);
    expect([ids(book.standing()), book.cameInPause]).toEqual([["id-1"], 2]);
    book.resume();
    expect([ids(book.standing()), book.cameInPause]).toEqual([["id-3", "id-2", "id-1"], 0]);
  });

  test("clearing hides what stands there, also when the log is loaded again, and not what comes later", () => {
    const book = createBook();
    book.add([record(2), record(1)]);
    book.clear();
    book.add([record(3), record(2), record(1)]);
    expect([ids(book.standing()), book.hidden]).toEqual([["id-3"], 2]);
    book.clear();
    expect([ids(book.standing()), book.hidden]).toEqual([[], 3]);
    book.restore();
    expect([ids(book.standing()), book.hidden]).toEqual([["id-3", "id-2", "id-1"], 0]);
  });

  test("clearing in a pause leaves what came meanwhile", () => {
    const book = createBook();
    book.add([record(1)]);
    book.pause();
    book.add([record(2)]);
    book.clear();
    book.resume();
    expect(ids(book.standing())).toEqual(["id-2"]);
  });
});

describe("the filter", () => {
  const lost = record(3, {
    node_id: "b",
    outcome: "connection_lost",
    success: false,
    status_code: 502,
    error: "All failed",
  });
  const moved = { ...record(2), attempts: [...lost.attempts, ...record(2).attempts] };
  const records = [lost, moved, record(1, { model: "Qwen2.5:0.5b" })];
  const found = (part) => ids(filtered(records, { ...ALL, ...part }));

  test("finds every word in any field, in any case, and in the words the page uses", () => {
    expect(found({ text: "qwen2.5" })).toEqual(["id-1"]);
    expect(found({ text: "502 ALL" })).toEqual(["id-3"]);
    expect(found({ text: "connection lost" })).toEqual(["id-3", "id-2"]);
    expect(found({ text: "nothing" })).toEqual([]);
  });

  test("a node is every one that was tried, not only the last", () => {
    expect(found({ node: "b" })).toEqual(["id-3", "id-2"]);
    expect(found({ node: "a" })).toEqual(["id-2", "id-1"]);
  });

  test("success, errors and the model narrow it down together", () => {
    expect(found({ show: "errors" })).toEqual(["id-3"]);
    expect(found({ show: "success", model: "llama3" })).toEqual(["id-2"]);
  });

  test("offers each name once, figures in their order", () => {
    const named = namesIn([record(1, { node_id: "n10" }), record(2, { node_id: "n9", model: null }), ...records]);
    expect(named).toEqual({ nodes: ["a", "b", "n9", "n10"], models: ["llama3", "Qwen2.5:0.5b"] });
  });
});

test("an export has one record a line, whole where the hub still has it", () => {
  const whole = { ...record(2), request_json: { prompt: "two\nlines" } };
  const lines = ndjson([record(2), record(1)], [whole, record(9)])
    .trimEnd()
    .split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual([whole, record(1)]);
  expect(fileName(new Date(START))).toBe("requests-2026-11-23T12-00-00.ndjson");
});
