/** The waiting room over random sequences of what may happen: nobody is forgotten, nobody overtakes, the count is exact. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { ANY_MODEL } from "../shared/model_name.ts";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import { createWaitingRoom, type Ticket, type WaitingRoom } from "./capacity.ts";
import { ANYBODY } from "./policy/callers.ts";

const SECOND = 1000;
const TIMEOUT_MS = 120 * SECOND;

/** One of the fleet's requests, as dispatch goes about it. */
interface Client {
  readonly number: number;
  readonly model: string;
  /** Who asks, and for which of its users: `key user`. */
  readonly caller: string;
  /** The node it cannot use, because it was there already, or another one is asked for. */
  readonly avoids: number | null;
  /** It was placed before, so it goes before the rest. */
  readonly front: boolean;
  readonly arrivedAt: number;
  readonly abort: AbortController;
  state: "waiting" | "placed" | "refused" | "left" | "timeout";
  endedAt: number;
}

type Command =
  | {
      readonly kind: "arrive";
      readonly model: string;
      readonly caller: string;
      readonly avoids: number | null;
      readonly front: boolean;
    }
  | { readonly kind: "free"; readonly node: number }
  | { readonly kind: "free both" }
  | { readonly kind: "abort"; readonly which: number }
  | { readonly kind: "wake" }
  | { readonly kind: "time passes"; readonly ms: number };

/** What there is to see after a command has settled. */
interface State {
  readonly clients: readonly Client[];
  readonly waiting: readonly Client[];
  readonly free: readonly number[];
  readonly room: WaitingRoom;
  readonly now: number;
  /** A client that took a place which one before it in its queue could have used. */
  readonly overtaken: readonly [by: Client, who: Client][];
}

/** Plays commands against a waiting room as the request path uses it. */
async function play(commands: readonly Command[], size: number, check: (state: State) => void): Promise<void> {
  const clock = fakeClock();
  const room = createWaitingRoom({ clock, size, timeoutMs: TIMEOUT_MS });
  const free = [0, 0];
  const clients: Client[] = [];
  /** The order in which they should be served, by model. */
  const order = new Map<string, Client[]>();
  const overtaken: [Client, Client][] = [];
  const callerOf = (turn: string) => ({ ...ANYBODY, id: turn.split(" ")[0] ?? "", turn, weight: WEIGHTS[turn] ?? 1 });
  const usable = (client: Client) => free.findIndex((slots, node) => slots > 0 && node !== client.avoids);

  function end(client: Client, state: Client["state"]): void {
    client.state = state;
    client.endedAt = clock.now();
    const queue = order.get(client.model) ?? [];
    order.set(
      client.model,
      queue.filter((each) => each !== client),
    );
  }

  async function serve(client: Client): Promise<void> {
    let ticket: Ticket | null = null;
    for (;;) {
      const node = usable(client);
      if (node < 0 || (ticket === null && room.hasWaiters(client.model))) {
        if (ticket === null) {
          const queue = order.get(client.model) ?? [];
          order.set(client.model, client.front ? [client, ...queue] : [...queue, client]);
          const { front, caller } = client;
          ticket = room.enter(client.model, client.abort.signal, { front, letIn: front, caller: callerOf(caller) });
          if (ticket === null) return end(client, "refused");
          const alone = clients.every((other) => other.caller === caller);
          if (alone || front) expect(ticket.position).toBe(front ? 1 : queue.length + 1);
        }
        const turn = await ticket.turn(client.avoids !== null);
        if (turn === "look") continue;
        end(client, turn === "left" ? "left" : "timeout");
        ticket.leave();
        return;
      }
      free[node] = (free[node] ?? 0) - 1;
      const queue = order.get(client.model) ?? [];
      // Callers take turns: order is among the requests of one user of one caller, and those that were placed before.
      const before = queue
        .slice(0, Math.max(0, queue.indexOf(client)))
        .filter((each) => each.front || each.caller === client.caller);
      for (const each of before) if (each.avoids !== node && !each.abort.signal.aborted) overtaken.push([client, each]);
      end(client, "placed");
      ticket?.leave();
      return;
    }
  }
  function give(node: number): void {
    free[node] = (free[node] ?? 0) + 1;
    room.wake();
  }
  const waiting = () => clients.filter(({ state }) => state === "waiting");

  for (const command of commands) {
    switch (command.kind) {
      case "arrive": {
        const { model, caller, avoids, front } = command;
        const number = clients.length;
        const abort = new AbortController();
        const now = clock.now();
        const client: Client = {
          number,
          model,
          caller,
          avoids,
          front,
          arrivedAt: now,
          abort,
          state: "waiting",
          endedAt: 0,
        };
        clients.push(client);
        void serve(client);
        break;
      }
      case "free":
        give(command.node);
        break;
      case "free both":
        give(0);
        give(1);
        break;
      case "abort":
        waiting()[command.which % Math.max(1, waiting().length)]?.abort.abort();
        break;
      case "wake":
        room.wake();
        break;
      case "time passes":
        await clock.advance(command.ms);
    }
    await clock.advance(0);
    check({ clients, waiting: waiting(), free, room, now: clock.now(), overtaken });
  }
  // Whatever happened, after the longest wait nobody is left, and nothing of theirs.
  await clock.advance(TIMEOUT_MS);
  expect(waiting()).toEqual([]);
  expect([room.length, room.queues(), clock.pending]).toEqual([0, [], 0]);
}

const commandsWith = (
  avoids: fc.Arbitrary<number | null>,
  front: fc.Arbitrary<boolean>,
  caller: fc.Arbitrary<string> = fc.constant("a"),
): fc.Arbitrary<Command[]> =>
  fc.array(
    fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          kind: fc.constant("arrive" as const),
          model: fc.constantFrom("m", "n"),
          caller,
          avoids,
          front,
        }),
      },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant("free" as const), node: fc.nat(1) }) },
      { weight: 1, arbitrary: fc.constant({ kind: "free both" as const }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("abort" as const), which: fc.nat(20) }) },
      { weight: 1, arbitrary: fc.constant({ kind: "wake" as const }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("time passes" as const), ms: fc.nat(90 * SECOND) }) },
    ),
    { maxLength: 60 },
  );

/** One of them counts for two. */
const WEIGHTS: Readonly<Record<string, number>> = { b: 2 };
const anyCaller = fc.constantFrom("a", "a", "b", "c one", "c two");
const anyAvoids = fc.constantFrom(null, null, 0, 1);

test("whatever comes and goes, nobody waits beside a free slot it could use, and the count is exact", async () => {
  await fc.assert(
    fc.asyncProperty(
      commandsWith(anyAvoids, fc.boolean(), anyCaller),
      fc.constantFrom(2, 512),
      async (commands, size) => {
        await play(commands, size, ({ waiting, free, room }) => {
          expect(room.length).toBe(waiting.length);
          // Who was placed before is let in again, and another model than the one that fills the room.
          const newcomers = waiting.filter(({ front }) => !front).length;
          expect(newcomers).toBeLessThanOrEqual(size * 1.25);
          expect(room.queues().reduce((sum, queue) => sum + queue.waiting, 0)).toBe(waiting.length);
          for (const client of waiting) {
            expect(free.filter((slots, node) => slots > 0 && node !== client.avoids)).toEqual([]);
          }
        });
      },
    ),
    { numRuns: 300 },
  );
});

test("whatever comes and goes, nobody waits longer than the limit, and only who left or waited so long goes unserved", async () => {
  await fc.assert(
    fc.asyncProperty(commandsWith(anyAvoids, fc.boolean(), anyCaller), async (commands) => {
      await play(commands, 512, ({ clients, now }) => {
        for (const { state, arrivedAt, endedAt, abort } of clients) {
          if (state === "waiting") expect(now - arrivedAt).toBeLessThan(TIMEOUT_MS);
          if (state === "timeout") expect(endedAt - arrivedAt).toBe(TIMEOUT_MS);
          if (state === "left") expect(abort.signal.aborted).toBe(true);
          if (abort.signal.aborted) expect(state).not.toBe("waiting");
        }
      });
    }),
    { numRuns: 300 },
  );
});

test("whatever comes and goes, nobody takes a place that one before it could have used: order is arrival, then failed over", async () => {
  await fc.assert(
    fc.asyncProperty(commandsWith(anyAvoids, fc.boolean()), async (commands) => {
      await play(commands, 512, ({ overtaken }) => expect(overtaken).toEqual([]));
    }),
    { numRuns: 300 },
  );
});

test("whatever comes and goes, nobody takes a place that an earlier request of the same caller could have used", async () => {
  await fc.assert(
    fc.asyncProperty(commandsWith(anyAvoids, fc.boolean(), anyCaller), async (commands) => {
      await play(commands, 512, ({ overtaken }) => expect(overtaken).toEqual([]));
    }),
    { numRuns: 300 },
  );
});

test("whatever comes and goes, requests for one model that may use any node are placed in the order of arrival", async () => {
  await fc.assert(
    fc.asyncProperty(commandsWith(fc.constant(null), fc.constant(false)), async (commands) => {
      await play(commands, 512, ({ clients }) => {
        for (const model of ["m", "n"]) {
          const own = clients.filter((client) => client.model === model);
          const firstWaiting = own.findIndex(({ state }) => state === "waiting");
          if (firstWaiting < 0) continue;
          expect(own.slice(firstWaiting).filter(({ state }) => state === "placed")).toEqual([]);
        }
      });
    }),
    { numRuns: 300 },
  );
});

test("a model whose nodes are all full does not keep another one's requests from their free node", async () => {
  const clock = fakeClock();
  const room = createWaitingRoom({ clock, size: 512, timeoutMs: TIMEOUT_MS });
  const { signal } = new AbortController();
  const looks: string[] = [];
  for (let number = 0; number < 100; number++) void room.enter("full", signal)?.turn(false);
  void room
    .enter("free", signal)
    ?.turn(false)
    .then((turn) => looks.push(turn));
  room.wake();
  await clock.advance(0);
  expect(looks).toEqual(["look"]);
});

test("what becomes free for some models wakes those who wait for these, or for any, and nobody else", async () => {
  const clock = fakeClock();
  const room = createWaitingRoom({ clock, size: 512, timeoutMs: TIMEOUT_MS });
  const { signal } = new AbortController();
  const looks: string[] = [];
  for (const model of ["a", "b", "c", ANY_MODEL, "d"]) {
    void room
      .enter(model, signal)
      ?.turn(false)
      .then(() => looks.push(model));
    await clock.advance(1);
  }
  room.wake(new Set(["c", "a", "elsewhere"]));
  await clock.advance(0);
  // Who has waited longest first.
  expect(looks).toEqual(["a", "c", ANY_MODEL]);
  room.wake();
  await clock.advance(0);
  expect(looks.slice(3)).toEqual(["b", "d"]);
});

test("of a thousand waiters that cannot use every node each looks once when capacity changes", async () => {
  const clock = fakeClock();
  const room = createWaitingRoom({ clock, size: 1000, timeoutMs: TIMEOUT_MS });
  const { signal } = new AbortController();
  let looks = 0;
  const wait = async (ticket: Ticket | null) => {
    while (ticket && (await ticket.turn(true)) === "look") looks++;
  };
  for (let number = 0; number < 1000; number++) void wait(room.enter("m", signal));
  for (let turn = 0; turn < 200; turn++) await clock.advance(0);
  looks = 0;
  room.wake();
  for (let turn = 0; turn < 400; turn++) await clock.advance(0);
  expect(looks).toBe(1000);
});
