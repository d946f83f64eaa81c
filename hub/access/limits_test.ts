/** Limits on a fake clock: how many a minute, at a time, tokens a day; and that the table of callers stays small. */
import { expect, test } from "bun:test";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { type Caller, type CallerLimits, NO_LIMITS } from "../policy/callers.ts";
import { createLimits, type Entry, type Lease } from "./limits.ts";

const SECOND = 1000;

function open(limits: Partial<CallerLimits> = {}) {
  const clock = fakeClock();
  const table = createLimits({ clock });
  const enter = (id = "a", key: Caller["key"] = null) => table.enter({ id, key, limits: { ...NO_LIMITS, ...limits } });
  return { clock, table, enter };
}

/** The lease, or throws why there is none. */
function lease(entry: Entry): Lease {
  if ("over" in entry) throw new Error(entry.over.sentence);
  return entry.lease;
}

const over = (entry: Entry) => ("over" in entry ? entry.over : null);

test("without limits nobody is refused, and no header says anything", () => {
  const { enter } = open();
  for (let count = 0; count < 1000; count++) expect(lease(enter()).headers).toEqual({});
});

test("a minute's worth may come at once, and comes again by and by", async () => {
  const { clock, enter } = open({ rpm: 6 });
  const remaining = Array.from({ length: 6 }, () => lease(enter()).headers["ratelimit-remaining"]);
  expect(remaining).toEqual(["5", "4", "3", "2", "1", "0"]);
  expect(over(enter())).toMatchObject({
    retryAfterSeconds: 10,
    headers: { "ratelimit-limit": "6", "ratelimit-remaining": "0" },
  });
  await clock.advance(10 * SECOND);
  lease(enter());
  expect(over(enter())).not.toBeNull();
  await clock.advance(3600 * SECOND);
  for (let count = 0; count < 6; count++) lease(enter());
  expect(over(enter())).not.toBeNull();
});

test("whoever waits as long as it is told is let in", async () => {
  for (const rpm of [0.5, 1, 7, 59, 60, 1000]) {
    const { clock, enter } = open({ rpm });
    while (over(enter()) === null);
    await clock.advance((over(enter())?.retryAfterSeconds ?? 0) * SECOND);
    expect([rpm, over(enter())]).toEqual([rpm, null]);
  }
});

test("one caller's limit is not another's", () => {
  const { enter } = open({ rpm: 1 });
  lease(enter("a"));
  expect(over(enter("a"))).not.toBeNull();
  lease(enter("b"));
});

test("as many run at a time as may, and each makes room once", () => {
  const { enter } = open({ concurrent: 2 });
  const [first] = [lease(enter()), lease(enter())];
  expect(over(enter())?.retryAfterSeconds).toBe(1);
  first.end();
  first.end();
  lease(enter());
  expect(over(enter())).not.toBeNull();
});

test("tokens of a day count from what is used, until the next day in UTC", async () => {
  const { clock, enter } = open({ tokensPerDay: 100 });
  const [one, other] = [lease(enter()), lease(enter())];
  one.end(60);
  lease(enter()).end();
  other.end(60);
  const refused = over(enter());
  expect(refused?.sentence).toContain("100 tokens");
  expect(refused?.retryAfterSeconds).toBeLessThanOrEqual(86_400);
  await clock.advance((refused?.retryAfterSeconds ?? 0) * SECOND);
  lease(enter());
});

test("ten thousand callers are told apart, and more of them are not remembered", () => {
  const { table, enter } = open({ rpm: 5 });
  for (let caller = 0; caller < 30_000; caller++) lease(enter(String(caller))).end();
  expect(table.size).toBe(10_000);
});

test("a key whose day is used up is not forgotten, whoever comes", () => {
  const { enter } = open({ tokensPerDay: 100 });
  const key = { id: "k", name: "few" };
  lease(enter("k", key)).end(100);
  for (let caller = 0; caller < 10_001; caller++) lease(enter(`10.0.0.${caller}`)).end();
  expect(over(enter("k", key))).not.toBeNull();
});

test("when all who are known are busy, strangers share what one may take, and nobody's count is lost", () => {
  const { table, enter } = open({ concurrent: 1 });
  for (let caller = 0; caller < 10_000; caller++) lease(enter(String(caller)));
  const stranger = lease(enter("stranger"));
  expect(over(enter("other stranger"))).not.toBeNull();
  stranger.end();
  lease(enter("other stranger"));
  expect(over(enter("0"))).not.toBeNull();
  expect(table.size).toBe(10_000);
});

test("a look at the limits takes microseconds, however many callers there are", () => {
  const { enter } = open({ rpm: 1_000_000, concurrent: 10, tokensPerDay: 1e9 });
  const count = 50_000;
  const startedAt = performance.now();
  for (let index = 0; index < count; index++) lease(enter(String(index % 9_000))).end(1);
  const each = ((performance.now() - startedAt) * 1000) / count;
  console.log(`  one entry and its end: ${each.toFixed(2)} µs`);
  expect(each).toBeLessThan(200);
});
