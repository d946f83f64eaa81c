/** The outcome table (`policy/failover.ts`), row by row, streamed and not, over real sockets. */
import { expect, test } from "bun:test";
import { chunk, type FakeNodeOptions, jsonResponse, STREAM_HEAD, startFakeNode } from "../shared/testing/fake_node.ts";
import type { FakeFault } from "../shared/testing/fake_ollama.ts";
import { expectedText } from "../shared/testing/fake_ollama.ts";
import { type Fleet, type FleetOptions, startFleet } from "../shared/testing/start_fleet.ts";
import { eventually } from "../shared/testing/start_hub.ts";

const PROMPT = "why";
const TOKENS = 8;
const WHOLE = expectedText(PROMPT, 0, TOKENS);

/** Model in memory on `a` only, so that of two idle nodes `a` is asked first. */
const A_FIRST: FleetOptions = { ollama: { loaded: [] }, ollamas: { a: { loaded: ["llama3:latest"] } } };

const webPage =
  `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 22\r\n\r\n<html>\n<p>Login</html>\n`.slice(0, -1);

/** What a client of /jobs ends up with. */
interface Received {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly lines: Record<string, unknown>[];
  /** The generated text. */
  readonly answer: string;
  /** The error line at the end, or null. */
  readonly errorLine: string | null;
}

async function ask(fleet: Pick<Fleet, "hub">, stream: boolean, more: object = {}): Promise<Received> {
  const response = await fleet.hub.job({ model: "llama3", prompt: PROMPT, stream, ...more });
  const text = await response.text();
  const lines = text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const last = lines.at(-1);
  return {
    status: response.status,
    headers: response.headers,
    text,
    lines,
    answer: lines.map((line) => line.response ?? "").join(""),
    errorLine: typeof last?.error === "string" ? last.error : null,
  };
}

const lastAttempts = async (fleet: Fleet) =>
  eventually(async () => {
    const [newest] = await fleet.hub.logs(1);
    if (!newest) throw new Error("the request is not in the log yet");
    return newest.attempts.map(({ node_id, outcome }) => `${node_id} ${outcome}`);
  });

const failureCount = async (fleet: Fleet, id: string) => (await fleet.hub.nodes()).get(id)?.failure_count;

for (const stream of [true, false]) {
  const how = stream ? "a streamed" : "a whole";

  test(`${how} answer comes from a node that has the model, with every token once`, async () => {
    await using fleet = await startFleet(A_FIRST);
    const got = await ask(fleet, stream);
    expect(got.status).toBe(200);
    expect(got.answer).toBe(WHOLE);
    expect(got.headers.get("x-node-id")).toBe("a");
    expect(got.headers.get("x-attempts")).toBe("1");
    expect(got.headers.get("content-type")).toBe(stream ? "application/x-ndjson" : "application/json; charset=utf-8");
  });

  // Row: the fault at node a → what the first attempt is called, and whether it counts against the node.
  test.each<[words: string, fault: FakeFault, outcome: string, counts: boolean]>([
    ["500", { kind: "status", status: 500 }, "server_error", true],
    ["502", { kind: "status", status: 502 }, "server_error", true],
    ["504", { kind: "status", status: 504 }, "server_error", true],
    ["an Ollama that resets the connection", { kind: "resetBeforeResponse" }, "server_error", true],
    ["an Ollama that closes the connection", { kind: "closeBeforeResponse" }, "server_error", true],
    ["a crashed runner", { kind: "runnerCrash" }, "runner_crashed", true],
    ["out of memory", { kind: "outOfMemory" }, "out_of_memory", false],
    ["404 model not found", { kind: "status", status: 404 }, "model_missing", false],
    ["429", { kind: "status", status: 429 }, "busy", false],
    ["503", { kind: "status", status: 503 }, "busy", false],
    ["an answer that breaks off in its first line", { kind: "resetAfterBytes", bytes: 20 }, "connection_lost", true],
    ["an answer that ends politely in its first line", { kind: "closeCleanly", bytes: 20 }, "truncated", true],
  ])(`${how} request survives %s at its first node`, async (_, fault, outcome, counts) => {
    await using fleet = await startFleet(A_FIRST);
    fleet.ollama("a").fault(fault);
    const got = await ask(fleet, stream);
    expect(got.status).toBe(200);
    expect(got.answer).toBe(WHOLE);
    expect(got.headers.get("x-node-id")).toBe("b");
    expect(got.headers.get("x-attempts")).toBe("2");
    expect(await lastAttempts(fleet)).toEqual([`a ${outcome}`, "b ok"]);
    expect(await failureCount(fleet, "a")).toBe(counts ? 1 : 0);
  });

  test.each([400, 413, 415, 422])(
    `${how} request that Ollama refuses with %p gets Ollama's words, and no second try`,
    async (status) => {
      await using fleet = await startFleet(A_FIRST);
      fleet.ollama("a").fault({ kind: "status", status, message: "this is wrong with it" });
      const got = await ask(fleet, stream);
      expect(got.status).toBe(status);
      expect(JSON.parse(got.text)).toEqual({ error: "this is wrong with it" });
      expect(fleet.ollama("b").counters.executions).toBe(0);
      expect(await failureCount(fleet, "a")).toBe(0);
    },
  );

  test(`${how} request finds the other node when its first one is switched off`, async () => {
    await using fleet = await startFleet(A_FIRST);
    await fleet.node("a").kill();
    const got = await ask(fleet, stream);
    expect(got.answer).toBe(WHOLE);
    expect(await lastAttempts(fleet)).toEqual(["a unreachable", "b ok"]);
    expect(await failureCount(fleet, "a")).toBe(1);
  });

  // What a node itself, not its Ollama, can do wrong.
  test.each<[words: string, onJob: FakeNodeOptions["onJob"], outcome: string]>([
    ["resets the connection", (socket) => socket.terminate(), "connection_lost"],
    ["closes the connection", (socket) => socket.end(), "connection_lost"],
    ["dies after the status line", (socket) => void socket.end("HTTP/1.1 200 OK\r\n"), "connection_lost"],
    [
      "redirects",
      (socket) => void socket.write("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
      "protocol_error",
    ],
    ["is no node at all", (socket) => void socket.write(jsonResponse({ detail: "Not Found" }, 404)), "protocol_error"],
    [
      "answers with half a JSON object",
      (socket) =>
        void socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{"a":'),
      "truncated",
    ],
    ["answers nothing at all", (socket) => void socket.write(STREAM_HEAD + chunk("")), "truncated"],
    ["shows a web page", (socket) => void socket.write(webPage), "protocol_error"],
    ["answers 204", (socket) => void socket.write("HTTP/1.1 204 No Content\r\n\r\n"), "protocol_error"],
    ["answers with JSON of its own", (socket) => void socket.write(jsonResponse({ hello: "world" })), "protocol_error"],
    ["answers with an empty object", (socket) => void socket.write(jsonResponse({})), "protocol_error"],
  ])(`${how} request survives a node that %s`, async (_, onJob, outcome) => {
    await using fleet = await startFleet({ nodes: ["b"], ollama: { loaded: [] } });
    using bad = startFakeNode({ nodeId: "a", onJob });
    await fleet.hub.heartbeat({ ...bad.heartbeat(), loaded: ["llama3:latest"] });
    const got = await ask(fleet, stream);
    expect(got.answer).toBe(WHOLE);
    expect(await lastAttempts(fleet)).toEqual([`a ${outcome}`, "b ok"]);
    expect(await failureCount(fleet, "a")).toBe(1);
  });

  test(`${how} request leaves a node that falls silent on every address`, async () => {
    const probeTimes = { busyEveryMs: 20, idleEveryMs: 1000, ejectedEveryMs: 1000, timeoutMs: 50, lostAfterMs: 200 };
    await using fleet = await startFleet({ nodes: ["b"], ollama: { loaded: [] }, hub: { probeTimes } });
    using frozen = startFakeNode({ nodeId: "a", onJob: () => {}, healthy: false });
    await fleet.hub.heartbeat({ ...frozen.heartbeat(), loaded: ["llama3:latest"] });
    const got = await ask(fleet, stream);
    expect(got.answer).toBe(WHOLE);
    expect(await lastAttempts(fleet)).toEqual(["a node_lost", "b ok"]);
    expect((await fleet.hub.nodes()).get("a")?.status).toBe("degraded");
  });

  test(`${how} request goes on when its first node gives no first byte in time`, async () => {
    await using fleet = await startFleet({
      ...A_FIRST,
      hub: { environment: { NODE_REQUEST_TIMEOUT: "0.2", WHOLE_ANSWER_TIMEOUT: "0.2" } },
    });
    fleet.ollama("a").fault({ kind: "hangBeforeHeaders" });
    const got = await ask(fleet, stream);
    expect(got.answer).toBe(WHOLE);
    expect(await lastAttempts(fleet)).toEqual(["a first_byte_timeout", "b ok"]);
    await eventually(() => expect(fleet.ollama("a").counters.running).toBe(0));
  });

  test(`${how} request that no node answers in time gets 504 and the story`, async () => {
    await using fleet = await startFleet({
      ...A_FIRST,
      hub: { environment: { NODE_REQUEST_TIMEOUT: "0.2", WHOLE_ANSWER_TIMEOUT: "0.2" } },
    });
    for (const id of ["a", "b"]) fleet.ollama(id).fault({ kind: "hangBeforeHeaders" });
    const got = await ask(fleet, stream);
    expect(got.status).toBe(504);
    expect(JSON.parse(got.text)).toEqual({
      detail: {
        message: "All candidate nodes failed to execute the job",
        errors: [
          { node_id: "a", message: "no answer within 0.2 s", status: 504 },
          { node_id: "b", message: "no answer within 0.2 s", status: 504 },
        ],
        job_id: got.headers.get("x-request-id"),
      },
    });
  });

  test(`${how} request waits longer for a node that says it is loading the model`, async () => {
    const probeTimes = { busyEveryMs: 50, idleEveryMs: 1000, ejectedEveryMs: 1000, timeoutMs: 500, lostAfterMs: 9000 };
    await using fleet = await startFleet({
      nodes: ["a"],
      ollama: { loaded: [], loadMs: 2500 },
      hub: {
        probeTimes,
        environment: { NODE_REQUEST_TIMEOUT: "1.8", WHOLE_ANSWER_TIMEOUT: "1.8", MODEL_LOAD_TIMEOUT: "20" },
      },
    });
    const got = await ask(fleet, stream);
    expect(got.answer).toBe(WHOLE);
    expect(fleet.ollama("a").counters.loads).toBe(1);
  });

  test(`${how} request that all nodes fail gets 503 in the user's own format`, async () => {
    await using fleet = await startFleet(A_FIRST);
    for (const id of ["a", "b"]) fleet.ollama(id).fault({ kind: "status", status: 500, message: `${id} is broken` });
    const got = await ask(fleet, stream);
    expect(got.status).toBe(503);
    expect(JSON.parse(got.text)).toEqual({
      detail: {
        message: "All candidate nodes failed to execute the job",
        errors: [
          { node_id: "a", message: "a is broken", status: 500 },
          { node_id: "b", message: "b is broken", status: 500 },
        ],
        job_id: got.headers.get("x-request-id"),
      },
    });
  });

  test(`${how} request for a model that its only holder has lost gets Ollama's 404`, async () => {
    await using fleet = await startFleet({ nodes: ["a"] });
    fleet.ollama("a").fault({ kind: "status", status: 404 });
    const got = await ask(fleet, stream);
    expect(got.status).toBe(404);
    expect(JSON.parse(got.text)).toEqual({ error: "model 'llama3' not found" });
    const again = await ask(fleet, stream);
    expect(again.status).toBe(503);
    expect(
      fleet.ollama("a").counters.requests - fleet.ollama("a").seen.filter((r) => r.method === "GET").length,
    ).toBeLessThanOrEqual(1);
  });

  test(`${how} request for a model that nobody has gets 503 in the user's words`, async () => {
    await using fleet = await startFleet({ nodes: ["a"] });
    const response = await fleet.hub.job({ model: "nope", prompt: "hi", stream });
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ detail: "No healthy nodes available for requested model" });
  });

  test(`${how} request that kills two runners stops there and does not visit the third`, async () => {
    await using fleet = await startFleet({ nodes: ["a", "b", "c"] });
    for (const id of ["a", "b", "c"]) fleet.ollama(id).fault({ kind: "runnerCrash" });
    const got = await ask(fleet, stream);
    expect(got.status).toBe(503);
    expect(await lastAttempts(fleet)).toHaveLength(2);
  });

  test(`${how} request waits while every slot is taken, and is served when one is free`, async () => {
    await using fleet = await startFleet({ nodes: ["a"], slots: 1, ollama: { tokensPerSecond: 100 } });
    const got = await Promise.all([ask(fleet, stream), ask(fleet, stream), ask(fleet, stream)]);
    expect(got.map(({ answer }) => answer)).toEqual([WHOLE, WHOLE, WHOLE]);
    expect(fleet.ollama("a").counters.peakRunning).toBe(1);
    const logs = await fleet.hub.logs(3);
    expect(logs.filter(({ queued_ms }) => queued_ms > 0)).toHaveLength(2);
  });

  test(`${how} request that waited too long is told when to come back`, async () => {
    await using fleet = await startFleet({
      nodes: ["a"],
      slots: 1,
      ollama: { firstTokenMs: 1000 },
      hub: { environment: { QUEUE_TIMEOUT: "0.2" } },
    });
    const first = ask(fleet, stream);
    await fleet.hub.nodeThat("a", (node) => node.active_jobs === 1);
    const second = await ask(fleet, stream);
    expect(second.status).toBe(503);
    expect(Number(second.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect((await fleet.hub.logs(1))[0]?.queued_ms).toBeGreaterThan(150);
    expect((await first).answer).toBe(WHOLE);
  });

  test(`${how} request finds the waiting room full`, async () => {
    await using fleet = await startFleet({
      nodes: ["a"],
      slots: 1,
      ollama: { firstTokenMs: 300 },
      hub: { environment: { QUEUE_SIZE: "0" } },
    });
    const first = ask(fleet, stream);
    await fleet.hub.nodeThat("a", (node) => node.active_jobs === 1);
    const second = await ask(fleet, stream);
    expect(second.status).toBe(503);
    expect(second.headers.has("retry-after")).toBe(true);
    expect((await first).answer).toBe(WHOLE);
  });

  test(`${how} request waits for a node that is busy for others too`, async () => {
    await using fleet = await startFleet({ nodes: ["a"] });
    fleet.ollama("a").fault({ kind: "status", status: 503 });
    const got = await ask(fleet, stream);
    expect(got.answer).toBe(WHOLE);
    expect(await lastAttempts(fleet)).toEqual(["a busy", "a ok"]);
  });

  test.each(["before the first byte", "in the middle"])(
    `a client that leaves ${how} request %s stops the work and blames nobody`,
    async (when) => {
      await using fleet = await startFleet({
        nodes: ["a"],
        ollama: when === "in the middle" ? { tokensPerSecond: 20, tokens: 1000 } : { firstTokenMs: 60_000 },
      });
      const leaving = new AbortController();
      const asked = fleet.hub
        .job({ model: "llama3", prompt: PROMPT, stream }, leaving.signal)
        .then(async (response) => {
          for await (const _ of response.body ?? []) leaving.abort();
        })
        .then(
          () => "answered",
          (error: Error) => error.name,
        );
      await eventually(() => expect(fleet.ollama("a").counters.executions).toBe(1));
      if (when === "before the first byte" || !stream) leaving.abort();
      expect(await asked).toBe("AbortError");
      await eventually(() => expect(fleet.ollama("a").counters.aborted).toBe(1));
      expect(fleet.ollama("a").counters.running).toBe(0);
      const node = await fleet.hub.nodeThat("a", (seen) => seen.active_jobs === 0);
      expect(node.failure_count).toBe(0);
      await eventually(async () => expect((await fleet.hub.logs(1))[0]?.status_code).toBe(499));
    },
  );
}

// Once the first byte is with the client, the only honest end of a broken stream is an error line.
test.each<[words: string, fault: FakeFault, error: RegExp, counts: number]>([
  ["is reset", { kind: "resetAfterBytes", bytes: 300 }, /broke/, 1],
  ["is closed", { kind: "closeAfterBytes", bytes: 300 }, /broke/, 1],
  ["ends politely without its last line", { kind: "closeCleanly", bytes: 300 }, /before it was complete/, 1],
  ["stops in the middle", { kind: "hangAfterTokens", tokens: 2 }, /stopped for 0.3 s/, 1],
  ["ends with an error line of Ollama's", { kind: "errorAfterTokens", tokens: 2 }, /unexpected EOF/, 1],
  ["ends because the runner crashed", { kind: "runnerCrash", tokens: 2 }, /terminated/, 1],
  [
    "goes on with something that is no JSON",
    { kind: "malformedAfterTokens", tokens: 2, line: "oops" },
    /before it was complete/,
    1,
  ],
])("a stream that %s ends with exactly one error line and no done", async (_, fault, error, counts) => {
  await using fleet = await startFleet({ ...A_FIRST, hub: { environment: { STREAM_IDLE_TIMEOUT: "0.3" } } });
  // Slow enough for the first token to reach the client alone.
  fleet.ollama("a").configure({ tokensPerSecond: 100 });
  fleet.ollama("a").fault(fault);
  const response = await fleet.hub.job({ model: "llama3", prompt: PROMPT });
  const lines = (await response.text()).trimEnd().split("\n");
  expect(response.status).toBe(200);
  expect(lines.filter((line) => line.includes('"error"'))).toHaveLength(1);
  expect(lines.filter((line) => line.includes('"done":true'))).toHaveLength(0);
  const last = JSON.parse(lines.at(-1) ?? "") as { error: string };
  expect(last.error).toMatch(error);
  expect(fleet.ollama("b").counters.executions).toBe(0);
  await eventually(async () => expect(await failureCount(fleet, "a")).toBe(counts));
  await fleet.hub.nodeThat("a", (node) => node.active_jobs === 0);
  expect((await fleet.hub.logs(1))[0]).toMatchObject({ success: false, status_code: 200 });
});

test("an Ollama older than 0.12.6, which answers 200 and an error line, is failed over like a newer one", async () => {
  await using fleet = await startFleet({
    ...A_FIRST,
    ollama: { loaded: [], version: "0.11.0" },
    ollamas: { a: { loaded: ["llama3:latest"], version: "0.11.0" } },
  });
  fleet.ollama("a").fault({ kind: "errorAfterTokens", tokens: 0 });
  const got = await ask(fleet, true);
  expect(got.answer).toBe(WHOLE);
  expect(await lastAttempts(fleet)).toEqual(["a server_error", "b ok"]);
});

test("three failures in a row degrade a node, and it gets no more work while another one can serve", async () => {
  await using fleet = await startFleet({ ollamas: { b: { models: ["other"] } } });
  fleet.ollama("a").fault({ kind: "status", status: 500, times: 3 });
  for (const prompt of ["one", "two", "three"]) expect((await ask(fleet, false, { prompt })).status).toBe(503);
  const degraded = await fleet.hub.nodeThat("a", ({ status }) => status === "degraded");
  expect(degraded).toMatchObject({ failure_count: 3, reason: expect.stringContaining("3 failures in a row") });

  fleet.ollama("b").setModels(["llama3"]);
  await fleet.hub.nodeThat("b", ({ models }) => models.includes("llama3:latest"));
  const served = await Promise.all(Array.from({ length: 8 }, () => ask(fleet, false)));
  expect(served.map(({ headers }) => headers.get("x-node-id"))).toEqual(Array(8).fill("b"));
});

test("the only node is used even when it is degraded: rather a try than a refusal", async () => {
  await using fleet = await startFleet({ nodes: ["a"] });
  fleet.ollama("a").fault({ kind: "status", status: 500, times: 3 });
  for (const prompt of ["one", "two", "three"]) expect((await ask(fleet, false, { prompt })).status).toBe(503);
  expect((await fleet.hub.nodes()).get("a")?.status).toBe("degraded");
  expect((await ask(fleet, false)).answer).toBe(WHOLE);
});

test('a busy node that says "at once" is not asked thousands of times', async () => {
  await using fleet = await startFleet({ nodes: [], hub: { environment: { QUEUE_TIMEOUT: "1.5" } } });
  using busy = startFakeNode({
    nodeId: "busy",
    onJob: (socket) =>
      void socket.write(
        "HTTP/1.1 503 X\r\nRetry-After: 0\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nbusy",
      ),
  });
  await fleet.hub.heartbeat(busy.heartbeat());
  expect((await ask(fleet, false)).status).toBe(503);
  expect(busy.jobs).toBeLessThan(4);
});

test.each([
  ["a question that runs no model", "/api/show", {}],
  ["unloading", "/api/generate", { keep_alive: 0 }],
])("%s asks a busy node again, and not thousands of times", async (_, path, more) => {
  await using fleet = await startFleet({
    nodes: [],
    hub: { environment: { QUEUE_TIMEOUT: "1.5", REQUEST_TIMEOUT: "3" } },
  });
  using busy = startFakeNode({
    nodeId: "busy",
    onJob: (socket) => void socket.write("HTTP/1.1 503 X\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nbusy"),
  });
  await fleet.hub.heartbeat({ ...busy.heartbeat(), capabilities: ["execute", "ollama"] });
  const body = JSON.stringify({ model: "llama3", ...more });
  expect((await fetch(`${fleet.hub.url}${path}`, { method: "POST", body })).status).toBe(503);
  expect(busy.jobs).toBeWithin(2, 5);
});

test("an answer that is not streamed may take longer than the first byte of a stream", async () => {
  const environment = { NODE_REQUEST_TIMEOUT: "0.2", WHOLE_ANSWER_TIMEOUT: "20" };
  await using fleet = await startFleet({ nodes: ["a"], ollama: { tokensPerSecond: 16 }, hub: { environment } });
  expect((await ask(fleet, false)).answer).toBe(WHOLE);
  expect(await failureCount(fleet, "a")).toBe(0);
});

test("requests for one model do not starve a request for another", async () => {
  await using fleet = await startFleet({
    nodes: ["a"],
    slots: 1,
    ollama: { models: ["llama3:latest", "other:latest"], firstTokenMs: 50 },
    hub: { environment: { QUEUE_TIMEOUT: "5" } },
  });
  let served = 0;
  let over = false;
  const greedy = Array.from({ length: 3 }, async () => {
    while (!over) served += (await ask(fleet, false)).status === 200 ? 1 : 0;
  });
  await eventually(() => expect(served).toBeGreaterThan(3));
  const before = served;
  const other = await ask(fleet, false, { model: "other" });
  const meanwhile = served - before;
  over = true;
  await Promise.all(greedy);
  expect(other.status).toBe(200);
  // Those that waited already go first, and no newcomer does.
  expect(meanwhile).toBeLessThanOrEqual(4);
});

test("a request that waits when the hub stops is told so", async () => {
  await using fleet = await startFleet({
    nodes: ["a"],
    slots: 1,
    ollama: { firstTokenMs: 60_000 },
    hub: { environment: { DRAIN_TIMEOUT: "0.3" } },
  });
  const running = ask(fleet, true);
  await fleet.hub.nodeThat("a", (node) => node.active_jobs === 1);
  const waiting = ask(fleet, true);
  const queue = async () => (await (await fetch(`${fleet.hub.url}/queue`)).json()) as { waiting: number };
  await eventually(async () => expect((await queue()).waiting).toBe(1));
  await fleet.hub.drain();
  for (const got of await Promise.all([running, waiting])) {
    expect(got.status).toBe(503);
    expect(JSON.parse(got.text)).toEqual({ detail: "The hub is shutting down" });
    expect(got.headers.get("retry-after")).toBe("5");
  }
});

test("REQUEST_TIMEOUT ends a request that waits, and it is not sent afterwards", async () => {
  await using fleet = await startFleet({ nodes: [], hub: { environment: { REQUEST_TIMEOUT: "0.5" } } });
  using busy = startFakeNode({
    nodeId: "busy",
    onJob: (socket) => void socket.write("HTTP/1.1 503 X\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"),
  });
  await fleet.hub.heartbeat(busy.heartbeat());
  const got = await ask(fleet, true);
  expect(got.status).toBe(503);
  expect(JSON.parse(got.text).detail).toContain("No slot became free in time");
  await Bun.sleep(1200);
  expect(busy.jobs).toBe(1);
});

test("what a node did when its agent was started again goes elsewhere at once, though its old connection stays open", async () => {
  await using fleet = await startFleet({ nodes: ["b"], ollama: { loaded: [] } });
  using silent = startFakeNode({ nodeId: "a", onJob: () => {} });
  const beat = { ...silent.heartbeat(), loaded: ["llama3:latest"] };
  await fleet.hub.heartbeat({ ...beat, boot_id: "one", seq: 1 });
  const asked = ask(fleet, true);
  await eventually(() => expect(silent.jobs).toBe(1));
  await fleet.hub.heartbeat({ ...beat, boot_id: "two", seq: 1 });
  expect((await asked).answer).toBe(WHOLE);
  expect(await lastAttempts(fleet)).toEqual(["a node_restarted", "b ok"]);
  expect(await failureCount(fleet, "a")).toBe(0);
});
