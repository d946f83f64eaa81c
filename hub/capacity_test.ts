import { expect, test } from "bun:test";
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
  const ticket = room.enter(model, signal, { front, letIn: front, waitedMs });
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

test("a newcomer need not wait behind those who cannot use what it can", async () => {
  const { clock, room } = open();
  const pinned = enter(room, "m");
  expect(room.hasWaiters("m")).toBe(true);
  watch(pinned, true);
  await clock.advance(0);
  expect(room.hasWaiters("m")).toBe(false);
  enter(room, "m");
  expect(room.hasWaiters("m")).toBe(true);
});

test("a full room still takes one that was placed already", () => {
  const { room } = open(1);
  enter(room);
  expect(room.enter("m", never)).toBeNull();
  expect(room.enter("m", never, { front: true, letIn: true })?.position).toBe(1);
});

test("a room that one model fills takes some of the others, a quarter more in all", () => {
  const { room } = open(16);
  for (let at = 0; at < 16; at++) enter(room, "much");
  expect(room.enter("much", never)).toBeNull();
  for (const model of ["quick", "other"]) {
    let entered = 0;
    while (room.enter(model, never)) entered++;
    expect(entered).toBe(model === "quick" ? 2 : 1);
  }
  expect(room.length).toBeLessThanOrEqual(20);
});

test("one that leaves nodes free lets newcomers pass, but not while it looks itself", async () => {
  const { clock, room } = open();
  const ticket = enter(room);
  watch(ticket, true);
  await clock.advance(0);
  expect(room.hasWaiters("m")).toBe(false);
  room.wake();
  expect(room.hasWaiters("m")).toBe(true);
  await clock.advance(0);
  watch(ticket, true);
  await clock.advance(0);
  expect(room.hasWaiters("m")).toBe(false);
});

test("one that takes no slot goes to the front, but finds no room in a full one", () => {
  const { room } = open(2);
  enter(room, "m");
  expect(room.enter("m", never, { front: true })?.position).toBe(1);
  expect(room.enter("m", never, { front: true })).toBeNull();
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
  expect(room.length).toBe(1);
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
  first.leave();
  expect(counts()).toEqual([0, 1, 0]);
});

test("everybody is told at which place of its model's queue it entered, and it stays in the list until it leaves", async () => {
  const { clock, room } = open();
  const positions = [enter(room, "m"), enter(room, "n"), enter(room, "m"), enter(room, "m", { front: true })];
  expect(positions.map(({ position }) => position)).toEqual([1, 1, 2, 1]);
  await clock.advance(3 * SECOND);
  const late = enter(room, "n", { waitedMs: 5 * SECOND });
  expect(room.queues()).toEqual([
    { model: "m", waiting: 3, oldestWaitMs: 3 * SECOND },
    { model: "n", waiting: 2, oldestWaitMs: 5 * SECOND },
  ]);
  for (const ticket of [...positions, late]) ticket.leave();
  expect(room.queues()).toEqual([]);
});
