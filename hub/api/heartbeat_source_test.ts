/** From where a heartbeat came decides which addresses of it are believed, also when its sender has hung up since. */
import { expect, test } from "bun:test";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { startTestHub } from "../../shared/testing/start_hub.ts";

/** An address of this machine that is not loopback: as if a neighbour sent it. */
const neighbour = Object.values(networkInterfaces())
  .flatMap((each) => each ?? [])
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;

const BEAT = { ipv4: "127.0.0.1", ipv6: "::1", port: 8001, models: ["llama3"], metadata: {} };

/** Sends a heartbeat from `from` and cuts the connection with a reset as soon as its last byte is out. */
function beatAndReset(from: string, port: number, id: string): Promise<void> {
  const body = JSON.stringify({ node_id: id, ...BEAT });
  const head = `POST /nodes/heartbeat HTTP/1.1\r\nHost: ${from}\r\nContent-Length: ${body.length}\r\n\r\n`;
  return new Promise((resolve) => {
    const socket = connect({ host: from, port, localAddress: from });
    socket.on("error", () => {});
    socket.on("close", () => resolve());
    socket.write(head + body.slice(0, 10));
    setTimeout(() => {
      socket.write(body.slice(10));
      socket.resetAndDestroy();
    }, 60);
  });
}

test.skipIf(neighbour === undefined)(
  "a heartbeat from the network whose sender resets the connection does not get the hub to dial its own loopback",
  async () => {
    const from = neighbour ?? "";
    const hub = startTestHub({ environment: { HUB_HOST: "0.0.0.0", TRUSTED_NETWORKS: `${from}/32` } });
    await Promise.all(Array.from({ length: 10 }, (_, index) => beatAndReset(from, hub.port, `n${index}`)));
    await fetch(`http://${from}:${hub.port}/nodes/heartbeat`, {
      method: "POST",
      body: JSON.stringify({ node_id: "stays", ...BEAT }),
    });
    const { routes } = await hub.nodeThat("stays", () => true);
    expect(routes.map(({ address }) => address)).toEqual([from]);
    const addresses = [...(await hub.nodes()).values()].flatMap((node) => node.routes.map(({ address }) => address));
    expect(new Set(addresses)).toEqual(new Set([from]));
    await hub.stop();
  },
);
