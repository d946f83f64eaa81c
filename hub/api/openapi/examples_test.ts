/** The document tells the truth: every example in it is sent to a real fleet, and the answer is as it is described. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { z } from "zod";
import { MODELS } from "../../../shared/testing/contract/wire_examples.ts";
import { type Fleet, startFleet } from "../../../shared/testing/start_fleet.ts";
import { startTestHub, type TestHub } from "../../../shared/testing/start_hub.ts";
import { OPERATIONS } from "./document.ts";
import { nodeAnswer } from "./fleet.ts";
import type { Example, HeaderName, Operation, RequestBody } from "./operation.ts";
import { requestRecord } from "./requests.ts";

const RARE: ReadonlySet<HeaderName> = new Set(["Retry-After", "X-Queue-Position"]);

let fleet: Fleet;
beforeAll(async () => {
  // The nodes and models that the examples name.
  fleet = await startFleet({
    nodes: ["gaming-pc", "office-mac"],
    ollama: { models: [...MODELS, "llama3", "mistral"], registry: ["qwen2.5:7b"] },
  });
});
afterAll(() => fleet[Symbol.asyncDispose]());

function addressOf({ path, parameters = [] }: Operation, base = fleet.hub.url): string {
  const inPath = parameters.filter((each) => each.in === "path");
  const target = inPath.reduce((filled, { name, example }) => filled.replace(`:${name}`, String(example)), path);
  const query = parameters.filter((each) => each.in === "query").map(({ name, example }) => `${name}=${example}`);
  return base + target.replace(":file", "logs.html") + (query.length > 0 ? `?${query.join("&")}` : "");
}

function bodyOf(
  { type = "application/json" }: RequestBody,
  value: unknown,
): { body: string | FormData; type: string | null } {
  if (type === "application/json") return { body: JSON.stringify(value), type };
  if (type !== "multipart/form-data") return { body: String(value), type };
  const form = new FormData();
  for (const [name, field] of Object.entries(value as Record<string, string>)) {
    if (name === "file") form.append(name, new Blob(["RIFF"]), field);
    else form.append(name, field);
  }
  return { body: form, type: null };
}

function send(operation: Operation, example: Example | null): Promise<Response> {
  const { method, request } = operation;
  if (!request || !example) return fetch(addressOf(operation), { method });
  const { body, type } = bodyOf(request, example.value);
  return fetch(addressOf(operation), { method, body, ...(type === null ? {} : { headers: { "content-type": type } }) });
}

/** The JSON in an answer: itself, or every line, or every event's data. */
function jsonIn(type: string, text: string): unknown[] {
  if (type === "application/x-ndjson")
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  if (type !== "text/event-stream") return [JSON.parse(text)];
  const data = text.split("\n").filter((line) => line.startsWith("data: "));
  return data.filter((line) => line !== "data: [DONE]").map((line) => JSON.parse(line.slice("data: ".length)));
}

/** @throws the first thing in `response` that the description of `operation` does not say. */
async function compare(operation: Operation, response: Response): Promise<void> {
  const text = operation.endless && response.ok ? await beginningOf(response) : await response.text();
  const answer = operation.answers[response.status] ?? operation.answers.default;
  expect({ status: response.status, text, described: answer !== undefined }).toMatchObject({ described: true });
  // Only a full queue has a time to name, and nobody waits here.
  const headers: readonly HeaderName[] = [...(answer?.headers ?? []), "X-Hub-Boot-Id"];
  for (const name of headers.filter((each) => !RARE.has(each) && !isUnserved(response, each))) {
    expect([name, response.headers.has(name)]).toEqual([name, true]);
  }
  const type = (response.headers.get("content-type") ?? "").replace(/;.*/, "");
  if (answer?.content === undefined) return expect(text).toBe("");
  expect(Object.keys(answer.content)).toContain(type);
  const schema = answer.content[type];
  if (!schema) return;
  const answers = jsonIn(type, text);
  expect(answers.length).toBeGreaterThan(0);
  for (const json of answers) {
    const read = schema.safeParse(json);
    if (!read.success) throw new Error(`${JSON.stringify(json)} is not as described: ${z.prettifyError(read.error)}`);
  }
}

/** What comes at once of an answer that does not end. */
async function beginningOf(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const { value } = (await reader?.read()) ?? {};
  await reader?.cancel();
  return new TextDecoder().decode(value);
}

/** Where the hub itself refuses there is no node to name. */
function isUnserved(response: Response, header: HeaderName): boolean {
  return header === "X-Node-Id" && response.status >= 400;
}

/** What the stand-in for Ollama does not have. */
const NOT_IN_STAND_IN = ["deleteKey"];

for (const operation of OPERATIONS.filter(({ id }) => !NOT_IN_STAND_IN.includes(id))) {
  const { method, path, request } = operation;
  describe(`${method} ${path}`, () => {
    for (const example of request ? Object.values(request.examples) : [null]) {
      const name = example === null ? "without a body" : `example "${example.summary}"`;
      test(`${name} is answered as described`, async () => {
        const response = await send(operation, example);
        if (example !== null) expect({ status: response.status }).toEqual({ status: example.status ?? 200 });
        await compare(operation, response);
      });
    }
  });
}

test("what both streamed and whole answers are described for, examples show both", () => {
  for (const { path, request, answers } of OPERATIONS) {
    const types = Object.keys(answers[200]?.content ?? {}).filter((type) => /ndjson|event-stream/.test(type));
    if (types.length === 0 || !request) continue;
    const streams = Object.values(request.examples).map(({ value }) => (value as { stream?: boolean }).stream);
    const asks = types.includes("text/event-stream") ? true : undefined;
    expect([path, streams.includes(asks)]).toEqual([path, true]);
  }
});

test("a browser gets the dashboard where others get a sign of life", async () => {
  const operation = OPERATIONS.find(({ id }) => id === "showDashboard");
  const response = await fetch(`${fleet.hub.url}/`, { headers: { accept: "text/html" } });
  expect(response.headers.get("content-type")).toStartWith("text/html");
  if (operation) await compare(operation, response);
});

test("of the hub's own answers every field is described", async () => {
  const nodes = await (await fetch(`${fleet.hub.url}/nodes`)).json();
  const logs = await fleet.hub.logs();
  expect(z.array(nodeAnswer.strict()).min(2).safeParse(nodes).error?.message).toBeUndefined();
  expect(z.array(requestRecord.strict()).min(2).safeParse(logs).error?.message).toBeUndefined();
});

interface Changed {
  readonly headers?: Record<string, string>;
  /** Fields that differ from the example's. */
  readonly fields?: Record<string, unknown>;
  readonly hub?: TestHub;
}

/** The first example of `operation`, sent in another way. */
function sendFirst(operation: Operation, { headers: more = {}, fields, hub = fleet.hub }: Changed): Promise<Response> {
  const [example] = Object.values(operation.request?.examples ?? {});
  const address = addressOf(operation, hub.url);
  if (!operation.request || !example) return fetch(address, { method: operation.method, headers: more });
  const value = fields === undefined ? example.value : { ...(example.value as object), ...fields };
  const { body, type } = bodyOf(operation.request, value);
  return fetch(address, {
    method: operation.method,
    body,
    headers: type === null ? more : { ...more, "content-type": type },
  });
}

const pinned = OPERATIONS.filter(({ pin }) => pin !== undefined);
const served = pinned.filter(({ tag }) => tag !== "Models" && tag !== "Account");
const managing = pinned.filter(({ tag }) => tag === "Models");
/** Refused before a node is looked for. */
const CLOUD_ONLY = ["searchWeb", "fetchWeb"];

test.each(pinned.filter(({ id }) => !CLOUD_ONLY.includes(id)))(
  "$method $path pinned to a node that is not there is refused as described",
  async (operation) => {
    const response = await sendFirst(operation, { headers: { "x-node-id": "nobody" } });
    expect(response.status).toBe(404);
    await compare(operation, response);
  },
);

test.each(served)("$method $path refuses a model at a cloud service as described", async (operation) => {
  const response = await sendFirst(operation, { fields: { model: "gpt-oss:120b-cloud" } });
  expect(response.status).toBe(403);
  await compare(operation, response);
});

test.each(managing)("$method $path on all nodes at once is answered as described", async (operation) => {
  await compare(operation, await sendFirst(operation, { headers: { "x-node-id": "*" } }));
});

describe("on a hub without nodes that takes small bodies only and lets nobody manage models", () => {
  let hub: TestHub;
  beforeAll(() => {
    hub = startTestHub({ environment: { MAX_BODY_MB: "0.001", MANAGEMENT: "off" } });
  });
  afterAll(() => hub.stop());

  test.each(OPERATIONS)("$method $path is answered as described", async (operation) => {
    const response = await sendFirst(operation, { hub });
    if (operation.tag === "Models") expect(response.status).toBe(403);
    await compare(operation, response);
  });

  test.each(served)("$method $path refuses a large body as described", async (operation) => {
    const response = await sendFirst(operation, { hub, fields: { more: "x".repeat(2000) } });
    expect(response.status).toBe(413);
    await compare(operation, response);
  });
});

describe("on a hub without nodes", () => {
  let hub: TestHub;
  beforeAll(() => {
    hub = startTestHub();
  });
  afterAll(() => hub.stop());

  test.each(pinned)("$method $path is answered as described", async (operation) => {
    await compare(operation, await sendFirst(operation, { hub }));
  });
});
