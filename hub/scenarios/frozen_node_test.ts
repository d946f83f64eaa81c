/** A node that takes connections and says nothing more: a question that runs no model must not wait for it for minutes. */
import { expect, test } from "bun:test";
import { startFakeNode } from "../../shared/testing/fake_node.ts";
import { startTestHub } from "../../shared/testing/start_hub.ts";

test("a question to a frozen node is given up as fast as a generation, and goes elsewhere", async () => {
  const frozen = startFakeNode({ nodeId: "a", onJob: () => {}, healthy: false });
  const answer = JSON.stringify({ details: {}, model_info: {} });
  const alive = startFakeNode({
    nodeId: "b",
    onJob: (socket) =>
      void socket.write(
        `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${answer.length}\r\n\r\n${answer}`,
      ),
  });
  const probeTimes = { busyEveryMs: 50, idleEveryMs: 60_000, ejectedEveryMs: 60_000, timeoutMs: 50, lostAfterMs: 200 };
  const hub = startTestHub({ probeTimes });
  try {
    for (const node of [frozen, alive]) await hub.heartbeat({ ...node.heartbeat(), capabilities: ["ollama"] });
    const startedAt = performance.now();
    const show = await fetch(`${hub.url}/api/show`, { method: "POST", body: '{"model":"llama3"}' });
    expect([show.status, show.headers.get("x-node-id"), frozen.jobs]).toEqual([200, "b", 1]);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    expect((await hub.logs())[0]?.attempts.map(({ outcome }) => outcome)).toEqual(["node_lost", "ok"]);
  } finally {
    await hub.stop();
    frozen[Symbol.dispose]();
    alive[Symbol.dispose]();
  }
});
