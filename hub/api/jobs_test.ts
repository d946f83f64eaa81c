import { expect, test } from "bun:test";
import fc from "fast-check";
import { modelKey } from "../../shared/model_name.ts";
import type { NodeFailure, Refusal } from "../job.ts";
import { jobsFace, readJob } from "./jobs.ts";
import type { Draft } from "./serve.ts";

const bytes = (body: unknown) => new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body));
const job = { model: "llama3", prompt: "Why is the sky blue?" };

/** What is wrong with `body`, or null. */
function problemOf(body: unknown): string | null {
  const read = readJob("id-1", bytes(body));
  return "problem" in read ? read.problem : null;
}

/** The job in `body`, which has to be one. */
function jobIn(body: unknown): Draft {
  const read = readJob("id-1", bytes(body));
  if ("problem" in read) throw new Error(read.problem);
  return read;
}

/** The job as a node gets it. */
const executed = (body: unknown): unknown => JSON.parse(new TextDecoder().decode(jobIn(body).body));

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
  [{ ...job, options: [] }, "options: expected object, received array"],
  [{ ...job, options: "hot" }, "options: expected object, received string"],
  [{ ...job, stream: "false" }, "stream: expected boolean, received string"],
  [
    { ...job, stream: 0, options: 1 },
    "options: expected object, received number; stream: expected boolean, received number",
  ],
])("the body %j is refused, naming the field and why", (body, detail) => {
  expect(problemOf(body)).toBe(detail);
});

test("a model name longer than any is refused, naming the field", () => {
  expect(problemOf({ ...job, model: "m".repeat(513) })).toStartWith("model: ");
  expect(problemOf({ ...job, model: "m".repeat(512) })).toBeNull();
});

test("a body nested too deeply to be written again is refused, not an error of the hub's", () => {
  const deep = `{"model":"llama3","prompt":"x","options":{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}}`;
  expect(problemOf(deep)).toBe("The body is nested too deeply");
});

test.each<[answer: unknown, isOne: boolean]>([
  [{ model: "m", response: "hi", done: true }, true],
  [{ model: "m", response: "hi", done: false }, true],
  [{ error: "no" }, true],
  [{}, false],
  [{ detail: "Not Found" }, false],
  [[], false],
  ["done", false],
  [undefined, false],
])("%j as a whole answer of Ollama's: %p", (answer, isOne) => {
  expect(jobsFace.isAnswer(answer, "")).toBe(isOne);
});

test("whatever bytes come, reading a job gives a job or a sentence", () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), fc.json().map(bytes)), (any) => {
      const read = readJob("id-1", any);
      if ("problem" in read) expect(read.problem).not.toBe("");
      else expect(read.model).toBeString();
    }),
  );
});

test("a job is streamed unless it says otherwise", () => {
  expect(jobIn(job).stream).toBe(true);
  expect(jobIn({ ...job, stream: null }).stream).toBe(true);
  expect(jobIn({ ...job, stream: false }).stream).toBe(false);
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
  expect(executed({ ...job, ...rest })).toMatchObject({ ...job, ...rest });
});

test("the hub's job id stands, whatever the client calls the job", () => {
  expect(executed({ ...job, job_id: "mine" })).toMatchObject({ job_id: "id-1" });
});

test("a job goes to /execute, under the model name as written and compared as Ollama compares", () => {
  expect(jobIn({ ...job, model: " Llama3 " })).toMatchObject({
    path: "/execute",
    model: "Llama3",
    key: modelKey("llama3:latest"),
  });
});

const failures: NodeFailure[] = [{ nodeId: "ollama-node-1", message: "Connection timeout", status: 503 }];
const allFailed = (timedOut: boolean): Refusal => ({ kind: "all_failed", failures, timedOut });
const forAllFailed = {
  message: "All candidate nodes failed to execute the job",
  errors: [{ node_id: "ollama-node-1", message: "Connection timeout", status: 503 }],
  job_id: "id-1",
};

test.each<[refusal: Refusal, status: number, detail: unknown]>([
  [{ kind: "unknown_model" }, 503, "No healthy nodes available for requested model"],
  [{ kind: "no_node", reasons: ["a: offline"] }, 503, "No healthy nodes available for requested model"],
  [{ kind: "pin_impossible", message: "there is no such node" }, 404, "there is no such node"],
  [{ kind: "not_passed", status: 413, message: "too large" }, 413, "too large"],
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
  const written = jobsFace.refuse({ id: "id-1", model: "llama3" }, refusal);
  expect({ ...written, text: JSON.parse(written.text) }).toEqual({
    status,
    contentType: "application/json;charset=utf-8",
    text: { detail },
  });
});
