/** One request that fails wherever it goes takes no node down with it. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { afterFailure, afterSuccess, newcomer, type Trust } from "./ejection.ts";

/** A request by its hash, null for a failure of the node's own, "ok" for a success. */
type Outcome = "ok" | "poison" | "other" | null;

function play(maxFailures: number, ...outcomes: Outcome[]): Trust {
  return outcomes.reduce<Trust>(
    (trust, outcome, now) =>
      outcome === "ok"
        ? afterSuccess(trust, now)
        : afterFailure(trust, { reason: "reset", request: outcome }, now, { maxFailures }),
    newcomer(0),
  );
}

const times = (count: number, ...outcomes: Outcome[]) => Array<Outcome[]>(count).fill(outcomes).flat();

test.each<[what: string, outcomes: Outcome[], kind: Trust["kind"]]>([
  ["the same request twenty times", times(20, "poison"), "admitted"],
  ["the same request every other time", times(20, "ok", "poison"), "admitted"],
  ["the same request nine times of ten", times(20, "ok", ...times(9, "poison")), "admitted"],
  ["one request and then another", ["poison", "poison", "other"], "ejected"],
  ["one request often and then another once", [...times(20, "poison"), "other"], "ejected"],
  ["two requests with a success between", ["poison", "poison", "ok", "other", "other"], "admitted"],
  ["one request, and a connection refused among its failures", ["poison", null, "poison"], "ejected"],
  ["two requests every other time", times(5, "poison", "ok", "other", "ok"), "ejected"],
  ["nothing but refused connections", [null, null, null], "ejected"],
])("after %s the node is as it should be", (_, outcomes, kind) => {
  expect(play(3, ...outcomes).kind).toBe(kind);
});

test("every failure is counted and shown all the same", () => {
  expect(play(3, ...times(20, "poison")).failures).toBe(20);
});

test("with NODE_MAX_FAILURES=1 one failure is enough, whatever it was", () => {
  expect(play(1, "poison").kind).toBe("ejected");
});

test("whatever succeeds beside it, failures of one request never eject", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom<Outcome>("ok", "poison"), { maxLength: 200 }), (outcomes) => {
      expect(play(3, ...outcomes).kind).toBe("admitted");
    }),
  );
});
