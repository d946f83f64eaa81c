import { expect, test } from "bun:test";
import fc from "fast-check";
import { ANY_MODEL, modelKey } from "../../shared/model_name.ts";
import { fakeFleet } from "../testing/fake_fleet.ts";

const NAMES = ["llama3", "mistral", "phi3"];

test("whatever nodes say, forget and leave, those that have a model are those whose list has it", async () => {
  const step = fc.record({
    node: fc.constantFrom("a", "b", "c"),
    models: fc.subarray(NAMES),
    kind: fc.constantFrom("beat", "beat", "listed", "forget", "silence"),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const { registry, beat, clock } = fakeFleet();
      for (const { node, models, kind } of steps) {
        if (kind === "beat") beat({ node_id: node, models });
        else if (kind === "forget") registry.forget(node);
        else if (kind === "silence") {
          await clock.advance(200_000);
          registry.sweep();
        } else {
          const tags = models.map((name) => ({ name, digest: name, size: 1, modified_at: "" }));
          registry.listed(node, tags, null);
        }
        const all = Array.from(registry.all());
        expect([...registry.having(ANY_MODEL)]).toEqual(all);
        for (const name of NAMES) {
          const key = modelKey(name);
          const having = registry.having(key).map(({ id }) => id);
          expect(having.toSorted()).toEqual(
            all
              .filter(({ models }) => models.has(key))
              .map(({ id }) => id)
              .toSorted(),
          );
        }
      }
    }),
    { numRuns: 200 },
  );
});

test.each([
  ["does not say what is in memory", false],
  ["says that all are in memory", true],
])("a node with thousands of models that %s holds up nobody", (_, knowsLoaded) => {
  const { registry, beat } = fakeFleet();
  const models = Array.from({ length: 8_000 }, (_, index) => `m${index}`);
  beat({ models, ...(knowsLoaded && { loaded: models }) });
  expect(registry.crowd(modelKey("m7999")).warm.length).toBe(1);
  const began = performance.now();
  for (let times = 0; times < 50; times++) registry.reserve("a").release();
  expect(performance.now() - began).toBeLessThan(500);
});
