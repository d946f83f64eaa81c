import { expect, test } from "bun:test";
import { ejected, onTrial } from "../testing/node_facts.ts";
import { newcomer } from "./ejection.ts";
import { type StatusFacts, statusOf } from "./node_status.ts";

const well: StatusFacts = {
  liveness: "fresh",
  intent: "serving",
  trust: newcomer(0),
  ollamaOk: true,
  dialable: true,
  unproven: false,
  reachable: true,
};

test.each<[what: string, changes: Partial<StatusFacts>, status: string, reason: string | null]>([
  ["serves", {}, "online", null],
  ["is stale only", { liveness: "stale" }, "online", null],
  ["is expired", { liveness: "expired" }, "offline", "no heartbeat"],
  ["is gone", { liveness: "gone" }, "offline", "no heartbeat"],
  ["has left", { intent: "left" }, "offline", "the agent was stopped"],
  ["is draining", { intent: "draining" }, "draining", "finishing its work before it stops"],
  ["cannot be dialled", { dialable: false }, "pending", "none of its addresses can be dialled"],
  ["was not found", { dialable: false, unproven: true }, "pending", "the hub does not find it at any of its addresses"],
  ["has no Ollama", { ollamaOk: false }, "pending", "its Ollama does not answer"],
  ["is ejected", { trust: ejected() }, "degraded", "3 failures in a row"],
  ["cannot be reached", { reachable: false }, "degraded", "it does not answer at any of its addresses"],
  ["is on trial", { trust: onTrial }, "degraded", "on trial after failures"],
])("a node that %s is shown as it is", (_, changes, status, reason) => {
  expect(statusOf({ ...well, ...changes })).toEqual({ status, reason } as ReturnType<typeof statusOf>);
});

test("of several words the most lasting one is shown", () => {
  const order: [Partial<StatusFacts>, string][] = [
    [{ intent: "left" }, "the agent was stopped"],
    [{ liveness: "expired" }, "no heartbeat"],
    [{ intent: "draining" }, "finishing its work before it stops"],
    [{ dialable: false }, "none of its addresses can be dialled"],
    [{ ollamaOk: false }, "its Ollama does not answer"],
    [{ trust: ejected() }, "3 failures in a row"],
    [{ reachable: false }, "it does not answer at any of its addresses"],
  ];
  for (const [index, [, reason]] of order.entries()) {
    const facts = Object.assign(
      {},
      well,
      ...order
        .slice(index)
        .map(([changes]) => changes)
        .toReversed(),
    ) as StatusFacts;
    expect(statusOf(facts).reason).toBe(reason);
  }
});
