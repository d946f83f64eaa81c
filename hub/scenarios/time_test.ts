/** Time: a hub that stood still forgets nobody, and what the wall clock says decides nothing. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import fc from "fast-check";
import { systemClock } from "../../shared/clock.ts";
import { modelKey } from "../../shared/model_name.ts";
import { startFleet } from "../../shared/testing/start_fleet.ts";
import { choose } from "../policy/selection.ts";
import { type Fleet, fakeFleet } from "../testing/fake_fleet.ts";
import { LIMITS } from "../testing/node_facts.ts";

const MODEL = modelKey("llama3");
const REQUEST = {
  model: MODEL,
  tried: new Set<string>(),
  needs: { capability: "execute", nodeId: null, slot: true },
  digest: null,
  waiting: 0,
} as const;

/** Silence that is not taken for standing still, in milliseconds: the registry is swept every second. */
const GAP_MS = 10_000;

test("however often and long the hub stands still, a node it knew before it knows afterwards, as fresh as it was", () => {
  const spell = fc.record({ awake: fc.nat(20), frozenMs: fc.integer({ min: GAP_MS + 1, max: 7 * 86_400_000 }) });
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(80), { minLength: 1, maxLength: 6 }),
      fc.array(spell, { maxLength: 6 }),
      async (silences, spells) => {
        const fleet = fakeFleet();
        // The first to report is the one that has been silent longest.
        const sorted = silences.toSorted((a, b) => b - a);
        for (const [index, silence] of sorted.entries()) {
          fleet.beat({ node_id: `n${index}` });
          await runFor(fleet, silence - (sorted[index + 1] ?? 0));
        }
        let awakeMs = 0;
        for (const { awake, frozenMs } of spells) {
          await runFor(fleet, awake);
          awakeMs += awake * 1000;
          await fleet.clock.advance(frozenMs);
          fleet.registry.sweep();
          const now = fleet.registry.now();
          for (const [index, silence] of sorted.entries()) {
            if (silence * 1000 + awakeMs >= LIMITS.goneMs) continue;
            expect(now - fleet.node(`n${index}`).lastHeardAt).toBe(silence * 1000 + awakeMs);
          }
        }
      },
    ),
    { numRuns: 200 },
  );
});

/** The hub at work for so many seconds: it sweeps every one. */
async function runFor(fleet: Fleet, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    await fleet.clock.advance(1000);
    fleet.registry.sweep();
  }
}

type Happening =
  | { readonly kind: "beat"; readonly node: string }
  | { readonly kind: "served"; readonly node: string }
  | { readonly kind: "failed"; readonly node: string }
  | { readonly kind: "lost"; readonly node: string }
  | { readonly kind: "rest"; readonly node: string }
  | { readonly kind: "time"; readonly seconds: number };

const node = fc.constantFrom("a", "b", "c");
const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({ kind: fc.constantFrom("beat", "served", "failed", "lost", "rest"), node }),
  fc.record({ kind: fc.constant("time" as const), seconds: fc.nat(100) }),
);

async function happen(fleet: Fleet, what: Happening): Promise<void> {
  const { registry } = fleet;
  switch (what.kind) {
    case "beat":
      fleet.beat({ node_id: what.node });
      return;
    case "served":
      return registry.succeeded(what.node, 100, MODEL);
    case "failed":
      return registry.failed(what.node, "it broke");
    case "lost":
      return registry.lose(what.node, "silent");
    case "rest":
      return registry.rest(what.node, 5_000);
    case "time":
      return runFor(fleet, what.seconds);
  }
}

/** Everything that is decided: who is there, in which state, who would get the next request. */
function decisions({ registry, events }: Fleet) {
  const nodes = Array.from(registry.all(), ({ lastSeen: _, lost: __, ...facts }) => ({ ...facts, losing: null }));
  const choice = choose(registry.all(), REQUEST, registry.now(), LIMITS);
  return { nodes, events, choice: choice.kind === "node" ? choice.node.id : choice.kind, now: registry.now() };
}

test("whatever steps the wall clock makes, everything is decided as without them", async () => {
  const step = fc.integer({ min: -366 * 86_400_000, max: 366 * 86_400_000 });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(happening, step), { maxLength: 25 }), async (happenings) => {
      const [steady, stepping] = [fakeFleet(), fakeFleet()];
      for (const [what, ms] of happenings) {
        stepping.clock.stepWall(ms);
        await happen(steady, what);
        await happen(stepping, what);
        expect(decisions(stepping)).toEqual(decisions(steady));
      }
    }),
    { numRuns: 100 },
  );
});

test("a hub whose wall clock jumps by hours at every look serves, measures and shows as any other", async () => {
  let jumps = 0;
  const clock = {
    ...systemClock,
    wall: () => new Date(Date.UTC(2026, 0, 1) + (jumps++ % 2 === 0 ? 1 : -1) * 5 * 3_600_000),
  };
  await using fleet = await startFleet({ hub: { clock } });
  for (let request = 0; request < 10; request++) {
    const answer = await fleet.hub.job({ model: "llama3", prompt: "hi" });
    expect(await answer.text()).toContain('"done":true');
  }
  for (const { status, failure_count } of (await fleet.hub.nodes()).values()) {
    expect([status, failure_count]).toEqual(["online", 0]);
  }
  const log = await fleet.hub.logs();
  expect(log).toHaveLength(10);
  for (const { duration_ms, queued_ms } of log) expect(duration_ms + queued_ms).toBeWithin(0, 30_000);
});

test("only the clock asks what time it is: no other file of hub, node or shared reads the wall clock", async () => {
  const root = join(import.meta.dir, "../..");
  const asking: string[] = [];
  for await (const path of new Bun.Glob("{hub,node,shared}/**/*.ts").scan(root)) {
    if (path.endsWith("_test.ts") || path.includes("/testing/")) continue;
    const text = await Bun.file(join(root, path)).text();
    if (/\bDate\.now\(|\bnew Date\(\)|\bDate\(\)/.test(text)) asking.push(path);
  }
  expect(asking).toEqual(["shared/clock.ts"]);
});
