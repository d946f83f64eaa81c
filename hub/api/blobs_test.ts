/** Blobs through the hub, over real sockets: where they go, and that nothing of them is kept on the way. */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { startFakeNode } from "../../shared/testing/fake_node.ts";
import type { Fleet } from "../../shared/testing/start_fleet.ts";
import { eventually, startTestHub } from "../../shared/testing/start_hub.ts";
import { closeAfterEach, closeLater, fleetOf } from "../testing/managed_fleet.ts";

closeAfterEach();

const MB = 1_000_000;

interface Blob {
  readonly digest: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

function blob(text: string, size = text.length): Blob {
  const bytes = new Uint8Array(size).fill(7);
  bytes.set(new TextEncoder().encode(text));
  return { bytes, digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}` };
}

/** Uploads it in pieces, without a length as Ollama's own program does, or with one. */
function upload({ hub }: Pick<Fleet, "hub">, { digest, bytes }: Blob, node = "", length = false) {
  const pieces = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let at = 0; at < bytes.byteLength; at += 65_536) controller.enqueue(bytes.slice(at, at + 65_536));
      controller.close();
    },
  });
  return fetch(`${hub.url}/api/blobs/${digest}`, {
    method: "POST",
    body: length ? bytes : pieces,
    headers: { "content-type": "application/json", ...(node ? { "x-node-id": node } : {}) },
  });
}

/** Status, node and body of an answer. */
async function seen(response: Response): Promise<[status: number, nodes: string | null, body: string]> {
  return [response.status, response.headers.get("x-node-id"), await response.text()];
}

/** Whether each node has it, as its own Ollama says. */
function having(fleet: Fleet, { digest }: Blob, ...ids: string[]): Promise<boolean[]> {
  const head = (id: string) => fetch(`${fleet.ollama(id).url}/api/blobs/${digest}`, { method: "HEAD" });
  return Promise.all(ids.map(async (id) => (await head(id)).status === 200));
}

const head = ({ hub }: Fleet, { digest }: Blob, node = "") =>
  fetch(`${hub.url}/api/blobs/${digest}`, { method: "HEAD", headers: node ? { "x-node-id": node } : {} });

const create = ({ hub }: Fleet, model: string, files: Readonly<Record<string, string>>, node = "") =>
  fetch(`${hub.url}/api/create`, {
    method: "POST",
    headers: node ? { "x-node-id": node } : {},
    body: JSON.stringify({ model, files }),
  });

test.each([
  ["with its length", true],
  ["in chunks", false],
])("a blob sent %s is stored on one node, and the second time it is there already", async (_, length) => {
  const fleet = await fleetOf({ a: ["one", "two"], b: ["one"] });
  const large = blob("large", 3_000_000);
  expect(await seen(await upload(fleet, large, "", length))).toEqual([201, "b", ""]);
  expect(await having(fleet, large, "a", "b")).toEqual([false, true]);
  expect(await seen(await upload(fleet, large, "", length))).toEqual([200, "b", ""]);
  const got = fleet.ollama("b").seen.find(({ method }) => method === "POST");
  const names = got?.headers.map(([name]) => name.toLowerCase()) ?? [];
  expect(names.includes("content-length")).toBe(length);
});

test("several blobs sent at once and the model made of them meet on one node", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one"], c: ["one"] });
  const blobs = ["x", "y", "z"].map((text) => blob(text, 300_000));
  const answers = await Promise.all(blobs.map(async (each) => seen(await upload(fleet, each))));
  expect(answers).toEqual(Array(3).fill([201, "a", ""]));
  // By now another node would be more sensible.
  fleet.ollama("a").setModels(["one", "two", "three"]);
  await fetch(`${fleet.hub.url}/api/tags`);
  const files = Object.fromEntries(blobs.map(({ digest }, index) => [`${index}.gguf`, digest.replace(":", "-")]));
  const response = await create(fleet, "mine", files);
  expect(response.headers.get("x-node-id")).toBe("a");
  expect(await response.text()).toEndWith('{"status":"success"}\n');
});

test("a blob goes where the one before went, also where a person had named that node", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one", "two"] });
  expect(await seen(await upload(fleet, blob("x"), "b"))).toEqual([201, "b", ""]);
  expect(await seen(await upload(fleet, blob("y")))).toEqual([201, "b", ""]);
  await fleet.node("b").drain();
  expect(await seen(await upload(fleet, blob("z")))).toEqual([201, "a", ""]);
});

test("a model made of a blob that was there already is made where it is", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one", "two"] });
  const known = blob("known");
  await upload(fleet, known, "b");
  await upload(fleet, blob("other"), "a");
  const response = await create(fleet, "mine", { "known.gguf": known.digest });
  expect(response.headers.get("x-node-id")).toBe("b");
});

test("HEAD says 200 only where every node asked has it", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one"] });
  const one = blob("one");
  expect((await head(fleet, one)).status).toBe(404);
  expect((await upload(fleet, one, "a")).status).toBe(201);
  const statuses = async () =>
    (await Promise.all(["", "a", "b", "*"].map((node) => head(fleet, one, node)))).map(({ status }) => status);
  expect(await statuses()).toEqual([200, 200, 404, 404]);
  expect((await upload(fleet, one, "b")).status).toBe(201);
  expect(await statuses()).toEqual([200, 200, 200, 200]);
  expect((await head(fleet, { ...one, digest: "sha256:12" })).status).toBe(400);
});

test("a blob for all nodes is 201 while one of them stores it, and 200 when all had it", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one"], c: ["one"] });
  const large = blob("for all", 5_000_000);
  expect((await upload(fleet, large, "b")).status).toBe(201);
  expect(await seen(await upload(fleet, large, "*"))).toEqual([201, "a,b,c", ""]);
  expect(await having(fleet, large, "a", "b", "c")).toEqual([true, true, true]);
  expect(await seen(await upload(fleet, large, "*"))).toEqual([200, "a,b,c", ""]);
  const response = await create(fleet, "mine", { "x.gguf": large.digest }, "*");
  expect(await response.text()).toEndWith('{"status":"success"}\n');
});

test("a blob that is not what its digest says is refused in Ollama's words", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one"] });
  const wrong = { ...blob("text"), digest: blob("other").digest };
  const one = await upload(fleet, wrong);
  const words = `digest mismatch, expected "${wrong.digest}", got "${blob("text").digest}"`;
  expect([one.status, await one.json()]).toEqual([400, { error: words }]);
  const all = await upload(fleet, wrong, "*");
  expect([all.status, await all.json()]).toEqual([400, { error: `${words} (failed on a, b; succeeded on no node)` }]);
  expect((await head(fleet, wrong)).status).toBe(404);
});

test("a node that dies in the middle of a blob for all does not hold up the others", async () => {
  const fleet = await fleetOf({ a: ["one"] });
  const dies = startFakeNode({ nodeId: "dies", onJob: (socket) => socket.terminate() });
  closeLater({ [Symbol.asyncDispose]: async () => dies[Symbol.dispose]() });
  await fleet.hub.heartbeat({ ...dies.heartbeat(), capabilities: ["execute", "ollama"] });
  const large = blob("for all", 5_000_000);
  expect(await seen(await upload(fleet, large, "*"))).toEqual([201, "a", ""]);
  expect(await having(fleet, large, "a")).toEqual([true]);
  expect((await fleet.hub.logs(1))[0]).toMatchObject({ success: false, error: expect.stringContaining("dies: ") });
});

test("a client that breaks off leaves nothing behind, on one node or on all", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one"] });
  for (const node of ["a", "*"]) {
    const leaving = new AbortController();
    const [first, rest] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          controller.enqueue(new Uint8Array(100_000));
          first.resolve();
          await rest.promise;
        },
      },
      { highWaterMark: 0 },
    );
    const { digest } = blob("never");
    const sending = fetch(`${fleet.hub.url}/api/blobs/${digest}`, {
      method: "POST",
      body,
      signal: leaving.signal,
      headers: { "x-node-id": node },
    });
    await first.promise;
    // Of one that has gone before it is looked at nobody can tell where it came from: it gets nowhere, and into no log.
    await eventually(() => expect(fleet.hub.running()).toBe(1));
    leaving.abort();
    await sending.catch(() => {});
    await eventually(async () => expect((await fleet.hub.logs(1))[0]).toMatchObject({ status_code: 499 }));
    rest.resolve();
  }
  // An upload that still went on would keep its node from going.
  await Promise.all([fleet.node("a").drain(), fleet.node("b").drain()]);
});

test("a blob passes through at the pace of the slowest node, whatever its size, and is not kept", async () => {
  const hub = startTestHub();
  // Two nodes that take what comes only when the test lets them, and answer at the end.
  const takers = ["x", "y"].map(() => slowTaker());
  closeLater({
    async [Symbol.asyncDispose]() {
      await hub.stop();
      for (const taker of takers) taker.server.stop(true);
    },
  });
  for (const [index, { server }] of takers.entries()) {
    const beat = { node_id: `node-${index}`, port: server.port, ipv4: "127.0.0.1", models: ["one"], metadata: {} };
    await hub.heartbeat({ ...beat, capabilities: ["execute", "ollama"] });
  }
  let sent = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (sent >= 400 * MB) return controller.close();
        sent += MB;
        controller.enqueue(new Uint8Array(MB));
      },
    },
    { highWaterMark: 0 },
  );
  const [first, second] = takers;
  if (!first || !second) throw new Error("two takers");
  const { digest } = blob("any");
  const answer = fetch(`${hub.url}/api/blobs/${digest}`, { method: "POST", body, headers: { "x-node-id": "*" } });
  first.go();
  await first.begun;
  // As long as the second does not move, the first gets no further than what lies in buffers.
  let before = -1;
  await eventually(() => {
    const stands = before === sent && sent > 0;
    before = sent;
    expect(stands).toBe(true);
  });
  expect(sent).toBeLessThan(100 * MB);
  second.go();
  expect((await answer).status).toBe(201);
  expect([first.taken(), second.taken()]).toEqual([400 * MB, 400 * MB]);
});

/** A node that reads an upload only once it is told to `go`, and then all of it. */
function slowTaker() {
  const [going, begun] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let taken = 0;
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    async fetch(request) {
      if (!request.url.includes("/blobs/")) return Response.json({}, { status: 404 });
      await going.promise;
      for await (const piece of request.body ?? []) {
        taken += piece.byteLength;
        begun.resolve();
      }
      return new Response(null, { status: 201 });
    },
  });
  return { server, begun: begun.promise, go: going.resolve, taken: () => taken };
}
