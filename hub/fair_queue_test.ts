/** Turns: nobody is starved, shares follow weights, order within one caller is arrival, and giving up costs nothing. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { createFairQueue, type Queued } from "./fair_queue.ts";

interface One extends Queued {
  readonly name: string;
}

let made = 0;
function one(turn: string, { weight = 1, front = false } = {}): One {
  const id = turn.split(" ")[0] ?? "";
  return { name: `${turn}#${++made}`, caller: { id, turn, weight }, front, tag: 0, userTag: 0 };
}

function filled(...turns: readonly string[]) {
  const queue = createFairQueue<One>();
  for (const turn of turns) queue.insert(one(turn));
  return queue;
}

const order = (queue: ReturnType<typeof filled>) => queue.waiters.map(({ caller }) => caller.turn).join(" ");
const times = (turn: string, count: number) => Array.from({ length: count }, () => turn);

/** Serves the first `count`, and tells whose they were. */
function serve(queue: ReturnType<typeof filled>, count: number): string[] {
  return Array.from({ length: count }, () => {
    const [first] = queue.waiters;
    if (first === undefined) throw new Error("nobody waits");
    queue.remove(first, true);
    return first.caller.turn;
  });
}

test("one hundred of one caller do not starve another's one", () => {
  const queue = filled(...times("a", 100));
  serve(queue, 10);
  expect(queue.insert(one("b"))).toBe(1);
  expect(serve(queue, 3)).toEqual(["a", "b", "a"]);
});

test("callers take turns, however many each has", () => {
  const queue = filled(...times("a", 6), ...times("b", 3), ...times("c", 2));
  expect(order(queue)).toBe("a b c a b c a b a a a");
});

test("a caller of weight three gets three turns for one", () => {
  const queue = createFairQueue<One>();
  for (let index = 0; index < 12; index++) queue.insert(one("a"));
  for (let index = 0; index < 12; index++) queue.insert(one("b", { weight: 3 }));
  const served = serve(queue, 12);
  expect(served.filter((turn) => turn === "b")).toHaveLength(9);
});

test("who was busy alone behind one that waits for another node owes nothing to who comes late", () => {
  const queue = filled("head");
  for (let round = 0; round < 20; round++) {
    const pair = [one("a"), one("a")];
    for (const each of pair) queue.insert(each);
    for (const each of pair) queue.remove(each, true);
  }
  for (const turn of [...times("a", 3), ...times("b", 3)]) queue.insert(one(turn));
  expect(order(queue)).toBe("head a b a b a b");
});

test("who comes late is not owed what went by, and who was busy owes nothing", () => {
  const queue = filled(...times("a", 50));
  serve(queue, 40);
  for (let index = 0; index < 10; index++) queue.insert(one("b"));
  expect(serve(queue, 6).join("")).toMatch(/^(ab){3}$|^(ba){3}$/);
});

test("those who give up cost the others of their caller no turn", () => {
  const queue = filled(...times("a", 60), "b");
  for (const waiter of queue.waiters.filter(({ caller }) => caller.id === "a").slice(0, 50))
    queue.remove(waiter, false);
  for (let index = 0; index < 9; index++) queue.insert(one("b"));
  const served = serve(queue, 10);
  expect(served.filter((turn) => turn === "a").length).toBeGreaterThanOrEqual(4);
});

test("users of one caller take turns within its turns", () => {
  const queue = filled(...times("k one", 4), ...times("b", 4), "k two");
  expect(serve(queue, 4)).toEqual(["k one", "b", "k two", "b"]);
  // Two users get what one caller gets.
  expect(serve(queue, 4).filter((turn) => turn.startsWith("k"))).toHaveLength(2);
});

test("who was placed before goes first", () => {
  const queue = filled("a", "b");
  expect(queue.insert(one("a", { front: true }))).toBe(0);
  expect(queue.insert(one("c", { front: true }))).toBe(0);
  expect(order(queue)).toBe("c a a b");
});

interface Step {
  readonly kind: "come" | "serve" | "give up";
  readonly turn: string;
  readonly which: number;
}

const steps = fc.array(
  fc.record<Step>({
    kind: fc.constantFrom("come", "come", "serve", "give up"),
    turn: fc.constantFrom("a", "a", "a", "b", "c one", "c two"),
    which: fc.nat(50),
  }),
  { maxLength: 120 },
);

test("whatever comes and goes: nobody is lost, tags rise, and each one's requests are in the order in which they came", () => {
  fc.assert(
    fc.property(steps, (history) => {
      const queue = createFairQueue<One>();
      const there: One[] = [];
      for (const { kind, turn, which } of history) {
        if (kind === "come") {
          const waiter = one(turn);
          const index = queue.insert(waiter);
          there.push(waiter);
          expect(queue.waiters[index]).toBe(waiter);
        } else {
          const waiter = kind === "serve" ? queue.waiters[0] : queue.waiters[which % Math.max(1, queue.waiters.length)];
          if (waiter === undefined) continue;
          const at = queue.waiters.indexOf(waiter);
          expect(queue.remove(waiter, kind === "serve")).toBe(at);
          there.splice(there.indexOf(waiter), 1);
        }
        expect(new Set(queue.waiters)).toEqual(new Set(there));
        const tags = queue.waiters.map(({ tag }) => tag);
        expect(tags).toEqual(tags.toSorted((x, y) => x - y));
        for (const each of ["a", "b", "c one", "c two"]) {
          const own = queue.waiters.filter(({ caller }) => caller.turn === each);
          expect(own).toEqual(there.filter(({ caller }) => caller.turn === each));
        }
      }
    }),
    { numRuns: 300 },
  );
});

test("whatever came before: of two callers that both wait, neither is served twice more than the other", () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 20 }), (history, count) => {
      const queue = createFairQueue<One>();
      for (const { kind, turn, which } of history) {
        const waiter = kind === "serve" ? queue.waiters[0] : queue.waiters[which % Math.max(1, queue.waiters.length)];
        if (kind === "come") queue.insert(one(turn));
        else if (waiter) queue.remove(waiter, kind === "serve");
      }
      // Both have enough from here on.
      for (const turn of [...times("x", 30), ...times("y", 30)]) queue.insert(one(turn));
      let [x, y] = [0, 0];
      for (let served = 0; served < count * 2; served++) {
        const [turn] = serve(queue, 1);
        if (turn === "x") x++;
        if (turn === "y") y++;
        expect(Math.abs(x - y)).toBeLessThanOrEqual(1);
      }
    }),
    { numRuns: 300 },
  );
});

test("users that come and give up while nobody is served cost no more than the first ones", () => {
  const queue = filled("k stays");
  const time = (count: number) => {
    const startedAt = performance.now();
    for (let index = 0; index < count; index++) {
      const waiter = one(`k user-${count}-${index}`);
      queue.insert(waiter);
      queue.remove(waiter, false);
    }
    return ((performance.now() - startedAt) * 1000) / count;
  };
  time(1_000);
  console.log(`  one that gives up: ${time(20_000).toFixed(1)} µs`);
  expect(time(20_000)).toBeLessThan(50);
});

test("coming and going among a thousand takes microseconds", () => {
  const queue = filled(...times("a", 400), ...times("b", 400), ...times("c one", 200));
  const startedAt = performance.now();
  const count = 5_000;
  for (let index = 0; index < count; index++) {
    queue.insert(one(["a", "b", "c two"][index % 3] ?? "a"));
    serve(queue, 1);
  }
  const each = ((performance.now() - startedAt) * 1000) / count;
  console.log(`  one in and one out: ${each.toFixed(1)} µs`);
  expect(each).toBeLessThan(1_000);
});
