/**
 * One simulation: the hub's own registry, waiting room and policy in virtual time, before simulated machines. What stands
 * here instead of hub/dispatch.ts is its loop without the network: see, choose, wait or reserve, send, learn.
 */
import { loadOptionsOf } from "../../../hub/api/load_options.ts";
import { createWaitingRoom, type Ticket } from "../../../hub/capacity.ts";
import { type Continuity, createConversations } from "../../../hub/conversations.ts";
import type { Reservation } from "../../../hub/fleet/reservation.ts";
import { placement } from "../../../hub/placement.ts";
import { slotWaitMs } from "../../../hub/policy/learned_slots.ts";
import { createRegistry, type Registry } from "../../../hub/registry.ts";
import { LIMITS } from "../../../hub/testing/node_facts.ts";
import { modelKey } from "../../model_name.ts";
import { heartbeat } from "../../protocol.ts";
import { seededRandom } from "../lab/seeded_random.ts";
import { createMachine, type Machine, type Work, type WorkTimes } from "./machine.ts";
import { type Ended, type Outcome, PATIENCE_MS } from "./outcome.ts";
import type { Policy } from "./policies.ts";
import { type Arrival, arrivals, followUp, type Scenario } from "./scenario.ts";
import { type VirtualClock, virtualClock } from "./virtual_clock.ts";

/** The hub's defaults. */
const QUEUE_SIZE = 512;
const MAX_FAILURES = 3;
const HEARTBEAT_MS = 30_000;
/** An agent looks at its Ollama so often, and reports at once what has changed in memory. */
const LOOK_MS = 5_000;
const PROBE_MS = 3_000;
const SWEEP_MS = 1_000;
/** Part of the requests that come by Ollama's own routes, whose answers end with durations. The others' tell none. Ours. */
const NATIVE_SHARE = 0.5;
/** Ratio by which a reported processor load strays. */
const CPU_NOISE = 0.05;

export interface RunOptions {
  readonly scenario: Scenario;
  readonly policy: Policy;
  readonly seed: number;
  /** Overrides machine.ts's, for a test with a known answer. */
  readonly serialShare?: number;
  /** Instead of the scenario's. */
  readonly arrivals?: readonly Arrival[];
}

/** What a policy sees besides the registry's records. */
export interface Fleet {
  readonly clock: VirtualClock;
  readonly registry: Registry;
  readonly machines: ReadonlyMap<string, Machine>;
  readonly random: () => number;
}

interface Open {
  readonly work: Work;
  readonly arrival: Arrival;
  readonly arrivedAt: number;
  readonly native: boolean;
  firstMs: number | null;
  sent: { readonly at: number; readonly nodeId: string; readonly reservation: Reservation } | null;
  over: boolean;
}

/** Plays `scenario` to its end. The same options bring the same outcome. */
export async function run(options: RunOptions): Promise<Outcome> {
  const { scenario, seed, serialShare } = options;
  const random = seededRandom(seed);
  const clock = virtualClock();
  const room = createWaitingRoom({ clock, size: QUEUE_SIZE, timeoutMs: PATIENCE_MS });
  const registry = createRegistry({
    clock,
    liveness: LIMITS,
    ejection: { maxFailures: MAX_FAILURES },
    ipPreference: "ipv6",
    onCapacity: (node) => room.wake(node?.models),
  });
  const conversations = createConversations(registry);
  const hub = { policy: "first-token", registry, waitingRoom: room, conversations } as const;
  const machines = new Map<string, Machine>();
  const chance = random.fork("policy");
  const policy = options.policy.open({ clock, registry, machines, random: chance.next });
  const open = new Map<number, Open>();
  const ended: Ended[] = [];
  const natives = random.fork("natives");
  /** Rises whenever a request that waited goes on, so that settle() knows when all of them have. */
  let steps = 0;
  let expected = 0;
  let lastArrival = 0;

  const byDevice = new Map(scenario.machines.map(({ id }, index) => [id, index]));
  for (const spec of scenario.machines) machines.set(spec.id, createMachine(spec, eventsOf(spec.id), serialShare));
  const cancels = new Map<string, () => void>();

  function eventsOf(nodeId: string) {
    return {
      firstToken(work: Work) {
        const request = open.get(work.id);
        if (!request?.sent) return;
        const now = clock.now();
        request.firstMs = now - request.arrivedAt;
        request.sent.reservation.answered(now - request.sent.at);
        const node = registry.get(nodeId);
        if (node) conversations.servedBy({ key: modelKey(work.model), continuity: continuityOf(work) }, node);
      },
      ended(work: Work, times: WorkTimes) {
        const request = open.get(work.id);
        if (!request?.sent) return;
        const { sent } = request;
        sent.reservation.release();
        const ms = clock.now() - sent.at;
        registry.succeeded(nodeId, ms, modelKey(work.model));
        if (request.native) {
          const waitMs = slotWaitMs({
            total_duration: times.totalMs * 1e6,
            load_duration: times.loadMs * 1e6,
            prompt_eval_duration: times.promptMs * 1e6,
            eval_duration: times.answerMs * 1e6,
          });
          if (waitMs !== null) {
            registry.waitedForSlot(nodeId, { waitMs, totalMs: ms, atNode: sent.reservation.atNode });
          }
        }
        end(request, "served");
        const next = followUp(request.arrival, clock.now());
        if (next) comes(next);
      },
    };
  }

  function end(request: Open, kind: Ended["kind"]): void {
    if (request.over) return;
    request.over = true;
    open.delete(request.work.id);
    const { work, arrivedAt, firstMs, sent } = request;
    ended.push({ id: work.id, arrivedAt, kind, firstMs, nodeId: sent?.nodeId ?? null });
  }

  /** The machine's next event becomes the clock's. */
  function wind(machine: Machine): void {
    const { id } = machine.spec;
    cancels.get(id)?.();
    const next = machine.nextAt();
    if (next === null) return;
    cancels.set(
      id,
      clock.after(next - clock.now(), () => {
        machine.advance(clock.now());
        wind(machine);
      }),
    );
  }

  function comes(arrival: Arrival): void {
    const id = expected++;
    clock.after(arrival.at - clock.now(), () => {
      lastArrival = Math.max(lastArrival, clock.now());
      const { demand, promptTokens, knownTokens, outputTokens, conversation } = arrival;
      const { model, context } = demand;
      const work: Work = { id, model, context, promptTokens, knownTokens, outputTokens, conversation };
      const request: Open = {
        work,
        arrival,
        arrivedAt: clock.now(),
        native: natives.chance(NATIVE_SHARE),
        firstMs: null,
        sent: null,
        over: false,
      };
      open.set(id, request);
      clock.after(PATIENCE_MS, () => giveUp(request));
      void serve(request);
    });
  }

  function giveUp(request: Open): void {
    // Who waits in the room leaves it by its own time limit, which is the same.
    if (request.over || request.firstMs !== null || request.sent === null) return;
    const { at, nodeId, reservation } = request.sent;
    const machine = machines.get(nodeId);
    machine?.cancel(request.work.id, clock.now());
    end(request, "gave up");
    reservation.unanswered(clock.now() - at);
    reservation.release();
    if (machine) wind(machine);
  }

  /** What hub/dispatch.ts does, as far as it is not the network. */
  async function serve(request: Open): Promise<void> {
    const { work } = request;
    const model = modelKey(work.model);
    const loadOptions = loadOptionsOf(work.context === null ? {} : { num_ctx: work.context });
    const job = { key: model, needs: NEEDS, continuity: continuityOf(work), loadOptions };
    let ticket: Ticket | null = null;
    for (;;) {
      const history = { tried: NONE_TRIED, accepted: ticket !== null, waitedMs: clock.now() - request.arrivedAt };
      const choice = policy.choose(placement(job, hub, history), work);
      if (choice.kind === "none") {
        ticket?.leave();
        return end(request, "refused");
      }
      if (choice.kind === "wait" || (ticket === null && policy.queues && room.hasWaiters(model))) {
        ticket ??= room.enter(model, NEVER);
        if (ticket === null) return end(request, "refused");
        const turn = await ticket.turn(choice.kind === "wait" && choice.leavesFree);
        steps++;
        if (turn === "look") continue;
        ticket.leave();
        return end(request, "gave up");
      }
      const { node } = choice;
      const reservation = registry.reserve(node.id, model, true, String(work.id), loadOptions);
      ticket?.leave();
      request.sent = { at: clock.now(), nodeId: node.id, reservation };
      const machine = machines.get(node.id);
      if (!machine) throw new Error(`no machine ${node.id}`);
      machine.submit(work, clock.now());
      wind(machine);
      return;
    }
  }

  function startAgent(machine: Machine): void {
    const { spec } = machine;
    const noise = random.fork(`agent ${spec.id}`);
    const index = byDevice.get(spec.id) ?? 0;
    let told = "";
    let due = 0;
    const look = () => {
      clock.after(LOOK_MS, look);
      const loaded = machine.loaded();
      const news = loaded.join() !== told;
      if (!news && clock.now() < due) return;
      told = loaded.join();
      due = clock.now() + HEARTBEAT_MS * (1 - 0.1 * noise.next()) - LOOK_MS / 2;
      const busy = spec.cpuOnly ? Math.min(1, machine.active) : 0.15 * Math.min(1, machine.active);
      const cpu = Math.min(1, Math.max(0, 0.05 + 0.9 * busy + noise.between(-CPU_NOISE, CPU_NOISE)));
      registry.heartbeat(
        {
          ...heartbeat.parse({ node_id: spec.id, ipv4: `192.0.2.${index + 1}`, ipv6: null, port: 8001, models: [] }),
          models: spec.models.map(({ name }) => name),
          tags: spec.models.map(({ name, gb }) => ({ name, digest: name, size: gb * 1e9, modified_at: "" })),
          slots: spec.slots,
          loaded,
          load: { cpu, memory: 0.5 },
          capabilities: ["execute", "ollama"],
        },
        null,
      );
    };
    look();
    // Not all in the same instant afterwards.
    due += noise.between(0, HEARTBEAT_MS) - HEARTBEAT_MS;
    const probe = () => {
      clock.after(PROBE_MS, probe);
      const loading = machine.loading();
      if ((registry.get(spec.id)?.reserved ?? 0) === 0) return;
      registry.healthy(spec.id, { status: "ok", node_id: spec.id, loading: loading === null ? [] : [loading] });
    };
    clock.after(noise.between(0, PROBE_MS), probe);
  }

  /** Lets all who were woken look, and those whom they wake. */
  async function settle(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; ) {
      const before = steps;
      await null;
      quiet = steps === before ? quiet + 1 : 0;
    }
  }

  for (const machine of machines.values()) startAgent(machine);
  const sweep = () => {
    clock.after(SWEEP_MS, sweep);
    registry.sweep();
  };
  sweep();
  for (const arrival of options.arrivals ?? arrivals(scenario.traffic, random)) comes(arrival);
  while (ended.length < expected) {
    if (!clock.step(Number.POSITIVE_INFINITY)) throw new Error("nothing happens any more, and requests are open");
    if (room.length > 0) await settle();
  }
  const nodes = Array.from(machines.values(), ({ spec, loads, done }) => ({
    id: spec.id,
    loads,
    utilization: done / clock.now(),
  }));
  return { ended, nodes, durationMs: lastArrival };
}

/** Microtasks in a row in which nothing happens: more than lie between a waiter's turn and its next look. */
const QUIET_TURNS = 5;
const NEVER = new AbortController().signal;
const NONE_TRIED: ReadonlySet<string> = new Set();
const NEEDS = { capability: "ollama", nodeId: null, slot: true } as const;

function continuityOf({ conversation, knownTokens }: Work): Continuity {
  if (conversation === null) return { kind: "none" };
  return { kind: "conversation", id: String(conversation), begun: knownTokens > 0 };
}
