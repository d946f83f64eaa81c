// Tests of the fault proxy: bytes pass unharmed, late, in part or not at all, as the control says.
import { afterAll, beforeEach, expect, test } from "bun:test";
import net from "node:net";
import { type FaultProxy, startFaultProxy } from "./fault_proxy.ts";

const host = "127.0.0.1";
/** Answers whatever comes with as many bytes as it is told, then ends. */
const target = Bun.listen({
  hostname: host,
  port: 0,
  socket: {
    data(socket, data) {
      socket.write("x".repeat(Number(data.toString())));
      socket.end();
    },
  },
});
/** Counts to 99, a number a millisecond. */
const counting = Bun.listen({
  hostname: host,
  port: 0,
  socket: {
    data() {},
    async open(socket) {
      for (let at = 0; at < 100; at++) {
        socket.write(`${at} `);
        await Bun.sleep(1);
      }
      socket.end();
    },
  },
});
const free = Bun.listen({ hostname: host, port: 0, socket: { data() {} } });
const port = free.port;
free.stop(true);
const proxy: FaultProxy = await startFaultProxy({
  listen: { host, port },
  target: { host, port: target.port },
  random: () => 0.5,
});
afterAll(() => {
  proxy.shut();
  target.stop(true);
});
beforeEach(() => proxy.heal());

/** Sends `bytes` as a wish; how much came, how it ended, and after how many milliseconds. */
function wish(bytes: number, patienceMs = 500): Promise<{ got: number; end: string; ms: number }> {
  const from = performance.now();
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    let got = 0;
    const done = (end: string) => {
      resolve({ got, end, ms: performance.now() - from });
      socket.destroy();
    };
    socket.on("data", (data) => {
      got += data.length;
    });
    socket.on("end", () => done("end"));
    socket.on("error", () => done("reset"));
    socket.setTimeout(patienceMs, () => done("silence"));
    socket.write(String(bytes));
  });
}

test("an honest proxy passes everything", async () => {
  expect(await wish(300_000)).toMatchObject({ got: 300_000, end: "end" });
});

test("a delay holds both ways", async () => {
  proxy.control.delayMs = 50;
  const { got, ms } = await wish(10);
  expect(got).toBe(10);
  expect(ms).toBeGreaterThanOrEqual(95);
});

test("bandwidth limits", async () => {
  proxy.control.bytesPerSecond = 100_000;
  const { got, ms } = await wish(20_000);
  expect(got).toBe(20_000);
  expect(ms).toBeGreaterThanOrEqual(190);
});

test("a reset at byte n lets n bytes through", async () => {
  proxy.control.resetAfter = 7;
  const { got, end } = await wish(1000);
  expect(end).toBe("reset");
  expect(got).toBeLessThanOrEqual(7);
});

test("a reset at byte 0 comes before any byte", async () => {
  proxy.control.resetAfter = 0;
  expect(await wish(1000)).toMatchObject({ got: 0, end: "reset" });
});

test("an end at byte n is orderly", async () => {
  proxy.control.endAfter = 7;
  expect(await wish(1000)).toMatchObject({ got: 7, end: "end" });
});

test.each([["there"], ["back"]] as const)("what vanishes on the way %s is met by silence", async (way) => {
  proxy.control.swallow = [way];
  expect(await wish(10, 100)).toMatchObject({ got: 0, end: "silence" });
});

test("what vanished comes when it is healed, without a gap", async () => {
  proxy.control.swallow = ["back"];
  const waiting = wish(1000, 5000);
  await Bun.sleep(100);
  proxy.heal();
  expect(await waiting).toMatchObject({ got: 1000, end: "end" });
});

test("shut, it refuses; open again, it passes", async () => {
  proxy.shut();
  expect(await wish(10)).toMatchObject({ got: 0, end: "reset" });
  await proxy.open();
  expect(await wish(10)).toMatchObject({ got: 10, end: "end" });
});

test("jitter changes no order", async () => {
  let state = 7;
  const uneven = await startFaultProxy({
    listen: { host, port: 0 },
    target: { host, port: counting.port },
    random: () => {
      state = (state * 48271) % 2147483647;
      return state / 2147483647;
    },
  });
  Object.assign(uneven.control, { delayMs: 20, jitterMs: 20 });
  const text = await new Promise<string>((resolve) => {
    let got = "";
    const socket = net.connect({ host, port: uneven.port });
    socket.on("data", (data) => {
      got += data.toString();
    });
    socket.on("end", () => resolve(got));
  });
  uneven.shut();
  counting.stop(true);
  expect(text).toBe(Array.from({ length: 100 }, (_, at) => `${at} `).join(""));
});
