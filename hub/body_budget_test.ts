import { expect, test } from "bun:test";
import fc from "fast-check";
import { type BodyShare, budgetSize, createBodyBudget, SMALL_BODY } from "./body_budget.ts";

const MB = 1_000_000;

test("what fits is taken, what does not is refused and takes nothing", () => {
  const budget = createBodyBudget(10 * MB);
  const [first, second] = [budget.open(), budget.open()];
  expect(first.grow(6 * MB)).toBe(true);
  expect(second.grow(5 * MB)).toBe(false);
  expect(budget.taken).toBe(6 * MB);
  expect(second.grow(4 * MB)).toBe(true);
  first.release();
  expect(budget.taken).toBe(4 * MB);
});

test("a question fits beside bodies that fill the budget, but not any number of them", () => {
  const budget = createBodyBudget(10 * MB);
  expect(budget.open().grow(10 * MB)).toBe(true);
  let questions = 0;
  while (budget.open().grow(SMALL_BODY)) questions++;
  expect(questions).toBe(Math.floor((10 * MB) / 8 / SMALL_BODY));
  expect(budget.open().grow(SMALL_BODY + 1)).toBe(false);
});

test("a body that grows in pieces is small only as long as all of it is", () => {
  const budget = createBodyBudget(MB);
  budget.open().grow(MB);
  const share = budget.open();
  expect(share.grow(SMALL_BODY)).toBe(true);
  expect(share.grow(1)).toBe(false);
});

test("released is released: giving back twice frees nothing of others', and nothing can be taken any more", () => {
  const budget = createBodyBudget(MB);
  const [one, other] = [budget.open(), budget.open()];
  one.grow(100);
  other.grow(50);
  one.release();
  one.release();
  expect(one.grow(1)).toBe(false);
  expect(budget.taken).toBe(50);
});

test("giving back frees the bytes of a large body at once, and leaves a small one to the collector", () => {
  const budget = createBodyBudget(MB);
  const [large, small] = [new Uint8Array(SMALL_BODY + 1), new Uint8Array(SMALL_BODY)];
  for (const bytes of [large, small]) {
    const share = budget.open();
    share.grow(bytes.byteLength);
    share.holds(bytes);
    expect(bytes.byteLength).toBeGreaterThan(0);
    share.release();
    share.release();
  }
  expect([large.byteLength, small.byteLength]).toEqual([0, SMALL_BODY]);
});

test("bytes written anew take the place of those that came, which are freed at once", () => {
  const share = createBodyBudget(MB).open();
  const [came, anew] = [new Uint8Array(SMALL_BODY + 1), new Uint8Array(SMALL_BODY + 2)];
  share.holds(came);
  share.holds(anew);
  share.holds(anew);
  expect([came.byteLength, anew.byteLength]).toEqual([0, SMALL_BODY + 2]);
  share.release();
  expect(anew.byteLength).toBe(0);
});

test("what is done one by one is done in its order, and goes on when one of it fails", async () => {
  const { oneByOne } = createBodyBudget(MB);
  const told: string[] = [];
  const work = (name: string) => async () => {
    told.push(`${name} begins`);
    await Bun.sleep(1);
    told.push(`${name} ends`);
    if (name === "b") throw new Error("b failed");
    return name;
  };
  const done = await Promise.allSettled(["a", "b", "c"].map((name) => oneByOne(work(name))));
  expect(told).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  expect(done.map((each) => (each.status === "fulfilled" ? each.value : String(each.reason)))).toEqual([
    "a",
    "Error: b failed",
    "c",
  ]);
});

test("whatever is opened, grown and released, the sum is exact, never above the limit, and zero at the end", () => {
  const step = fc.record({ which: fc.nat(9), bytes: fc.nat(300_000), release: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const budget = createBodyBudget(MB);
      const shares = new Map<number, { share: BodyShare; held: number }>();
      for (const { which, bytes, release } of steps) {
        const entry = shares.get(which) ?? { share: budget.open(), held: 0 };
        shares.set(which, entry);
        if (release) {
          entry.share.release();
          shares.delete(which);
        } else if (entry.share.grow(bytes)) {
          entry.held += bytes;
        }
        expect(budget.taken).toBe([...shares.values()].reduce((sum, { held }) => sum + held, 0));
        expect(budget.taken).toBeLessThanOrEqual(1.125 * MB);
      }
      for (const { share } of shares.values()) share.release();
      expect(budget.taken).toBe(0);
    }),
  );
});

test.each<[what: string, set: number | null, memory: number, bytes: number]>([
  ["an eighth of the memory where nothing is set", null, 16_000 * MB, 2_000 * MB],
  ["room for one body on a machine with little memory", null, 512 * MB, 128 * MB],
  ["what is set", 300, 512 * MB, 300 * MB],
])("the budget is %s", (_, set, memory, bytes) => {
  expect(budgetSize(set, memory, 128 * MB)).toBe(bytes);
});
