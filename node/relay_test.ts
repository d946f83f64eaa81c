import { describe, expect, test } from "bun:test";
import { type RelayEnd, relayBody } from "./relay.ts";

function start(body: ReadableStream<Uint8Array>) {
  const caller = new AbortController();
  const ends: [RelayEnd, number][] = [];
  let firstBytes = 0;
  const stream = relayBody(body, caller.signal, {
    onFirstByte: () => {
      firstBytes += 1;
    },
    onEnd: (end, bytes) => {
      ends.push([end, bytes]);
    },
  });
  return { caller, ends, stream, firstBytes: () => firstBytes };
}

const chunk = (text: string) => new TextEncoder().encode(text);

describe("relayBody", () => {
  test("the bytes pass unchanged and the end is told once", async () => {
    const { stream, ends, firstBytes } = start(
      new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(chunk("one\n"));
          controller.enqueue(chunk("two\n"));
          controller.close();
        },
      }),
    );
    expect(await new Response(stream).text()).toBe("one\ntwo\n");
    expect(ends).toEqual([["complete", 8]]);
    expect(firstBytes()).toBe(1);
  });

  test("a body that breaks off fails the stream", async () => {
    let turn = 0;
    const { stream, ends } = start(
      new ReadableStream<Uint8Array>({
        pull(controller) {
          if (turn++ === 0) controller.enqueue(chunk("half"));
          else controller.error(new Error("reset"));
        },
      }),
    );
    await expect(new Response(stream).text()).rejects.toThrow("reset");
    expect(ends).toEqual([["broken", 4]]);
  });

  test("a reader that cancels cancels the body", async () => {
    let cancelled = false;
    const { stream, ends } = start(
      new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(chunk("x")),
        cancel: () => {
          cancelled = true;
        },
      }),
    );
    const reader = stream.getReader();
    await reader.read();
    await reader.cancel();
    expect(cancelled).toBe(true);
    expect(ends).toEqual([["cancelled", 1]]);
  });

  test("a caller that leaves before anybody reads ends it as well", async () => {
    let cancelled = false;
    const { caller, ends } = start(
      new ReadableStream<Uint8Array>({
        cancel: () => {
          cancelled = true;
        },
      }),
    );
    caller.abort();
    caller.abort();
    await Promise.resolve();
    expect(cancelled).toBe(true);
    expect(ends).toEqual([["cancelled", 0]]);
  });

  test("nothing is read ahead of the reader", async () => {
    let pulled = 0;
    const { stream } = start(
      new ReadableStream<Uint8Array>({
        pull(controller) {
          pulled += 1;
          controller.enqueue(chunk("x"));
        },
      }),
    );
    const reader = stream.getReader();
    for (let turn = 0; turn < 10; turn++) await reader.read();
    expect(pulled).toBeLessThan(13);
  });
});
