/** What a node's state may follow from: random histories through registry, verdict and selection. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { NodeRecord } from "../fleet/node_record.ts";
import type { FailureKind } from "../policy/failover.ts";
import { choose } from "../policy/selection.ts";
import { createRequestLog } from "../request_log.ts";
import { type Fleet, fakeFleet, health } from "../testing/fake_fleet.ts";
import { jobFor, MODEL } from "../testing/job.ts";
import { LIMITS, placement } from "../testing/node_facts.ts";
import { failedAs } from "../testing/record.ts";
import { learnFromEnd, learnFromFailure } from "../verdict.ts";

const KINDS = ["success", "failure", "waited", "loss", "probe", "restart", "heartbeat", "4xx", "client left"] as const;
const FAILURES: readonly FailureKind[] = ["server_error", "stalled", "unreachable", "connection_lost", "truncated"];

interface Happening {
  readonly kind: (typeof KINDS)[number];
  readonly failure: FailureKind;
  /** Which of a few requests it is about. */
  readonly request: number;
  /** Milliseconds since the one before. */
  readonly wait: number;
  readonly reserve: boolean;
}

const history = fc.array(
  fc.record<Happening>({
    kind: fc.oneof(fc.constantFrom(...KINDS), fc.constantFrom("failure", "success", "probe")),
    failure: fc.constantFrom(...FAILURES),
    request: fc.nat(3),
    wait: fc.oneof(fc.nat(500), fc.nat(40_000)),
    reserve: fc.boolean(),
  }),
  { maxLength: 60 },
);

/** Node `a`, to which everything happens, beside `others`, which are heard of before every happening. */
function world(others: readonly string[] = []) {
  const fleet = fakeFleet();
  const log = createRequestLog({ clock: fleet.clock, keepPrompts: false, onFinish: () => {} });
  let seq = 0;
  let boot = 1;
  const beat = (id = "a") =>
    fleet.beat({ node_id: id, seq: ++seq, boot_id: id === "a" ? `boot-${boot}` : "boot-1", capabilities: ["ollama"] });
  beat();
  for (const id of others) beat(id);
  return {
    fleet,
    async happen({ kind, failure, request, wait }: Happening): Promise<void> {
      for (let left = wait; left > 0; left -= 5_000) {
        await fleet.clock.advance(Math.min(left, 5_000));
        fleet.registry.sweep();
      }
      for (const id of others) beat(id);
      const { registry } = fleet;
      const body = new TextEncoder().encode(`request ${request}`);
      const job = jobFor(log, { body });
      const answered = (status: number) => ({ nodeId: "a", answer: { status } });
      const sent = { atNode: 1, ms: 10 };
      switch (kind) {
        case "success":
          return learnFromEnd(job, answered(200), sent, { kind: "whole", end: null }, registry);
        case "4xx":
          return learnFromEnd(job, answered(400), sent, { kind: "whole", end: null }, registry);
        case "client left":
          return learnFromEnd(job, answered(200), sent, { kind: "client left", why: "it closed" }, registry);
        case "failure":
          return learnFromFailure(job, failed(failure), registry);
        case "waited": {
          const end = { kind: "done", promptTokens: 1, completionTokens: 1, slotWaitMs: 60_000 } as const;
          return learnFromEnd(job, answered(200), sent, { kind: "whole", end }, registry);
        }
        case "loss":
          return registry.lose("a", "silent");
        case "probe":
          return registry.healthy("a", health({ boot_id: `boot-${boot}` }));
        case "restart":
          boot++;
          beat();
          return;
        case "heartbeat":
          beat();
          return;
      }
    },
  };
}

const failed = (failure: FailureKind) => failedAs(failure, 502);

const request = () => ({ ...placement(), model: MODEL });
const place = ({ registry }: Fleet) => choose(registry.all(), request(), registry.now(), LIMITS);

type Kind = NodeRecord["trust"]["kind"];

/** Where each happening may lead from each state. What is not here leaves the state the very same. */
const ARROWS: Partial<Record<Happening["kind"], Record<Kind, readonly Kind[]>>> = {
  success: { admitted: ["admitted"], ejected: ["ejected"], trial: ["trial", "admitted"] },
  waited: { admitted: ["admitted"], ejected: ["ejected"], trial: ["trial", "admitted"] },
  failure: { admitted: ["admitted", "ejected"], ejected: ["ejected"], trial: ["trial", "ejected"] },
  loss: { admitted: ["ejected"], ejected: ["ejected"], trial: ["ejected"] },
  probe: { admitted: ["admitted"], ejected: ["ejected", "trial"], trial: ["trial", "admitted"] },
  restart: { admitted: ["admitted"], ejected: ["trial"], trial: ["trial"] },
};

test("no history leads along an arrow outside the table, and what says nothing of the node changes nothing", async () => {
  await fc.assert(
    fc.asyncProperty(history, async (happenings) => {
      const { fleet, happen } = world();
      for (const happening of happenings) {
        const { trust } = fleet.node();
        await happen(happening);
        // Forgotten after three minutes of silence: what follows, also at once, is another node.
        if (fleet.events.some(({ event }) => event === "removed")) return;
        const after = fleet.node();
        const arrows = ARROWS[happening.kind];
        if (arrows) expect(arrows[trust.kind]).toContain(after.trust.kind);
        else expect(after.trust).toBe(trust);
        if (happening.kind === "success") expect(after.trust.failures).toBe(0);
      }
    }),
    { numRuns: 400 },
  );
});

test("beside a healthy node every request is placed, and never at one that is ejected", async () => {
  await fc.assert(
    fc.asyncProperty(history, async (happenings) => {
      const { fleet, happen } = world(["healthy"]);
      const releases: (() => void)[] = [];
      for (const happening of happenings) {
        await happen(happening);
        // Its slots come free in time; what is asked here is whether anybody is trusted with the request.
        while (fleet.node("healthy").reserved >= 3) releases.shift()?.();
        const choice = place(fleet);
        if (choice.kind !== "node") throw new Error(`${choice.kind} beside a healthy node`);
        const { id, trust, reserved } = choice.node;
        expect(trust.kind).not.toBe("ejected");
        if (trust.kind === "trial") expect(reserved).toBe(0);
        if (happening.reserve) {
          const reservation = fleet.registry.reserve(id, MODEL);
          releases.push(() => reservation.release());
        }
      }
    }),
    { numRuns: 300 },
  );
});

test("one request that fails everywhere, twenty times beside good ones, ejects nobody", async () => {
  const { fleet, happen } = world();
  const about = { wait: 100, reserve: false } as const;
  for (let time = 0; time < 20; time++) {
    for (const failure of ["server_error", "connection_lost", "truncated"] as const) {
      await happen({ kind: "failure", failure, request: 0, ...about });
      expect(fleet.node().trust.kind).toBe("admitted");
    }
    await happen({ kind: "success", failure: "stalled", request: 1, ...about });
  }
});

test("the id that /jobs writes into a body makes no other request of it", () => {
  const fleet = fakeFleet();
  fleet.beat();
  const log = createRequestLog({ clock: fleet.clock, keepPrompts: false, onFinish: () => {} });
  const fail = (id: string, prompt: string) => {
    const body = new TextEncoder().encode(JSON.stringify({ prompt, job_id: id }));
    learnFromFailure(jobFor(log, { id, path: "/execute", body }), failed("server_error"), fleet.registry);
  };
  for (let time = 0; time < 20; time++) fail(`job-${time}`, "poison");
  expect(fleet.node().trust).toMatchObject({ kind: "admitted", failures: 20 });
  fail("job-20", "another");
  expect(fleet.node().trust.kind).toBe("ejected");
});
