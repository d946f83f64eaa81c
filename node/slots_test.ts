import { describe, expect, test } from "bun:test";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import { createSlots } from "./slots.ts";

const never = new AbortController().signal;

function start(size: number) {
  const clock = fakeClock();
  return { clock, slots: createSlots({ size, waitMs: 1000, clock }) };
}

describe("slots", () => {
  test("a place that is free is given at once", async () => {
    const { slots } = start(2);
    expect(await slots.take("a", never)).not.toBeNull();
    expect(await slots.take("a", never)).not.toBeNull();
    expect(slots.running).toBe(2);
  });

  test("a request beyond the last place waits one second and is then handed back", async () => {
    const { clock, slots } = start(1);
    await slots.take("a", never);
    let answer: unknown = "waiting";
    void slots.take("b", never).then((slot) => {
      answer = slot;
    });
    await clock.advance(999);
    expect(answer).toBe("waiting");
    await clock.advance(1);
    expect(answer).toBeNull();
    expect(slots.running).toBe(1);
  });

  test("a released place goes to the one who has waited longest", async () => {
    const { clock, slots } = start(1);
    const first = await slots.take("a", never);
    const order: string[] = [];
    void slots.take("b", never).then((slot) => order.push(slot ? "b" : "b left"));
    void slots.take("c", never).then((slot) => order.push(slot ? "c" : "c left"));
    first?.release();
    await clock.advance(0);
    expect(order).toEqual(["b"]);
    expect(slots.running).toBe(1);
    await clock.advance(1000);
    expect(order).toEqual(["b", "c left"]);
  });

  test("releasing twice frees one place only", async () => {
    const { slots } = start(2);
    const first = await slots.take("a", never);
    await slots.take("b", never);
    first?.release();
    first?.release();
    expect(slots.running).toBe(1);
  });

  test("a waiter whose caller leaves gives up its turn and leaves no timer behind", async () => {
    const { clock, slots } = start(1);
    const first = await slots.take("a", never);
    const caller = new AbortController();
    const waiting = slots.take("b", caller.signal);
    caller.abort();
    expect(await waiting).toBeNull();
    first?.release();
    expect(slots.running).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test("a caller that has left already gets no place", async () => {
    const { slots } = start(1);
    expect(await slots.take("a", AbortSignal.abort())).toBeNull();
    expect(slots.running).toBe(0);
  });

  test("models without a byte for longer than asked are named once each", async () => {
    const { clock, slots } = start(8);
    await slots.take("big", never);
    await slots.take("big", never);
    const quick = await slots.take("small", never);
    quick?.answered();
    expect(slots.silentModels(1000)).toEqual([]);
    await clock.advance(1001);
    expect(slots.silentModels(1000)).toEqual(["big"]);
  });

  test("idle is reported when the last place and the last waiter are gone", async () => {
    const { clock, slots } = start(1);
    await slots.whenIdle();
    const first = await slots.take("a", never);
    const second = slots.take("b", never);
    let idle = false;
    void slots.whenIdle().then(() => {
      idle = true;
    });
    first?.release();
    await clock.advance(0);
    expect(idle).toBe(false);
    (await second)?.release();
    await clock.advance(0);
    expect(idle).toBe(true);
  });
});
