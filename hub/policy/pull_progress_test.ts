import { expect, test } from "bun:test";
import fc from "fast-check";
import { MANIFEST_MISSING, mergePulls, type ProgressLine, type PullEvent } from "./pull_progress.ts";

const MANIFEST = { status: "pulling manifest" };
const VERIFY = { status: "verifying sha256 digest" };
const WRITE = { status: "writing manifest" };
const REMOVE = { status: "removing unused layers" };
const SUCCESS = { status: "success" };

/** A line of layer `name` of 100 bytes. */
const layer = (name: string, completed?: number, total = 100) => ({
  status: `pulling ${name}`,
  digest: `sha256:${name}`,
  ...(total > 0 ? { total } : {}),
  ...(completed === undefined ? {} : { completed }),
});

type Step = readonly [nodeId: string, line: Record<string, unknown> | "ends" | Error];

function eventOf([nodeId, what]: Step): PullEvent {
  if (what === "ends") return { nodeId, ended: null };
  return what instanceof Error ? { nodeId, ended: what.message } : { nodeId, line: what };
}

/** The merged stream of `steps`, in the order they happen. */
function merged(nodeIds: readonly string[], ...steps: readonly Step[]): ProgressLine[] {
  const merge = mergePulls(nodeIds);
  return steps.flatMap((step) => merge.take(eventOf(step)));
}

test("a pull on one node looks as on a single Ollama, byte by byte", () => {
  const script = [
    MANIFEST,
    layer("aa"),
    layer("aa", 40),
    layer("aa", 100),
    layer("bb", 7, 7),
    VERIFY,
    WRITE,
    REMOVE,
    SUCCESS,
  ];
  const lines = merged(["a"], ...script.map((line): Step => ["a", line]), ["a", "ends"]);
  expect(JSON.stringify(lines)).toBe(JSON.stringify(script));
});

test("two nodes share one bar per layer, one line per phase, and one success", () => {
  const lines = merged(
    ["a", "b"],
    ["a", MANIFEST],
    ["b", MANIFEST],
    ["a", layer("aa")],
    ["a", layer("aa", 60)],
    ["b", layer("aa", 10)],
    ["a", layer("aa", 100)],
    ["a", VERIFY],
    ["b", layer("aa", 100)],
    ["a", WRITE],
    ["a", SUCCESS],
    ["a", "ends"],
    ["b", VERIFY],
    ["b", WRITE],
    ["b", SUCCESS],
    ["b", "ends"],
  );
  expect(lines).toEqual([
    MANIFEST,
    layer("aa", undefined, 200),
    layer("aa", 60, 200),
    layer("aa", 70, 200),
    layer("aa", 110, 200),
    layer("aa", 200, 200),
    VERIFY,
    WRITE,
    SUCCESS,
  ]);
});

test("a download that starts again on its node does not take the bar back", () => {
  const lines = merged(
    ["a"],
    ["a", layer("aa", 50)],
    ["a", layer("aa")],
    ["a", layer("aa", 20)],
    ["a", layer("aa", 60)],
  );
  expect(lines).toEqual([MANIFEST, layer("aa", 50), layer("aa", 60)]);
});

test("a node that has another set of layers does not leave a bar unfinished", () => {
  const lines = merged(
    ["a", "b"],
    ["a", layer("aa", 100)],
    ["b", layer("bb", 100)],
    ["a", VERIFY],
    ["b", VERIFY],
    ["a", SUCCESS],
    ["b", SUCCESS],
  );
  expect(lines).toEqual([
    MANIFEST,
    layer("aa", 100, 200),
    layer("bb", 100, 200),
    layer("bb", 200, 200),
    layer("aa", 200, 200),
    VERIFY,
    SUCCESS,
  ]);
});

test("a phase that only one node has is told when the others are past it", () => {
  const lines = merged(["a", "b"], ["a", REMOVE], ["b", VERIFY], ["b", WRITE], ["b", SUCCESS], ["a", SUCCESS]);
  expect(lines).toEqual([MANIFEST, VERIFY, WRITE, REMOVE, SUCCESS]);
});

test("a phase waits no longer for a node that has failed", () => {
  const lines = merged(["a", "b"], ["a", VERIFY], ["a", WRITE], ["b", new Error("connection lost")], ["a", SUCCESS]);
  expect(lines).toEqual([MANIFEST, VERIFY, WRITE, { error: "connection lost (failed on b; succeeded on a)" }]);
});

test("words of another version of Ollama are passed on once", () => {
  const converting = { status: "converting model" };
  expect(merged(["a", "b"], ["a", converting], ["b", converting], ["a", SUCCESS], ["b", SUCCESS])).toEqual([
    MANIFEST,
    converting,
    SUCCESS,
  ]);
});

const missing = { error: MANIFEST_MISSING };

test.each<[words: string, steps: Step[], error: string]>([
  [
    "nowhere, as the registry does not know the model",
    [
      ["a", missing],
      ["b", missing],
      ["c", missing],
    ],
    "pull model manifest: file does not exist (failed on a, b, c; succeeded on no node)",
  ],
  [
    "on one node of three for the same reason, in longer words",
    [
      ["a", SUCCESS],
      ["b", { error: `node b: ${MANIFEST_MISSING}` }],
      ["c", missing],
    ],
    "pull model manifest: file does not exist (failed on b, c; succeeded on a)",
  ],
  [
    "for different reasons",
    [
      ["a", missing],
      ["b", { error: "no space left on device" }],
      ["c", SUCCESS],
    ],
    "failed on a (pull model manifest: file does not exist), b (no space left on device); succeeded on c",
  ],
  [
    "because a stream broke off",
    [
      ["a", SUCCESS],
      ["b", MANIFEST],
      ["b", "ends"],
      ["c", SUCCESS],
    ],
    "its answer ended before it was done (failed on b; succeeded on a, c)",
  ],
])("a pull that failed %s ends in one line that says so", (_, steps, error) => {
  expect(merged(["a", "b", "c"], ...steps)).toEqual([MANIFEST, { error }]);
});

test("nothing that comes after a node's end counts", () => {
  const lines = merged(
    ["a", "b"],
    ["a", SUCCESS],
    ["a", new Error("reset")],
    ["a", layer("aa", 1)],
    ["b", missing],
    ["b", SUCCESS],
    ["nobody", SUCCESS],
  );
  expect(lines).toEqual([MANIFEST, { error: `${MANIFEST_MISSING} (failed on b; succeeded on a)` }]);
});

test.each<[line: Record<string, unknown>]>([
  [{}],
  [{ status: 7 }],
  [{ status: null, digest: "sha256:aa" }],
  [{ error: { deep: true } }],
])("the strange line %j of a node is left out", (line) => {
  expect(merged(["a"], ["a", MANIFEST], ["a", line], ["a", SUCCESS])).toEqual([MANIFEST, SUCCESS]);
});

test("strange numbers count as none", () => {
  const strange = { ...layer("aa"), total: "100", completed: -5 };
  expect(merged(["a"], ["a", strange], ["a", layer("aa", 300)])).toEqual([
    MANIFEST,
    layer("aa", undefined, 0),
    layer("aa", 100),
  ]);
});

/** A node's stream: layers with any numbers, the phases, and one of the ways it can end. */
const script: fc.Arbitrary<(Record<string, unknown> | "ends" | Error)[]> = fc
  .tuple(
    fc.array(
      fc.tuple(
        fc.constantFrom("aa", "bb", "cc"),
        fc.option(fc.nat(120), { nil: undefined }),
        fc.constantFrom(0, 50, 100),
      ),
      { maxLength: 12 },
    ),
    fc.subarray([VERIFY, WRITE, REMOVE, { status: "something new" }, {}]),
    fc.constantFrom<(Record<string, unknown> | "ends" | Error)[]>(
      [SUCCESS, "ends"],
      [SUCCESS, new Error("reset after the end")],
      [missing, "ends"],
      [{ error: "no space left" }, new Error("reset")],
      ["ends"],
      [new Error("connection lost")],
    ),
  )
  .map(([layers, phases, end]) => [MANIFEST, ...layers.map((numbers) => layer(...numbers)), ...phases, ...end]);

/** Several nodes' streams in any interleaving that keeps each node's order. */
const story = fc
  .array(script, { minLength: 1, maxLength: 4 })
  .chain((scripts) => {
    const turns = scripts.flatMap((steps, node) => steps.map(() => node));
    return fc.tuple(fc.constant(scripts), fc.shuffledSubarray(turns, { minLength: turns.length }));
  })
  .map(([scripts, turns]) => {
    const ids = scripts.map((_, node) => `node-${node}`);
    const next = scripts.map(() => 0);
    const steps = turns.flatMap((node): Step[] => {
      const step = scripts[node]?.[next[node] ?? 0];
      next[node] = (next[node] ?? 0) + 1;
      return step === undefined ? [] : [[ids[node] ?? "", step]];
    });
    const succeeded = ids.filter((_, node) => scripts[node]?.includes(SUCCESS));
    return { ids, steps, succeeded };
  });

test("however the nodes' lines fall, no number goes back and there is one first and one last line", () => {
  fc.assert(
    fc.property(story, ({ ids, steps, succeeded }) => {
      const lines = merged(ids, ...steps);
      expect(lines[0]).toEqual(MANIFEST);
      const finals = lines.filter((line) => "error" in line || line.status === "success");
      expect(finals).toEqual(lines.slice(-1));

      const last = finals[0];
      if (succeeded.length === ids.length) expect(last).toEqual(SUCCESS);
      else if (last !== undefined && "error" in last) {
        const [failed = "", good = ""] = last.error.split("succeeded on ");
        for (const id of ids) expect(succeeded.includes(id) ? good : failed).toContain(id);
      } else expect(last).toHaveProperty("error");

      const sent = new Map<string, { total: number; completed: number }>();
      const said: string[] = [];
      for (const line of lines) {
        if ("error" in line) continue;
        if (line.digest === undefined) {
          said.push(line.status);
          continue;
        }
        const before = sent.get(line.digest) ?? { total: 0, completed: 0 };
        const now = { total: line.total ?? 0, completed: line.completed ?? 0 };
        expect(now.total).toBeGreaterThanOrEqual(before.total);
        expect(now.completed).toBeGreaterThanOrEqual(before.completed);
        expect(now.completed).toBeLessThanOrEqual(now.total);
        expect(line.completed).not.toBe(0);
        sent.set(line.digest, now);
      }
      expect(said).toEqual([...new Set(said)]);
      const phases = said.filter((status) => [VERIFY, WRITE, REMOVE].some((phase) => phase.status === status));
      const order = [VERIFY, WRITE, REMOVE].map(({ status }) => status);
      expect(phases).toEqual(order.filter((status) => phases.includes(status)));
      if (succeeded.length === ids.length) {
        for (const { total, completed } of sent.values()) expect(completed).toBe(total);
      }
    }),
    { numRuns: 500 },
  );
});
