// Tests of the checker with made-up histories: it has to see every kind of lie, and to call an honest history honest.
import { describe, expect, test } from "bun:test";
import { type Breach, check, type Promises, USUAL } from "./checker.ts";
import { type Execution, type Operation, operationOf, promptOf, textOf } from "./history.ts";

function operation(changes: Partial<Operation> = {}): Operation {
  return {
    id: "x-1",
    kind: "jobs",
    stream: true,
    tokens: 5,
    startedAt: 0,
    firstByteAt: 10,
    endedAt: 100,
    leftAt: null,
    outcomes: ["whole"],
    status: 200,
    text: textOf(execution(), 5),
    why: "",
    attempts: 1,
    node: "a",
    retryAfter: null,
    ...changes,
  };
}

function execution(changes: Partial<Execution> = {}): Execution {
  const id = changes.operation ?? "x-1";
  const prompt = promptOf(id);
  return {
    operation: id,
    node: "a",
    prompt,
    seed: 7,
    tokensSent: 5,
    outcome: "completed",
    abortedAt: null,
    ...changes,
  };
}

/** What the checker says of this history. */
function breaches(
  operations: readonly Operation[],
  executions: readonly Execution[] = [execution()],
  promises: Partial<Promises> = {},
  hubStops: readonly number[] = [],
): Breach[] {
  return check({ operations, executions, hubStops }, { ...USUAL, ...promises }).map(({ breach }) => breach);
}

const first = (tokens: number, changes: Partial<Execution> = {}) => textOf(execution(changes), tokens);

test("a prompt tells its operation", () => {
  expect(operationOf(promptOf("kill-17"))).toBe("kill-17");
  expect(operationOf("anything else")).toBeNull();
});

describe("an honest history has no violation", () => {
  const failedOver = [execution({ node: "b", outcome: "aborted" }), execution()];
  test.each<[string, Operation, Execution[]]>([
    ["a whole answer", operation(), [execution()]],
    ["a whole answer after a failover", operation(), failedOver],
    [
      "a stream that broke off and said so",
      operation({ outcomes: ["error frame"], text: first(2), why: "lost" }),
      failedOver,
    ],
    ["a refusal that says why", operation({ outcomes: ["refused"], status: 503, text: "", why: "busy" }), []],
    ["no connection to the hub", operation({ outcomes: ["refused"], status: 0, text: "" }), []],
    [
      "a client that left",
      operation({ outcomes: ["aborted"], text: first(1), leftAt: 50 }),
      [execution({ outcome: "aborted", abortedAt: 60 })],
    ],
  ])("%s", (_, one, executions) => {
    expect(breaches([one], executions)).toEqual([]);
  });
});

test("only a request that nobody read may end without a word, and only as the hub closes its listener", () => {
  const reset = operation({ outcomes: ["cut"], status: 0, text: "", startedAt: 5_000, endedAt: 5_001 });
  expect(breaches([reset], [], {}, [4_950])).toEqual([]);
  expect(breaches([reset], [], {}, [4_000])).toEqual(["silent"]);
  expect(breaches([reset], [execution()], {}, [4_950])).toEqual(["silent"]);
  expect(breaches([{ ...reset, status: 200 }], [], {}, [4_950])).toEqual(["silent"]);
});

describe("every lie is seen", () => {
  test.each<[string, Operation, Execution[], Breach]>([
    ["no outcome", operation({ outcomes: [], endedAt: null }), [execution()], "outcomes"],
    ["two outcomes", operation({ outcomes: ["whole", "cut"] }), [execution()], "outcomes"],
    ["a silent end", operation({ outcomes: ["cut"], text: first(2) }), [execution()], "silent"],
    [
      "an error frame without a word",
      operation({ outcomes: ["error frame"], text: first(2) }),
      [execution()],
      "silent",
    ],
    ["a refusal without a word", operation({ outcomes: ["refused"], status: 500, text: "" }), [], "silent"],
    ["a hang", operation({ outcomes: ["hang"], text: "", endedAt: 60_000 }), [execution()], "hang"],
    ["an answer after the limit", operation({ endedAt: 60_001 }), [execution()], "hang"],
    ["too many executions", operation(), Array.from({ length: 4 }, () => execution()), "executions"],
    ["what still runs", operation(), [execution(), execution({ node: "b", outcome: "running" })], "orphan"],
    ["half an answer called whole", operation({ text: first(3) }), [execution()], "incomplete"],
    ["nothing called whole", operation({ text: "" }), [execution()], "mixed"],
    ["an answer nobody executed", operation(), [], "mixed"],
  ])("%s", (_, one, executions, breach) => {
    expect(breaches([one], executions)).toEqual([breach]);
  });

  test("an answer that begins at one node and goes on at another", () => {
    const [a, b] = [execution(), execution({ node: "b" })];
    const text = textOf(a, 2) + textOf(b, 5).slice(textOf(b, 2).length);
    expect(breaches([operation({ text })], [a, b])).toEqual(["mixed"]);
  });

  test("a token that comes twice, and one that is missing", () => {
    const whole = first(5);
    const tokens = whole.split(" ");
    const twice = [...tokens.slice(0, 2), ...tokens.slice(1)].join(" ");
    const missing = [...tokens.slice(0, 2), ...tokens.slice(3)].join(" ");
    for (const text of [twice, missing]) expect(breaches([operation({ text })])).toEqual(["mixed"]);
  });

  test("the answer to somebody else's question", () => {
    const other = execution({ operation: "x-2" });
    const text = textOf(other, 5);
    const operations = [operation({ text }), operation({ id: "x-2", text })];
    expect(breaches(operations, [execution(), other])).toEqual(["mixed"]);
  });

  test("two operations of one id, and an execution of none", () => {
    expect(breaches([operation(), operation()])).toEqual(["outcomes"]);
    expect(breaches([operation()], [execution(), execution({ operation: "y-1" })])).toEqual(["outcomes"]);
  });
});

test("nothing may be lost only where that was promised", () => {
  const refused = operation({ outcomes: ["refused"], status: 503, text: "", why: "busy" });
  const early = operation({ id: "x-2", outcomes: ["error frame"], text: "", why: "lost" });
  const late = operation({ id: "x-3", outcomes: ["error frame"], text: first(1, { operation: "x-3" }), why: "lost" });
  const ran = [execution({ operation: "x-3" })];
  expect(breaches([refused, early, late], ran)).toEqual([]);
  expect(breaches([refused, early, late], ran, { nothingLost: true })).toEqual(["lost", "lost"]);
});

test("an abort has to reach Ollama in time only where that was promised", () => {
  const left = operation({ outcomes: ["aborted"], text: "", leftAt: 50 });
  const late = [execution({ outcome: "aborted", abortedAt: 2051 })];
  expect(breaches([left], late)).toEqual([]);
  expect(breaches([left], late, { abortMs: 2000 })).toEqual(["orphan"]);
  expect(breaches([left], late, { abortMs: 2001 })).toEqual([]);
});
