import { expect, test } from "bun:test";
import fc from "fast-check";
import { modelKey } from "../../shared/model_name.ts";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import type { Job, NodeFailure, Refusal } from "../job.ts";
import { createRequestLog } from "../request_log.ts";
import { type JobRequest, jobsFace, placeJob, readJob } from "./jobs.ts";

const bytes = (body: unknown) => new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body));
const job = { model: "llama3", prompt: "Why is the sky blue?" };

/** The job as a node gets it. */
const executed = (request: JobRequest): unknown => JSON.parse(new TextDecoder().decode(placeJob("id-1", request).body));

test.each<[body: unknown, detail: string]>([
  ["", 'The body is empty: expected JSON such as {"model": "llama3", "prompt": "Hello"}'],
  ["{", "The body is not valid JSON"],
  ["model=llama3", "The body is not valid JSON"],
  ["[]", "expected object, received array"],
  ["null", "expected object, received null"],
  ["{}", "model: is required (string); prompt: is required (string)"],
  [{ prompt: "x" }, "model: is required (string)"],
  [{ model: "llama3" }, "prompt: is required (string)"],
  [{ ...job, model: "" }, "model: must name a model, such as qwen2.5:7b"],
  [{ ...job, model: "  " }, "model: must name a model, such as qwen2.5:7b"],
  [{ ...job, model: 7 }, "model: expected string, received number"],
  [{ ...job, prompt: null }, "prompt: expected string, received null"],
  [{ ...job, prompt: ["x"] }, "prompt: expected string, received array"],
  [{ ...job, options: [] }, "options: expected record, received array"],
  [{ ...job, options: "hot" }, "options: expected record, received string"],
  [{ ...job, stream: "false" }, "stream: expected boolean, received string"],
  [
    { ...job, stream: 0, options: 1 },
    "options: expected record, received number; stream: expected boolean, received number",
  ],
])("the body %j is refused, naming the field and why", (body, detail) => {
  expect(readJob(bytes(body))).toBe(detail);
});

test("a model name longer than any is refused, naming the field", () => {
  expect(readJob(bytes({ ...job, model: "m".repeat(513) }))).toStartWith("model: ");
  expect(readJob(bytes({ ...job, model: "m".repeat(512) }))).toBeObject();
});

test("whatever bytes come, reading a job gives a job or a sentence", () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), fc.json().map(bytes)), (any) => {
      const read = readJob(any);
      if (typeof read === "string") expect(read).not.toBe("");
      else expect(read.model).toBeString();
    }),
  );
});

test("a job is streamed unless it says otherwise", () => {
  expect(placeJob("id", job).stream).toBe(true);
  expect(placeJob("id", { ...job, stream: null }).stream).toBe(true);
  expect(placeJob("id", { ...job, stream: false }).stream).toBe(false);
  expect(executed(job)).toMatchObject({ stream: true });
  expect(executed({ ...job, stream: false })).toMatchObject({ stream: false });
});

test("options stay under options, and a node always finds an object there", () => {
  expect(executed({ ...job, options: { temperature: 0.7, nested: { a: 1 } } })).toEqual({
    ...job,
    options: { temperature: 0.7, nested: { a: 1 } },
    stream: true,
    job_id: "id-1",
  });
  expect(executed(job)).toMatchObject({ options: {} });
  expect(executed({ ...job, options: null })).toMatchObject({ options: {} });
});

test("fields the hub does not know reach the node as they came, in any Unicode", () => {
  const rest = {
    system: "be brief ☃ 日本",
    images: ["aGk="],
    keep_alive: "5m",
    format: { type: "object" },
    suffix: null,
  };
  const read = readJob(bytes({ ...job, ...rest }));
  if (typeof read === "string") throw new Error(read);
  expect(executed(read)).toMatchObject({ ...job, ...rest });
});

test("the hub's job id stands, whatever the client calls the job", () => {
  expect(executed({ ...job, job_id: "mine" })).toMatchObject({ job_id: "id-1" });
});

test("a job goes to /execute, under the model name as written and compared as Ollama compares", () => {
  const read = readJob(bytes({ ...job, model: " Llama3 " }));
  if (typeof read === "string") throw new Error(read);
  expect(placeJob("id", read)).toMatchObject({ path: "/execute", model: "Llama3", key: modelKey("llama3:latest") });
});

const failures: NodeFailure[] = [{ nodeId: "ollama-node-1", message: "Connection timeout", status: 503 }];
const allFailed = (timedOut: boolean): Refusal => ({ kind: "all_failed", failures, timedOut });
const forAllFailed = {
  message: "All candidate nodes failed to execute the job",
  errors: [{ node_id: "ollama-node-1", message: "Connection timeout", status: 503 }],
  job_id: "id-1",
};

test.each<[refusal: Refusal, status: number, detail: unknown]>([
  [{ kind: "no_node" }, 503, "No healthy nodes available for requested model"],
  [allFailed(false), 503, forAllFailed],
  [allFailed(true), 504, forAllFailed],
  [
    { kind: "queue_full", waiting: 512, retryAfterSeconds: 7 },
    503,
    "All slots are taken and 512 requests wait already; try again in 7 s",
  ],
  [{ kind: "queue_timeout", waiting: 3, retryAfterSeconds: 7 }, 503, "No slot became free in time; try again in 7 s"],
  [{ kind: "stopping" }, 503, "The hub is shutting down"],
])("a client of /jobs is told %j in the user's shape", (refusal, status, detail) => {
  const log = createRequestLog({ clock: fakeClock(), keepPrompts: true, onFinish: () => {} });
  const record = log.begin({
    requestId: "id-1",
    clientIp: "",
    endpoint: "/jobs",
    method: "POST",
    model: "llama3",
    stream: true,
    json: job,
  });
  const asked: Job = {
    id: "id-1",
    ...placeJob("id-1", job),
    signal: new AbortController().signal,
    deadlineAt: 0,
    record,
  };
  expect(jobsFace.refuse(asked, refusal)).toEqual({ status, body: { detail } });
});
