import { afterEach, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { exchangeBytes } from "../shared/testing/fake_ollama_wire.ts";
import { everybody, startNode } from "../shared/testing/start_node.ts";
import { readWhole } from "./arrival.ts";

const toEnd: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0)) await end();
});

/** A server that answers with what `readWhole` made of the body, 10 bytes at most. */
function start() {
  const results: string[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const read = await readWhole(request, 10);
      results.push(typeof read === "string" ? read : `<${new TextDecoder().decode(read)}>`);
      return new Response(results.at(-1) ?? "");
    },
  });
  toEnd.push(() => server.stop(true));
  return { port: server.port ?? 0, results };
}

const withLength = (length: number, body: string) =>
  `POST / HTTP/1.1\r\nHost: n\r\nContent-Length: ${length}\r\n\r\n${body}`;
const inChunks = (...chunks: string[]) =>
  `POST / HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: chunked\r\n\r\n${chunks.map((each) => `${each.length.toString(16)}\r\n${each}\r\n`).join("")}`;

describe("readWhole", () => {
  test.each([
    ["no body", "POST / HTTP/1.1\r\nHost: n\r\n\r\n", "<>"],
    ["an empty one", withLength(0, ""), "<>"],
    ["one of known length", withLength(10, "0123456789"), "<0123456789>"],
    ["chunks", `${inChunks("0123", "456789")}0\r\n\r\n`, "<0123456789>"],
    ["one that announces too much", withLength(11, ""), "too_large"],
    ["chunks that become too much", inChunks("0123", "4567890"), "too_large"],
  ])("reads %s", async (_name, bytes, expected) => {
    const { port } = start();
    expect((await exchangeBytes(port, bytes)).body).toBe(expected);
  });

  test.each([inChunks(), inChunks("0123"), withLength(5, ""), withLength(5, "0123")])(
    "a body that breaks off is none (%j)",
    async (bytes) => {
      const { port, results } = start();
      for (const how of ["destroy", "resetAndDestroy"] as const) {
        const socket = connect(port, "127.0.0.1");
        await new Promise((resolve) => socket.write(bytes, resolve));
        await Bun.sleep(30);
        socket[how]();
        await Bun.sleep(30);
      }
      expect(results).toEqual(["gone", "gone"]);
    },
  );
});

test.each(["/execute", "/ollama/api/generate"])(
  "a prompt of more than 256 MB is refused in words (%s)",
  async (path) => {
    const node = await startNode({ gate: everybody });
    toEnd.push(node.stop);
    const announced = `POST ${path} HTTP/1.1\r\nHost: n\r\nContent-Length: ${256 * 2 ** 20 + 1}\r\n\r\n`;
    const { head, body } = await exchangeBytes(node.port, announced);
    expect(head).toStartWith("HTTP/1.1 413 ");
    expect(JSON.parse(body)).toEqual({
      detail: "The body of a request that runs a model may have at most 268435456 bytes",
    });
  },
);
