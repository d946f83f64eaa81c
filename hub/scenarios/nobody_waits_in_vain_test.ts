/** Whatever becomes of nodes and requests, nobody waits for longer than a second where a look would find a place. */
import { expect, test } from "bun:test";
import { modelKey } from "../../shared/model_name.ts";
import { type HeartbeatBody, heartbeat } from "../../shared/protocol.ts";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { seededRandom } from "../../shared/testing/lab/seeded_random.ts";
import { createWaitingRoom, type Ticket } from "../capacity.ts";
import { createConversations } from "../conversations.ts";
import type { Job } from "../job.ts";
import { isChoosy, placement } from "../placement.ts";
import { ANYBODY } from "../policy/callers.ts";
import { LB_POLICIES, type LbPolicy } from "../policy/criteria.ts";
import { choose } from "../policy/selection.ts";
import { createRegistry } from "../registry.ts";
import { heartbeatBody } from "../testing/fake_fleet.ts";
import { LIMITS } from "../testing/node_facts.ts";

const MODELS = ["one", "two", "three"];
const NODES = ["a", "b", "c", "d"];
const SECOND = 1_000;
const NEVER = new AbortController().signal;

type Request = Pick<Job, "key" | "needs" | "continuity" | "caller" | "loadOptions">;

/** What of the request path matters to who waits: hub/dispatch.ts without the network, whose outcomes are chance. */
function open(policy: LbPolicy, seed: number) {
  const random = seededRandom(seed);
  const below = (limit: number) => random.whole(0, limit - 1);
  const one = random.pick;
  const clock = fakeClock();
  const waitingRoom = createWaitingRoom({ clock, size: 1000, timeoutMs: 120 * SECOND });
  const registry = createRegistry({
    clock,
    liveness: LIMITS,
    ejection: { maxFailures: 3 },
    ipPreference: "ipv6",
    onCapacity: (node) => waitingRoom.wake(node?.models),
  });
  const conversations = createConversations(registry);
  const hub = { policy, registry, waitingRoom, conversations };
  const reports = new Map<string, Partial<HeartbeatBody>>(NODES.map((id) => [id, {}]));
  const waiting = new Map<Request, () => string>();

  function report(id: string, changes: Partial<HeartbeatBody> = {}): void {
    const body = { ...reports.get(id), ...changes };
    reports.set(id, body);
    registry.heartbeat(heartbeat.parse(heartbeatBody({ ...body, node_id: id })), null);
  }

  /** New models, slots, an agent of another version, an Ollama that goes or a node that drains. */
  function change(id: string): void {
    const models = MODELS.filter(() => random.chance(0.7));
    const digest = one(["x", "y"]);
    const tags = models.map((name) => ({ name, digest, size: 4e9, modified_at: "" }));
    const loaded = models.filter(() => random.chance(0.5));
    report(id, { models, tags, loaded });
    if (random.chance(0.3))
      report(id, { slots: 1 + below(3), capabilities: one([["execute"], ["execute", "ollama"]]) });
    if (random.chance(0.3)) report(id, { intent: one(["serving", "draining"]), ollama: { ok: random.chance(0.7) } });
  }

  const someRequest = (): Request => ({
    key: modelKey(one(MODELS)),
    needs: { capability: one(["execute", "ollama"]), nodeId: random.chance(0.1) ? one(NODES) : null, slot: true },
    continuity: one([
      { kind: "none" },
      { kind: "always the same" },
      { kind: "conversation", id: one(["first", "second"]), begun: random.chance(0.7) },
    ]),
    loadOptions: one(["", "", "num_ctx 8192"]),
    caller: { ...ANYBODY, id: one(["p", "q"]), turn: one(["u", "v"]) },
  });

  async function serve(request: Request): Promise<void> {
    const tried = new Set<string>();
    let [waitedMs, failures] = [0, 0];
    let ticket: Ticket | null = null;
    while (failures < 3) {
      const look = (more = 0) => {
        const history = { tried, accepted: ticket !== null || failures > 0, waitedMs: waitedMs + more };
        const placed = placement(request, hub, history);
        return { placed, choice: choose(registry.having(request.key), placed, clock.now(), LIMITS) };
      };
      const { placed, choice } = look();
      if (choice.kind === "none") break;
      if (choice.kind === "wait" || (ticket === null && waitingRoom.hasWaiters(request.key))) {
        const letIn = failures > 0;
        ticket ??= waitingRoom.enter(request.key, NEVER, { front: letIn, letIn, waitedMs, caller: request.caller });
        const since = clock.now();
        waiting.set(request, () => look(clock.now() - since).choice.kind);
        const declines = choice.kind === "wait" && choice.leavesFree;
        const turn = await ticket?.turn(declines || isChoosy(placed, registry.having(request.key)));
        waiting.delete(request);
        waitedMs += clock.now() - since;
        if (turn !== "look") break;
        continue;
      }
      const { id } = choice.node;
      const reservation = registry.reserve(id, request.key, true, "", request.loadOptions);
      ticket?.leave();
      ticket = null;
      const firstMs = below(5 * SECOND);
      await new Promise<void>((resolve) => clock.after(firstMs, resolve));
      const isServed = random.chance(0.8);
      if (isServed) {
        reservation.answered(firstMs);
        conversations.servedBy(request, choice.node);
        const ms = below(10 * SECOND);
        await new Promise<void>((resolve) => clock.after(ms, resolve));
        registry.succeeded(id, ms, request.key);
      } else {
        const failed = () => registry.failed(id, "reset", String(failures));
        const unfit = () => registry.unfit(id, request.key, request.loadOptions);
        one([failed, unfit, () => registry.rest(id, 2 * SECOND)])();
        tried.add(id);
        failures++;
      }
      reservation.release();
      if (isServed) break;
    }
    ticket?.leave();
  }

  return { random, below, one, clock, registry, waitingRoom, waiting, report, change, someRequest, serve };
}

test.each(LB_POLICIES)("%s: a look of who waits finds nothing that it has not been told of", async (policy) => {
  for (let seed = 1; seed <= 40; seed++) {
    const { random, below, one, clock, registry, waitingRoom, waiting, report, change, someRequest, serve } = open(
      policy,
      seed,
    );
    for (const id of NODES) change(id);
    const served: Promise<void>[] = [];
    for (let step = 0; step < 200; step++) {
      for (let requests = below(3); requests > 0; requests--) served.push(serve(someRequest()));
      if (random.chance(0.3)) change(one(NODES));
      if (random.chance(0.2)) registry.healthy(one(NODES), { status: "ok", node_id: one(NODES) });
      await clock.advance(SECOND);
      for (const id of NODES) if (random.chance(0.05)) report(id);
      registry.sweep();
      // Whoever is woken looks, and may wake the next.
      for (let turns = 0; turns < 5 * waiting.size + 5; turns++) await null;
      expect(Array.from(waiting.values(), (look) => look())).not.toContain("node");
    }
    for (let seconds = 0; seconds < 200; seconds++) {
      for (const id of NODES) report(id, { intent: "serving", ollama: { ok: true } });
      await clock.advance(SECOND);
      registry.sweep();
    }
    await Promise.all(served);
    expect(waitingRoom.length).toBe(0);
    expect(Array.from(registry.all(), ({ reserved }) => reserved)).toEqual(NODES.map(() => 0));
  }
});
