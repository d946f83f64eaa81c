/** Bodies over MAX_BODY_MB, sent by hand: a clean refusal to a client that is still sending, and nothing kept. */
import { expect, test } from "bun:test";
import { eventually, startTestHub } from "../../shared/testing/start_hub.ts";

const MB = 1_000_000;

test.each([
  ["with a length", false],
  ["in chunks", true],
])(
  "a body over the limit sent %s gets its 413 while the client is still sending, and is not kept",
  async (_, chunked) => {
    const hub = startTestHub({ environment: { MAX_BODY_MB: "2" } });
    await using _hub = { [Symbol.asyncDispose]: () => hub.stop() };
    const before = process.memoryUsage().rss;
    for (const path of ["/jobs", "/api/generate", "/api/create"]) {
      const { status, answer, answeredAt } = await sendByHand(hub.port, path, 300 * MB, chunked);
      expect(status).toBe(413);
      expect(answer).toContain("The body is larger than 2 MB (MAX_BODY_MB)");
      expect(answeredAt).toBeLessThan(200 * MB);
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * MB);
  },
);

/** Sends `total` bytes to `path` by hand and tells what came back, and how much had been sent when it came. */
async function sendByHand(port: number, path: string, total: number, chunked: boolean) {
  const piece = Buffer.alloc(1_000_000, 32);
  const framed = chunked ? Buffer.concat([Buffer.from("f4240\r\n"), piece, Buffer.from("\r\n")]) : piece;
  let [sent, answer, answeredAt] = [0, "", -1];
  const done = Promise.withResolvers<void>();
  let pending: Uint8Array = Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: hub\r\n${chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${total}`}\r\n\r\n`,
  );
  const push = (socket: Bun.Socket<undefined>) => {
    for (;;) {
      const written = socket.write(pending);
      pending = pending.subarray(written);
      if (pending.byteLength > 0) return;
      if (sent >= total) {
        if (chunked && sent === total) pending = Buffer.from("0\r\n\r\n");
        sent++;
        if (pending.byteLength > 0) continue;
        return;
      }
      pending = framed;
      sent += piece.byteLength;
    }
  };
  const socket = await Bun.connect<undefined>({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: push,
      drain: push,
      data(_, data) {
        if (answeredAt < 0) answeredAt = sent;
        answer += data.toString();
        if (sent > total) done.resolve();
      },
      close: () => done.resolve(),
      error: () => done.resolve(),
    },
  });
  await Promise.race([done.promise, eventually(() => expect(answer !== "" && sent > total).toBe(true))]);
  socket.terminate();
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]), answer, answeredAt };
}
