/** What a look at very many nodes begins with is what the nodes are, whatever has happened to them. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { modelKey } from "../../shared/model_name.ts";
import { lookAround } from "../policy/crowd.ts";
import { fakeFleet, health } from "../testing/fake_fleet.ts";
import { LIMITS, placement } from "../testing/node_facts.ts";
import { compareLoad } from "./load_order.ts";
import type { NodeRecord } from "./node_record.ts";
import type { Reservation } from "./reservation.ts";

const NAMES = ["llama3", "mistral", "phi3"];
const names = (nodes: Iterable<NodeRecord>) => Array.from(nodes, ({ id }) => id).toSorted();

const step = fc.record({
  node: fc.constantFrom("a", "b", "c", "d"),
  models: fc.subarray(NAMES),
  loaded: fc.option(fc.subarray(NAMES), { nil: null }),
  slots: fc.integer({ min: 1, max: 3 }),
  cpu: fc.constantFrom(0, 0.5),
  boot: fc.constantFrom("one", "one", "two", "three"),
  kind: fc.constantFrom(
    ...["beat", "beat", "beat", "listed", "reserve", "reserve", "answered", "release", "probe", "fail", "well"],
    ...["slow", "forget", "silence"],
  ),
});

test("whatever happens to nodes, the free ones, those with the model in memory and their order are as they are", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
      const { registry, beat, clock } = fakeFleet();
      const held: Reservation[] = [];
      for (const { node, models, loaded, slots, cpu, boot, kind } of steps) {
        const model = modelKey(models[0] ?? "llama3");
        if (kind === "beat") beat({ node_id: node, models, loaded, slots, load: { cpu, memory: 0 }, boot_id: boot });
        else if (kind === "listed") {
          const tags = models.map((name) => ({ name, digest: name, size: 1, modified_at: "" }));
          const ps = (loaded ?? []).map((name) => ({ name, digest: name, size: 1, size_vram: 1, expires_at: "" }));
          registry.listed(node, tags, loaded && ps);
        } else if (kind === "reserve") held.push(registry.reserve(node, model, true, String(held.length)));
        else if (kind === "answered") held[slots]?.answered(100);
        else if (kind === "release") held.shift()?.release();
        else if (kind === "probe") registry.healthy(node, health({ node_id: node, boot_id: boot, loading: models }));
        else if (kind === "fail") registry.failed(node, "it broke");
        else if (kind === "well") registry.succeeded(node, 100, model);
        else if (kind === "slow") registry.waitedForSlot(node, { waitMs: 900, totalMs: 1000, atNode: slots });
        else if (kind === "forget") registry.forget(node);
        else {
          void clock.advance(200_000);
          registry.sweep();
        }
        const all = Array.from(registry.all());
        for (const key of NAMES.map(modelKey)) {
          const { holders, warm, free, leastBusy } = registry.crowd(key);
          const having = all.filter(({ models }) => models.has(key));
          expect(names(holders)).toEqual(names(having));
          const isWarm = (node: NodeRecord) =>
            !node.knowsLoaded || node.loaded.has(key) || node.loadingSince.has(key) || node.remote.has(key);
          expect(names(warm)).toEqual(names(having.filter(isWarm)));
          expect(names(free)).toEqual(names(all.filter(({ reserved, slots }) => reserved < slots)));
          expect(Array.from(leastBusy(), ({ id }) => id)).toEqual(all.toSorted(compareLoad).map(({ id }) => id));
        }
      }
    }),
    { numRuns: 300 },
  );
});

test("in a fleet of a thousand that is full the slot that is given back is found", () => {
  const { registry, beat } = fakeFleet();
  const model = modelKey("llama3");
  const look = () => lookAround(registry.crowd(model), placement(), registry.now(), LIMITS).choice;
  for (let index = 0; index < 1000; index++) beat({ node_id: `n${index}`, slots: 1 });
  const taken = new Map<string, Reservation>();
  for (let choice = look(); choice.kind === "node"; choice = look()) {
    taken.set(choice.node.id, registry.reserve(choice.node.id, model));
  }
  expect(taken.size).toBe(1000);
  expect(look().kind).toBe("wait");
  taken.get("n700")?.release();
  expect(look()).toMatchObject({ kind: "node", node: { id: "n700" } });
});
