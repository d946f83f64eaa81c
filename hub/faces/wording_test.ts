import { expect, test } from "bun:test";
import type { Refusal } from "../job.ts";
import { type NotFound, notFound, notFoundAsListed, notFoundTryPulling, wordRefusal } from "./wording.ts";

const busy = "server busy, please try again.  maximum pending requests exceeded";
const failures = [
  { nodeId: "a", message: "connection refused", status: 502 },
  { nodeId: "b", message: "no answer in 120 s", status: 504 },
];

test.each<[refusal: Refusal, status: number, message: string]>([
  [{ kind: "unknown_model" }, 404, "model 'Llama3' not found"],
  [
    { kind: "no_node", reasons: ["a: draining", "b: offline"] },
    503,
    "no node can serve model 'Llama3' now: a: draining; b: offline (GET /nodes shows the state of every node)",
  ],
  [
    { kind: "no_node", reasons: [] },
    503,
    "no node can serve model 'Llama3' now: no node has joined this hub (GET /nodes shows the state of every node)",
  ],
  [{ kind: "pin_impossible", message: "there is no node z" }, 404, "there is no node z"],
  [
    { kind: "all_failed", failures, timedOut: false },
    503,
    "every node that was tried failed: a: connection refused; b: no answer in 120 s",
  ],
  [
    { kind: "all_failed", failures, timedOut: true },
    504,
    "no node answered in time: a: connection refused; b: no answer in 120 s",
  ],
  [{ kind: "queue_full", waiting: 9, retryAfterSeconds: 2 }, 503, busy],
  [{ kind: "queue_timeout", waiting: 9, retryAfterSeconds: 2 }, 503, busy],
  [{ kind: "stopping" }, 503, "the hub is shutting down, please try again in a few seconds"],
  [
    { kind: "exhausted", message: "too many open files" },
    503,
    "the hub cannot take more at the moment, please try again: too many open files",
  ],
  [{ kind: "not_passed", status: 413, message: "too large" }, 413, "too large"],
])("%j is worded", (refusal, status, message) => {
  expect(wordRefusal("Llama3", refusal, notFound)).toEqual({ status, message });
});

test("a request that names no model is not told about a model", () => {
  const { message } = wordRefusal("", { kind: "no_node", reasons: ["a: offline"] }, notFound);
  expect(message).toStartWith("no node can serve this request now: a: offline");
});

test.each<[route: string, unknown: NotFound, model: string, message: string]>([
  ["generate", notFound, "Nope", "model 'Nope' not found"],
  ["embed", notFoundTryPulling, "Nope", 'model "Nope" not found, try pulling it first'],
  ["show", notFoundAsListed, "nope", "model 'nope:latest' not found"],
  ["show", notFoundAsListed, "registry.ollama.ai/library/nope:7b", "model 'nope:7b' not found"],
  ["show", notFoundAsListed, "someone/nope", "model 'someone/nope:latest' not found"],
])("%s names an unknown model its own way", (_, unknown, model, message) => {
  expect(wordRefusal(model, { kind: "unknown_model" }, unknown)).toEqual({ status: 404, message });
});
