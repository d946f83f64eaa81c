/** Managing models on a node that misbehaves: whatever it does, the client hears a success or an error. */
import { expect, test } from "bun:test";
import { chunk, jsonResponse, STREAM_HEAD, startFakeNode } from "../../shared/testing/fake_node.ts";
import { startTestHub } from "../../shared/testing/start_hub.ts";
import { PROBE_TIMES } from "../fleet/probe.ts";
import { ask, closeAfterEach, closeLater, errorOf, linesOf } from "../testing/managed_fleet.ts";

closeAfterEach();

const first = `${JSON.stringify({ status: "pulling manifest" })}\n`;

/**
 * A hub with this one node, which answers every request but those for its lists with `bytes`. Then it closes the
 * connection, unless it is to stay; `later` has to resolve before.
 */
async function oneBadNode(bytes: string, later: Promise<unknown> | "stays" = Promise.resolve()) {
  const hub = startTestHub({ probeTimes: { ...PROBE_TIMES, busyEveryMs: 20, timeoutMs: 100, lostAfterMs: 200 } });
  const node = startFakeNode({
    nodeId: "bad",
    onJob(socket, job) {
      if (job === "") return void socket.write(jsonResponse({}, 404));
      socket.write(bytes);
      if (later !== "stays") void later.then(() => socket.end());
    },
  });
  closeLater({
    async [Symbol.asyncDispose]() {
      await hub.stop();
      node[Symbol.dispose]();
    },
  });
  await hub.heartbeat({ ...node.heartbeat(), capabilities: ["execute", "ollama"] });
  return { hub, node };
}

test.each<[how: string, bytes: string, error: string]>([
  ["breaks off between two lines", STREAM_HEAD + chunk(first), "the connection to the node broke"],
  ["breaks off in a line", STREAM_HEAD + chunk(`${first}{"status":"succ`), "the connection to the node broke"],
  ["ends without a last line", STREAM_HEAD + chunk(first) + chunk(""), "the node's answer ended before it was done"],
  ["says what is no JSON", STREAM_HEAD + chunk(`${first}<html>\n`) + chunk(""), "the node's answer is not Ollama's"],
])("a pull that %s ends in an error line and no success", async (_, bytes, error) => {
  const begun = Promise.withResolvers<void>();
  const fleet = await oneBadNode(bytes, begun.promise);
  const response = await ask(fleet, "/api/pull", { model: "x" });
  begun.resolve();
  const lines = await linesOf(response);
  expect(lines.map((line) => Object.keys(line)[0])).toEqual(["status", "error"]);
  expect(String(lines[1]?.error)).toStartWith(error);
  expect((await fleet.hub.logs(1))[0]).toMatchObject({
    success: false,
    attempts: [{ node_id: "bad", outcome: "failed" }],
  });
});

test("a last line without a line feed is a last line", async () => {
  const fleet = await oneBadNode(STREAM_HEAD + chunk(`${first}{"status":"success"}`) + chunk(""));
  expect(await (await ask(fleet, "/api/pull", { model: "x" })).text()).toBe(`${first}{"status":"success"}`);
});

test("nothing follows a success", async () => {
  const fleet = await oneBadNode(STREAM_HEAD + chunk(`${first}{"status":"success"}\n${first}`) + chunk(""));
  expect(await (await ask(fleet, "/api/pull", { model: "x" })).text()).toBe(`${first}{"status":"success"}\n`);
});

const page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>";
test.each<[how: string, path: string, body: unknown, bytes: string, status: number, error: string]>([
  [
    "breaks off before its first line",
    "/api/pull",
    { model: "x" },
    STREAM_HEAD,
    502,
    "bad: the connection to the node",
  ],
  [
    "is somebody else's",
    "/api/pull",
    { model: "x", stream: false },
    page,
    502,
    "bad: what answers there is not Ollama",
  ],
  ["is somebody else's", "/api/pull", { model: "x" }, page, 502, "bad: the node's answer is not Ollama's"],
  ["is somebody else's", "/api/delete", { model: "x" }, page, 502, "bad: what answers there is not Ollama"],
  ["is the agent's", "/api/pull", { model: "x" }, jsonResponse({ detail: "Oh no" }, 502), 502, "bad: Oh no"],
  ["is a redirect", "/api/copy", { source: "llama3" }, "HTTP/1.1 302 X\r\nContent-Length: 0\r\n\r\n", 502, "bad: what"],
])("an answer that %s to %s becomes an error in Ollama's shape", async (_, path, body, bytes, status, error) => {
  const fleet = await oneBadNode(bytes);
  const [got, text] = await errorOf(await ask(fleet, path, body));
  expect(got).toBe(status);
  expect(text).toStartWith(error);
});

test("a node that falls silent altogether is lost, and its pull with it", async () => {
  const fleet = await oneBadNode(STREAM_HEAD + chunk(first), "stays");
  const response = await ask(fleet, "/api/pull", { model: "x" });
  fleet.node.setHealthy(false);
  const lines = await linesOf(response);
  expect(String(lines.at(-1)?.error)).toStartWith("no answer on any address for");
  expect((await fleet.hub.nodes()).get("bad")?.trust).toBe("ejected");
});

test("the hub that stops ends a pull with an error line", async () => {
  const fleet = await oneBadNode(STREAM_HEAD + chunk(first), "stays");
  const response = await ask(fleet, "/api/pull", { model: "x" });
  const [lines] = await Promise.all([linesOf(response), fleet.hub.stop()]);
  expect(lines.at(-1)).toEqual({ error: "the hub is shutting down" });
});
