import { expect, test } from "bun:test";
import { shorten, withoutPrompts } from "./kept_request.ts";

const deep = (levels: number): unknown => (levels === 0 ? "bottom" : [deep(levels - 1)]);

test.each<[what: string, value: unknown, kept: unknown]>([
  ["a text of 4000 characters stays", "x".repeat(4000), "x".repeat(4000)],
  ["one more is cut and says so", `${"x".repeat(4000)}y`, `${"x".repeat(4000)}… (1 more characters)`],
  ["fifty entries stay", Array(50).fill(1), Array(50).fill(1)],
  ["the fifty-first is counted", Array(52).fill(1), [...Array(50).fill(1), "… (2 more)"]],
  ["numbers, booleans and null stay", [1, true, null], [1, true, null]],
  ["texts inside are cut too", { a: ["z".repeat(4003)] }, { a: [`${"z".repeat(4000)}… (3 more characters)`] }],
  ["six levels stay", deep(5), deep(5)],
  ["a long name of a field is cut", { ["k".repeat(4001)]: 1 }, { [`${"k".repeat(4000)}… (1 more characters)`]: 1 }],
])("what is kept of a request: %s", (_, value, kept) => {
  expect(shorten(value)).toEqual(kept);
});

test("what lies deeper than six levels is named but not kept", () => {
  expect(JSON.stringify(shorten(deep(7)))).toBe('[[[[[["… (deeper than the log keeps)"]]]]]]');
});

test("a hostile field name changes nothing but its own record", () => {
  const kept = shorten(JSON.parse('{"__proto__": {"polluted": true}, "a": 1}'));
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  expect(JSON.stringify(kept)).toBe('{"__proto__":{"polluted":true},"a":1}');
});

test("without prompts, what was asked for stays and every text of a person is left out", () => {
  const json = {
    model: "llama3",
    prompt: "secret",
    system: "secret",
    messages: [{ role: "user", content: "secret" }],
    images: ["secret"],
    suffix: "secret",
    template: "secret",
    format: { secret: true },
    context: [5, 3, 9],
    stream: true,
    options: { temperature: 0.5, num_ctx: 4096, stop: ["secret"], seed: "secret", use_mmap: false, note: "secret" },
    keep_alive: "5m",
    think: "high",
  };
  expect(withoutPrompts(json)).toEqual({
    model: "llama3",
    prompt: "(not logged)",
    system: "(not logged)",
    messages: "(not logged)",
    images: "(not logged)",
    suffix: "(not logged)",
    template: "(not logged)",
    format: "(not logged)",
    context: "(not logged)",
    stream: true,
    options: {
      temperature: 0.5,
      num_ctx: 4096,
      stop: "(not logged)",
      seed: "(not logged)",
      use_mmap: false,
      "…": "1 more (not logged)",
    },
    keep_alive: "5m",
    think: "high",
  });
});

const NAMES = [
  "model",
  "options",
  "keep_alive",
  "think",
  "raw",
  "truncate",
  "shift",
  "stream",
  "prompt",
  "seed",
  "MODEL",
];

test.each(NAMES)("without prompts, nothing that is nested under %s is kept", (name) => {
  for (const value of [{ secret: "secret" }, ["secret"], { raw: { secret: 1 } }, [{ model: "secret" }]]) {
    expect(JSON.stringify(withoutPrompts({ [name]: value }))).not.toContain("secret");
    expect(JSON.stringify(withoutPrompts({ options: { [name]: value } }))).not.toContain("secret");
  }
});

test.each(NAMES.filter((name) => name.toLowerCase() !== "model"))(
  "without prompts, no text under %s is kept",
  (name) => {
    for (const text of ["a secret", "secret", "5m secret", "high secret", "1234567890123"]) {
      expect(JSON.stringify(withoutPrompts({ [name]: text }))).not.toContain(text);
    }
  },
);

test("without prompts, a name that nobody knows is not kept, nor what stands there", () => {
  expect(withoutPrompts({ model: "m", "my secret": 1, secret: { secret: 1 }, __proto__x: 2 })).toEqual({
    model: "m",
    "…": "3 more (not logged)",
  });
  const hostile = JSON.parse('{"__proto__":{"secret":true},"constructor":"secret","toString":"5m"}');
  expect(withoutPrompts(hostile)).toEqual({ "…": "3 more (not logged)" });
});

test.each<[name: string, value: unknown]>([
  ["keep_alive", "5m"],
  ["keep_alive", "1h30m"],
  ["keep_alive", "1.5h"],
  ["keep_alive", "-1s"],
  ["keep_alive", "0"],
  ["keep_alive", "100ms"],
  ["keep_alive", -1],
  ["think", true],
  ["think", "max"],
  ["raw", true],
  ["temperature", 0.7],
  ["options", {}],
  ["stream", null],
  ["model", "hf.co/some/Model:Q4_K_M"],
])("without prompts, %s stays when it is %j", (name, value) => {
  expect(withoutPrompts({ [name]: value })).toEqual({ [name]: value });
});

test("without prompts, a field is known in whatever case it is written, and the last one counts", () => {
  expect(withoutPrompts({ Prompt: "secret", STREAM: true, stream: false })).toEqual({
    prompt: "(not logged)",
    stream: false,
  });
});
