import { expect, test } from "bun:test";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import type { NodeRecord } from "../fleet/node_record.ts";
import { MOST_ROUNDS, paceProofs } from "./paced_proofs.ts";

function paced() {
  const clock = fakeClock();
  const at: number[] = [];
  const there = new Set<NodeRecord>();
  const ask = paceProofs({ clock, prove: () => at.push(clock.now()), isThere: (node) => there.has(node) });
  const node = () => {
    const made = {} as NodeRecord;
    there.add(made);
    return made;
  };
  return { clock, at, there, ask, node };
}

test("a node that names other addresses with every heartbeat is asked a few times, and once more later", async () => {
  const hub = paced();
  const node = hub.node();
  for (let beat = 0; beat < 30; beat++) {
    hub.ask(node);
    await hub.clock.advance(100);
  }
  expect(hub.at).toEqual([0, 100, 200]);
  await hub.clock.advance(60_000);
  expect(hub.at).toEqual([0, 100, 200, 30_000]);
});

test("other nodes are asked meanwhile, and one that has gone is not", async () => {
  const hub = paced();
  const [noisy, other] = [hub.node(), hub.node()];
  for (let beat = 0; beat <= MOST_ROUNDS; beat++) hub.ask(noisy);
  hub.ask(other);
  expect(hub.at).toHaveLength(MOST_ROUNDS + 1);
  hub.there.delete(noisy);
  await hub.clock.advance(60_000);
  expect(hub.at).toHaveLength(MOST_ROUNDS + 1);
});
