/** Over real sockets: a stream of any family cut at any byte gives whole events and one error frame of its family. */
import { expect, test } from "bun:test";
import { startFakeNode } from "../../shared/testing/fake_node.ts";
import { startTestHub } from "../../shared/testing/start_hub.ts";
import { type RecordedStream, recordStreams } from "../testing/streams.ts";

const PARALLEL = 16;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const streams = await recordStreams(1);

type End = "resets" | "closes" | "ends politely";
const ENDS: readonly End[] = ["resets", "closes", "ends politely"];

/** A node that answers with the first bytes of `stream`, as many as the request says, and then fails as it says. */
function startCuttingNode({ bytes, contentType }: RecordedStream) {
  const chunk = (piece: Uint8Array) =>
    Buffer.concat([encoder.encode(`${piece.length.toString(16)}\r\n`), piece, encoder.encode("\r\n")]);
  return startFakeNode({
    nodeId: "a",
    onJob(socket, job) {
      const { cut, how, piece } = JSON.parse(job) as { cut: number; how: End; piece: number };
      socket.write(`HTTP/1.1 200 OK\r\nContent-Type: ${contentType}\r\nTransfer-Encoding: chunked\r\n\r\n`);
      for (let at = 0; at < cut; at += piece) socket.write(chunk(bytes.subarray(at, Math.min(cut, at + piece))));
      // A moment later, so that what was written arrives before the reset throws it away.
      setTimeout(() => {
        if (how === "ends politely") socket.write("0\r\n\r\n");
        else if (how === "closes") socket.end();
        else socket.terminate();
      }, 2);
    },
  });
}

test.each(streams.map((stream) => [stream.path, stream] as const))(
  "a stream of %s cut at every offset ends either whole or with one error frame",
  async (path, stream) => {
    using node = startCuttingNode(stream);
    const hub = startTestHub({ environment: { NODE_MAX_FAILURES: "1000" } });
    try {
      await hub.heartbeat({ ...node.heartbeat(), capabilities: ["execute", "ollama"], slots: 64 });
      const { face, bytes, wholeAt } = stream;
      const whole = decoder.decode(bytes);

      async function cutAt(cut: number): Promise<void> {
        const how = ENDS[cut % ENDS.length] ?? "resets";
        // In one piece, or in many.
        const body = { ...stream.request, cut, how, piece: cut % 2 === 0 ? bytes.length + 1 : 1 + (cut % 97) };
        const response = await fetch(hub.url + path, { method: "POST", body: JSON.stringify(body) });
        const received = await response.bytes();
        if (response.status !== 200) {
          expect({ cut, status: response.status }).toEqual({ cut, status: 503 });
          // Where the connection broke, what arrived with the break may be lost before anybody read it.
          if (how === "ends politely") expect(face.framing.endOfLastFrame(bytes.subarray(0, cut))).toBe(0);
          return expect(face.isAnswer(JSON.parse(decoder.decode(received)), "")).toBe(
            face.isAnswer({ error: "x" }, ""),
          );
        }
        expect(response.headers.get("content-type")).toBe(stream.contentType);
        const text = decoder.decode(received);
        const end = face.framing.readLast(received);
        if (end.kind === "done") {
          expect(cut).toBeGreaterThanOrEqual(wholeAt);
          return expect(whole).toStartWith(text);
        }
        if (end.kind !== "error") throw new Error(`cut at ${cut} it ends with ${text.slice(-100)}`);
        const frame = decoder.decode(face.errorFrame(end.message));
        expect(text).toEndWith(frame);
        const passed = text.slice(0, -frame.length);
        expect(whole).toStartWith(passed);
        expect(face.framing.endOfLastFrame(encoder.encode(passed))).toBe(passed.length);
        // Here too what arrived with the break may be lost, were it the last of all.
        if (how === "ends politely") expect(cut).toBeLessThan(bytes.length);
      }

      const offsets = Array.from({ length: bytes.length + 1 }, (_, offset) => offset);
      for (let first = 0; first < offsets.length; first += PARALLEL) {
        await Promise.all(offsets.slice(first, first + PARALLEL).map(cutAt));
      }
      const node_a = (await hub.nodes()).get("a");
      expect(node_a?.active_jobs).toBe(0);
    } finally {
      await hub.stop();
    }
  },
  60_000,
);
