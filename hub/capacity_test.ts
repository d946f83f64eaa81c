import { expect, test } from "bun:test";
import fc from "fast-check";
import { type FakeClock, fakeClock } from "../shared/testing/fake_clock.ts";
import { createWaitingRoom, type Ticket, type Turn, type WaitingRoom } from "./capacity.ts";

const SECOND = 1000;
const never = new AbortController().signal;

function open(size = 512): { clock: FakeClock; room: WaitingRoom } {
  const clock = fakeClock();
  return { clock, room: createWaitingRoom({ clock, size, timeoutMs: 120 * SECOND }) };
}

/** Enters, or throws where the room is full. */
function enter(room: WaitingRoom, model = "m", { signal = never, front = false, waitedMs = 0 } = {}): Ticket {
  const ticket = room.enter(model, signal, { front, waitedMs });
  if (!ticket) throw new Error("the waiting room is full");
  return ticket;
}

/** Asks for a turn and shows what came of it as soon as it comes. */
function watch(ticket: Ticket, passOn = false): { turn: Turn | "waiting" } {
  const seen: { turn: Turn | "waiting" } = { turn: "waiting" };
  void ticket.turn(passOn).then((turn) => {
    seen.turn = turn;
  });
  return seen;
}

test("no more wait than the room has places for, all models together", () => {
  const { room } = open(2);
  enter(room, "m");
  const second = enter(room, "n");
  expect(room.enter("m", never)).toBeNull();
  expect(room.length).toBe(2);
  second.leave();
  expect(room.enter("o", never)).not.toBeNull();
});

test("a room without places takes nobody", () => {
  expect(open(0).room.enter("m", never)).toBeNull();
});

test("waiting requests are served in the order in which they came", async () => {
  const { clock, room } = open();
  const tickets = [enter(room), enter(room), enter(room)];
  const seen = tickets.map((ticket) => watch(ticket));
  const turns = () => seen.map(({ turn }) => turn);
  await clock.advance(0);
  expect(turns()).toEqual(["waiting", "waiting", "waiting"]);
  room.wake();
  await clock.advance(0);
  expect(turns()).toEqual(["look", "waiting", "waiting"]);
  tickets[0]?.leave();
  await clock.advance(0);
  expect(turns()).toEqual(["look", "look", "waiting"]);
});

test("who waits for one model does not hold up who waits for another", async () => {
  const { clock, room } = open();
  const first = watch(enter(room, "m"));
  const other = watch(enter(room, "n"));
  room.wake();
  await clock.advance(0);
  expect([first.turn, other.turn]).toEqual(["look", "look"]);
});

test("a client that leaves is told at once, and whoever is next may look", async () => {
  const { clock, room } = open();
  const client = new AbortController();
  const first = enter(room, "m", { signal: client.signal });
  const [seen, next] = [watch(first), watch(enter(room))];
  client.abort();
  await clock.advance(0);
  expect(seen.turn).toBe("left");
  first.leave();
  await clock.advance(0);
  expect(next.turn).toBe("look");
  expect(room.length).toBe(1);
});

test("a client that had left before its turn does not wait for it", async () => {
  const { clock, room } = open();
  const seen = watch(enter(room, "m", { signal: AbortSignal.abort() }));
  await clock.advance(0);
  expect(seen.turn).toBe("left");
  expect(clock.pending).toBe(0);
});

test("waiting ends after its time, to the millisecond, and leaves no timer behind", async () => {
  const { clock, room } = open();
  const ticket = enter(room);
  const seen = watch(ticket);
  await clock.advance(120 * SECOND - 1);
  expect(seen.turn).toBe("waiting");
  await clock.advance(1);
  expect(seen.turn).toBe("timeout");
  expect(clock.pending).toBe(0);
});

test("looking in vain does not start the time anew", async () => {
  const { clock, room } = open();
  const ticket = enter(room);
  for (let look = 0; look < 4; look++) {
    const seen = watch(ticket);
    await clock.advance(25 * SECOND);
    room.wake();
    await clock.advance(0);
    expect(seen.turn).toBe("look");
  }
  const last = watch(ticket);
  await clock.advance(20 * SECOND);
  expect(last.turn).toBe("timeout");
});

test("time a request waited here before counts", async () => {
  const { clock, room } = open();
  const seen = watch(enter(room, "m", { waitedMs: 119 * SECOND }));
  await clock.advance(SECOND);
  expect(seen.turn).toBe("timeout");
  const late = watch(enter(room, "n", { waitedMs: 120 * SECOND }));
  await clock.advance(0);
  expect(late.turn).toBe("timeout");
});

test("a turn takes its timer and its listener with it", async () => {
  const { clock, room } = open();
  const client = new AbortController();
  const ticket = enter(room, "m", { signal: client.signal });
  const seen = watch(ticket);
  room.wake();
  await clock.advance(0);
  expect(seen.turn).toBe("look");
  expect(clock.pending).toBe(0);
  client.abort();
  await clock.advance(200 * SECOND);
  expect(seen.turn).toBe("look");
});

test("a request that looks a hundred times leaves no listener on its client", async () => {
  const { clock, room } = open();
  const { signal } = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...added: Parameters<typeof addEventListener>) => {
    listeners++;
    addEventListener.apply(signal, added);
  };
  signal.removeEventListener = (...removed: Parameters<typeof removeEventListener>) => {
    listeners--;
    removeEventListener.apply(signal, removed);
  };
  const ticket = enter(room, "m", { signal });
  for (let look = 0; look < 100; look++) {
    const turn = ticket.turn(false);
    room.wake();
    await clock.advance(0);
    expect(await turn).toBe("look");
  }
  expect(listeners).toBe(0);
});

test("a newcomer is told that others wait for its model, and only for its own", () => {
  const { room } = open();
  const ticket = enter(room, "m");
  expect(room.hasWaiters("m")).toBe(true);
  expect(room.hasWaiters("n")).toBe(false);
  ticket.leave();
  expect(room.hasWaiters("m")).toBe(false);
});

test("a request that was placed before goes to the front", async () => {
  const { clock, room } = open();
  const old = watch(enter(room));
  const failedOver = enter(room, "m", { front: true });
  const seen = watch(failedOver);
  await clock.advance(0);
  expect([seen.turn, old.turn]).toEqual(["look", "waiting"]);
  const again = watch(failedOver);
  room.wake();
  await clock.advance(0);
  expect([again.turn, old.turn]).toEqual(["look", "waiting"]);
});

test("a waiter that cannot use every node lets those behind it look, one after another", async () => {
  const { clock, room } = open();
  const first = enter(room);
  const second = enter(room);
  const third = enter(room);
  const [secondSees, thirdSees] = [watch(second), watch(third)];
  watch(first, true);
  await clock.advance(0);
  expect([secondSees.turn, thirdSees.turn]).toEqual(["look", "waiting"]);
  watch(second, true);
  await clock.advance(0);
  expect(thirdSees.turn).toBe("look");
});

test("when one that was passed on to takes a place, the next behind it looks too: there may be a second place", async () => {
  const { clock, room } = open();
  const [first, second, third] = [enter(room), enter(room), enter(room)];
  const thirdSees = watch(third);
  watch(second);
  watch(first, true);
  await clock.advance(0);
  second.leave();
  await clock.advance(0);
  expect(thirdSees.turn).toBe("look");
});

test("when one leaves from the middle and the first may still find a place, nobody overtakes the first", async () => {
  const { clock, room } = open();
  const [first, second, third] = [enter(room), enter(room), enter(room)];
  const seen = [first, second, third].map((ticket) => watch(ticket));
  second.leave();
  await clock.advance(0);
  expect(seen[2]?.turn).toBe("waiting");
});

test("a newcomer behind waiters that cannot use every node looks at once", async () => {
  const { clock, room } = open();
  watch(enter(room), true);
  await clock.advance(0);
  const newcomer = watch(enter(room));
  await clock.advance(0);
  expect(newcomer.turn).toBe("look");
});

test("a newcomer behind a waiter that waits for any node does not look", async () => {
  const { clock, room } = open();
  watch(enter(room));
  watch(enter(room), true);
  await clock.advance(0);
  const newcomer = watch(enter(room));
  await clock.advance(0);
  expect(newcomer.turn).toBe("waiting");
});

test("capacity that appears while a waiter looks makes it look again", async () => {
  const { clock, room } = open();
  const ticket = enter(room);
  const first = watch(ticket);
  room.wake();
  await clock.advance(0);
  expect(first.turn).toBe("look");
  room.wake();
  const second = watch(ticket);
  await clock.advance(0);
  expect(second.turn).toBe("look");
  const third = watch(ticket);
  await clock.advance(0);
  expect(third.turn).toBe("waiting");
});

test("leaving twice frees one place", () => {
  const { room } = open();
  const ticket = enter(room);
  enter(room);
  ticket.leave();
  ticket.leave();
  ticket[Symbol.dispose]();
  expect(room.length).toBe(1);
});

/** One of the fleet's requests, as dispatch goes about it. */
interface Client {
  readonly arrived: number;
  readonly model: string;
  /** The node it cannot use, because it was there already. */
  readonly avoids: number | null;
  readonly abort: AbortController;
  state: "waiting" | "placed" | "refused" | "gone";
}

type Command =
  | { readonly kind: "arrive"; readonly model: string; readonly avoids: number | null }
  | { readonly kind: "free"; readonly node: number }
  | { readonly kind: "free both" }
  | { readonly kind: "abort"; readonly which: number }
  | { readonly kind: "wake" };

/** Plays commands against a waiting room as the request path uses it, and shows the state after each one has settled. */
async function play(
  commands: readonly Command[],
  size: number,
  check: (state: { waiting: Client[]; free: readonly number[]; room: WaitingRoom; placed: Client[] }) => void,
): Promise<void> {
  const { clock, room } = open(size);
  const free = [0, 0];
  const clients: Client[] = [];
  const placed: Client[] = [];
  const usable = (client: Client) => free.findIndex((slots, node) => slots > 0 && node !== client.avoids);

  async function serve(client: Client): Promise<void> {
    let ticket: Ticket | null = null;
    for (;;) {
      const node = usable(client);
      if (node < 0 || (ticket === null && room.hasWaiters(client.model))) {
        ticket ??= room.enter(client.model, client.abort.signal, { front: client.avoids !== null });
        if (ticket === null) {
          client.state = "refused";
          return;
        }
        if ((await ticket.turn(client.avoids !== null)) === "look") continue;
        client.state = "gone";
        ticket.leave();
        return;
      }
      free[node] = (free[node] ?? 0) - 1;
      client.state = "placed";
      placed.push(client);
      ticket?.leave();
      return;
    }
  }
  function give(node: number): void {
    free[node] = (free[node] ?? 0) + 1;
    room.wake();
  }

  for (const command of commands) {
    if (command.kind === "arrive") {
      const { model, avoids } = command;
      const client: Client = {
        arrived: clients.length,
        model,
        avoids,
        abort: new AbortController(),
        state: "waiting",
      };
      clients.push(client);
      void serve(client);
    } else if (command.kind === "free") {
      give(command.node);
    } else if (command.kind === "free both") {
      give(0);
      give(1);
    } else if (command.kind === "abort") {
      const waiting = clients.filter(({ state }) => state === "waiting");
      waiting[command.which % Math.max(1, waiting.length)]?.abort.abort();
    } else {
      room.wake();
    }
    await clock.advance(0);
    check({ waiting: clients.filter(({ state }) => state === "waiting"), free, room, placed });
  }
}

const commandsWith = (avoids: fc.Arbitrary<number | null>): fc.Arbitrary<Command[]> =>
  fc.array(
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant("arrive" as const), model: fc.constantFrom("m", "n"), avoids }),
      },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant("free" as const), node: fc.nat(1) }) },
      { weight: 1, arbitrary: fc.constant({ kind: "free both" as const }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("abort" as const), which: fc.nat(20) }) },
      { weight: 1, arbitrary: fc.constant({ kind: "wake" as const }) },
    ),
    { maxLength: 40 },
  );

test("whatever comes and goes, nobody waits beside a free slot it could use, and the count is exact", async () => {
  const avoids = fc.constantFrom(null, null, 0, 1);
  await fc.assert(
    fc.asyncProperty(commandsWith(avoids), fc.constantFrom(2, 512), async (commands, size) => {
      await play(commands, size, ({ waiting, free, room }) => {
        expect(room.length).toBe(waiting.length);
        expect(room.length).toBeLessThanOrEqual(size);
        for (const client of waiting) {
          expect(free.filter((slots, node) => slots > 0 && node !== client.avoids)).toEqual([]);
        }
      });
    }),
    { numRuns: 300 },
  );
});

test("whatever comes and goes, requests for one model that may use any node are placed in the order of arrival", async () => {
  await fc.assert(
    fc.asyncProperty(commandsWith(fc.constant(null)), async (commands) => {
      await play(commands, 512, ({ placed }) => {
        for (const model of ["m", "n"]) {
          const order = placed.filter((client) => client.model === model).map(({ arrived }) => arrived);
          expect(order).toEqual(order.toSorted((a, b) => a - b));
        }
      });
    }),
    { numRuns: 300 },
  );
});

test("those who wait are counted by model, and no more once they left, however they did", async () => {
  const { clock, room } = open();
  const leaving = new AbortController();
  const [first, second] = [enter(room, "m"), enter(room, "m", { signal: leaving.signal })];
  enter(room, "n");
  const counts = () => ["m", "n", "o"].map(room.waitingFor);
  expect(counts()).toEqual([2, 1, 0]);
  const seen = watch(second);
  leaving.abort();
  await clock.advance(0);
  expect(seen.turn).toBe("left");
  second.leave();
  second.leave();
  expect(counts()).toEqual([1, 1, 0]);
  first[Symbol.dispose]();
  expect(counts()).toEqual([0, 1, 0]);
});
