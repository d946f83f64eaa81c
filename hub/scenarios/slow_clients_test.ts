/** Clients that hold connections and do nothing with them: the others are served, and these are cut. */
import { expect, test } from "bun:test";
import { startFleet } from "../../shared/testing/start_fleet.ts";
import { eventually } from "../../shared/testing/start_hub.ts";

const IDLE = 500;
const SLOW = 50;
/** Seconds; 30 in the field. */
const IDLE_TIMEOUT = 4;

test("500 idle connections and 50 senders of a byte a second keep nobody from being served, and are cut", async () => {
  await using fleet = await startFleet({ nodes: ["a"], hub: { idleTimeoutSeconds: IDLE_TIMEOUT } });
  const { port } = fleet.hub;
  const startedAt = performance.now();
  const cutAfter: number[] = [];
  const sockets: Bun.Socket<undefined>[] = [];
  const connect = async (head: string) => {
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data() {},
        close() {
          cutAfter.push((performance.now() - startedAt) / 1000);
        },
        error() {},
      },
    });
    socket.write(head);
    sockets.push(socket);
    return socket;
  };
  const body = "POST /api/generate HTTP/1.1\r\nHost: hub\r\nContent-Length: 1000\r\n\r\n";
  await Promise.all(Array.from({ length: IDLE }, () => connect("")));
  const slow = await Promise.all(Array.from({ length: SLOW }, (_, index) => connect(index % 2 ? body : "POST /api/")));
  const drip = setInterval(() => {
    for (const socket of slow) socket.write("x");
  }, 1000);
  try {
    const queue = async () => (await (await fetch(`${fleet.hub.url}/queue`)).json()) as { bodies: { held: number } };
    for (let look = 0; look < 200 && cutAfter.length < IDLE + SLOW; look++) {
      const answer = await fleet.hub.job({ model: "llama3", prompt: "hi" });
      expect(answer.status).toBe(200);
      await answer.text();
      await Bun.sleep(100);
    }
    console.log(`${cutAfter.length} cut, the last after ${Math.max(...cutAfter).toFixed(1)} s`);
    expect(cutAfter).toHaveLength(IDLE + SLOW);
    // What the slow ones had announced is given back.
    await eventually(async () => expect((await queue()).bodies.held).toBe(0));
  } finally {
    clearInterval(drip);
    for (const socket of sockets) socket.terminate();
  }
}, 60_000);
