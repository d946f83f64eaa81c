import { expect, test } from "bun:test";
import { createCallerTurns } from "./caller_turns.ts";

const a = { id: "a", weight: 1 };
const b = { id: "b", weight: 1 };

/** Serves whoever is first `times` times, all of them wanting more, and counts. */
function serve(turns: ReturnType<typeof createCallerTurns>, callers: readonly (typeof a)[], times: number) {
  const counts = new Map<string, number>();
  for (let time = 0; time < times; time++) {
    const [first] = callers.toSorted((one, other) => turns.of(one) - turns.of(other));
    if (!first) break;
    turns.served(first);
    counts.set(first.id, (counts.get(first.id) ?? 0) + 1);
  }
  return Object.fromEntries(counts);
}

test("callers take turns", () => {
  expect(serve(createCallerTurns(), [a, b], 10)).toEqual({ a: 5, b: 5 });
});

test("a weight of three gives three turns for one", () => {
  expect(serve(createCallerTurns(), [a, { id: "b", weight: 3 }], 40)).toEqual({ a: 10, b: 30 });
});

test("who comes after a hundred turns of another is next, and gets no hundred in a row", () => {
  const turns = createCallerTurns();
  serve(turns, [a], 100);
  expect(turns.of(b)).toBeLessThan(turns.of(a));
  expect(serve(turns, [a, b], 10)).toEqual({ a: 5, b: 5 });
});

test("callers that come once are not remembered for ever, and the last one's turn is", () => {
  const turns = createCallerTurns();
  turns.served(a);
  for (let number = 0; number < 1_000; number++) turns.served({ id: String(number), weight: 1 });
  expect(turns.of(a)).toBe(turns.of(b));
  expect(turns.of({ id: "999", weight: 1 })).toBeGreaterThan(turns.of(b));
});
