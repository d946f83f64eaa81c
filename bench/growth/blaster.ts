/** A process that sends heartbeats to a hub as fast as it answers, or so many a second: `bun blaster.ts`, told by messages. */

import { hashOf, newIdentity } from "../../shared/identity.ts";
import { HEADERS, PATHS } from "../../shared/protocol.ts";
import { heartbeatText } from "../../shared/signed_text.ts";
import { beatOf } from "./fleet.ts";

/** What it is asked for. */
export interface Blast {
  readonly port: number;
  /** Nodes that send in turn. */
  readonly nodes: number;
  /** Heartbeats altogether, at most. */
  readonly count: number;
  /** Milliseconds after which it stops; null for all of them. */
  readonly ms: number | null;
  /** Heartbeats a second; null for as many as are taken. */
  readonly rate: number | null;
  /** The boot id of the hub for which they are signed; null for unsigned ones. */
  readonly hubBootId: string | null;
}

export interface Blasted {
  readonly accepted: number;
  readonly refused: number;
  readonly ms: number;
}

const CONNECTIONS = 16;
/** Requests on their way on one connection. */
const DEPTH = 4;
const TICK_MS = 5;

if (import.meta.main) {
  process.on("message", async (blast: Blast) => {
    const requests = written(blast);
    // Where they send more than once they join before that.
    const joining = blast.count > blast.nodes ? requests.splice(0, blast.nodes) : [];
    const { refused } = await send({ ...blast, rate: null, ms: null }, joining);
    process.send?.("ready");
    const blasted = await send(blast, requests);
    process.send?.({ ...blasted, refused: blasted.refused + refused });
  });
}

/** The requests as bytes: writing and signing them must not count. */
function written({ nodes, count, hubBootId, port }: Blast): Buffer[] {
  const identities = Array.from({ length: hubBootId === null ? 0 : Math.min(nodes, count) }, () => newIdentity());
  return Array.from({ length: count }, (_, index) => {
    const [node, seq] = [index % nodes, Math.floor(index / nodes) + 1];
    const identity = identities[node];
    const bootId = `boot-${process.pid}-${node}`;
    // Names of its own for each start: a key belongs to a name.
    const id = hubBootId === null ? `node-${node}` : `signed-${process.pid}-${node}`;
    const body = Buffer.from(
      JSON.stringify({ ...beatOf(node), node_id: id, boot_id: bootId, seq, public_key: identity?.publicKey ?? null }),
    );
    const headers = [`POST ${PATHS.heartbeat} HTTP/1.1`, `Host: 127.0.0.1:${port}`, "Content-Type: application/json"];
    if (identity && hubBootId !== null) {
      const text = { method: "POST", path: PATHS.heartbeat, bodyHash: hashOf(body), bootId, seq, challenge: hubBootId };
      headers.push(`${HEADERS.challenge}: ${hubBootId}`, `${HEADERS.signature}: ${identity.sign(heartbeatText(text))}`);
    }
    headers.push(`Content-Length: ${body.byteLength}`, "", "");
    return Buffer.concat([Buffer.from(headers.join("\r\n")), body]);
  });
}

/** Sends them over several connections, those of one node over the same, since they have an order. */
async function send({ port, ms, rate, nodes }: Blast, requests: readonly Buffer[]): Promise<Blasted> {
  let [sent, accepted, refused] = [0, 0, 0];
  const began = performance.now();
  const isOver = () => ms !== null && performance.now() - began > ms;
  const mayGo = () => rate === null || sent < ((performance.now() - began) * rate) / 1000;
  const lanes = await Promise.all(
    Array.from({ length: CONNECTIONS }, async (_, lane) => {
      const queue = requests.filter((_, index) => (index % nodes) % CONNECTIONS === lane).reverse();
      let waiting = 0;
      let pending: Buffer = Buffer.alloc(0);
      const write = (bytes: Buffer) => {
        pending = bytes.subarray(socket.write(bytes));
      };
      const fill = (): boolean => {
        while (waiting < DEPTH && pending.byteLength === 0 && queue.length > 0 && !isOver() && mayGo()) {
          waiting++;
          sent++;
          write(queue.pop() ?? Buffer.alloc(0));
        }
        return waiting === 0 && (queue.length === 0 || isOver());
      };
      const socket = await Bun.connect({
        hostname: "127.0.0.1",
        port,
        socket: {
          data(_, data) {
            // No answer's body has these letters.
            const statuses = data.toString("latin1").match(/HTTP\/1\.1 \d+/g) ?? [];
            for (const status of statuses) status.endsWith("200") ? accepted++ : refused++;
            waiting -= statuses.length;
            fill();
          },
          drain: () => write(pending),
          error() {},
        },
      });
      return { socket, fill };
    }),
  );
  while (!lanes.map(({ fill }) => fill()).every(Boolean)) await Bun.sleep(TICK_MS);
  const took = performance.now() - began;
  for (const { socket } of lanes) socket.end();
  return { accepted, refused, ms: took };
}

/** Starts a process for one blast. */
export function startBlaster(blast: Blast): { readonly ready: Promise<void>; readonly ended: Promise<Blasted> } {
  const ready = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<Blasted>();
  const child = Bun.spawn([process.execPath, import.meta.path], {
    stdout: "inherit",
    stderr: "inherit",
    ipc(message: unknown) {
      if (message === "ready") return ready.resolve();
      ended.resolve(message as Blasted);
      child.kill();
    },
  });
  child.send(blast);
  return { ready: ready.promise, ended: ended.promise };
}
