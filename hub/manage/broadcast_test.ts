import { expect, test } from "bun:test";
import { broadcast } from "./broadcast.ts";

/** A source of `pieces` single bytes that counts what was read of it. */
function source(pieces: number, options: { breaksAfter?: number } = {}) {
  const seen = { read: 0, cancelled: false };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (seen.read === options.breaksAfter) return controller.error(new Error("the client left"));
        if (seen.read === pieces) return controller.close();
        controller.enqueue(Uint8Array.of(seen.read++));
      },
      cancel() {
        seen.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, seen };
}

async function whole(stream: ReadableStream<Uint8Array>): Promise<number[]> {
  const bytes: number[] = [];
  for await (const piece of stream) bytes.push(...piece);
  return bytes;
}

/** Lets everything run that can without waiting for somebody. */
const settle = () => Bun.sleep(1);

function need<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("not there");
  return value;
}

test.each([1, 2, 5])("%i takers all get the whole body", async (takers) => {
  const { stream } = source(10);
  const bodies = await Promise.all(broadcast(stream, takers).map((branch) => whole(branch.stream)));
  expect(bodies).toEqual(Array(takers).fill([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
});

test("the slowest decides, and no more than one piece waits for it", async () => {
  const { stream, seen } = source(10);
  const [fast, slow] = broadcast(stream, 2);
  const fastBody = whole(need(fast).stream);
  await settle();
  expect(seen.read).toBe(0);
  const slowReader = need(slow).stream.getReader();
  for (const expected of [1, 2, 3]) {
    await slowReader.read();
    await settle();
    expect(seen.read).toBe(expected);
  }
  slowReader.releaseLock();
  expect(await whole(need(slow).stream)).toEqual([3, 4, 5, 6, 7, 8, 9]);
  expect((await fastBody).length).toBe(10);
});

test.each(["dropped", "cancelled"])("a taker that is %s holds nobody up", async (how) => {
  const { stream, seen } = source(10);
  const [stays, goes] = broadcast(stream, 2);
  const body = whole(need(stays).stream);
  await settle();
  if (how === "dropped") need(goes).drop();
  else await need(goes).stream.cancel();
  expect(await body).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(seen.cancelled).toBe(false);
});

test("a taker dropped while a piece is on its way does not get it, and the other one does", async () => {
  const gate = Promise.withResolvers<void>();
  const slow = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        await gate.promise;
        controller.enqueue(Uint8Array.of(7));
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  const [stays, goes] = broadcast(slow, 2);
  const bodies = [whole(need(stays).stream), need(goes).stream.getReader().read()] as const;
  await settle();
  need(goes).drop();
  gate.resolve();
  expect(await bodies[0]).toEqual([7]);
});

test("the source is cancelled when nobody takes it any more, also before it was begun", async () => {
  for (const begun of [true, false]) {
    const { stream, seen } = source(10);
    const branches = broadcast(stream, 2);
    const readers = branches.map((branch) => branch.stream.getReader());
    if (begun) await Promise.all(readers.map((reader) => reader.read()));
    for (const branch of branches) branch.drop();
    await settle();
    expect(seen.cancelled).toBe(true);
    for (const branch of branches) branch.drop();
  }
});

test("a source that breaks off breaks every branch", async () => {
  const { stream } = source(10, { breaksAfter: 3 });
  const bodies = await Promise.allSettled(broadcast(stream, 2).map((branch) => whole(branch.stream)));
  expect(bodies.map((body) => body.status === "rejected" && String(body.reason))).toEqual(
    Array(2).fill("Error: the client left"),
  );
});
