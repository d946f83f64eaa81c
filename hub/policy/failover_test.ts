import { expect, test } from "bun:test";
import fc from "fast-check";
import { DECLINE_REASONS, type DeclineReason } from "../../shared/protocol.ts";
import {
  type FailureKind,
  MOST_ATTEMPTED_NODES,
  mayFailOver,
  type Reading,
  RULES,
  readAnswer,
  readErrorLine,
} from "./failover.ts";

/** What each kind of failure is, and what was decided about it; how many of its group a request survives. */
const design: Record<FailureKind, { row: string; counts: boolean; failsOver: boolean; survives: number }> = {
  unreachable: { row: "connect refused, unreachable, timed out", counts: true, failsOver: true, survives: 9 },
  connection_lost: { row: "reset or EOF before an answer", counts: true, failsOver: true, survives: 1 },
  node_lost: { row: "node lost (15 s)", counts: true, failsOver: true, survives: 1 },
  node_restarted: { row: "its agent was started again", counts: false, failsOver: true, survives: 1 },
  first_byte_timeout: { row: "no first byte in NODE_REQUEST_TIMEOUT", counts: true, failsOver: true, survives: 1 },
  stalled: { row: "stall between chunks", counts: true, failsOver: true, survives: 2 },
  truncated: { row: "end without done:true", counts: true, failsOver: true, survives: 2 },
  protocol_error: { row: "an answer that is none of Ollama's", counts: true, failsOver: true, survives: 2 },
  model_missing: { row: "404 model not found", counts: false, failsOver: true, survives: 2 },
  route_missing: { row: "404 route not there", counts: false, failsOver: true, survives: 2 },
  busy: { row: "429, 503 busy", counts: false, failsOver: true, survives: 9 },
  declined: { row: "draining, Ollama down", counts: false, failsOver: true, survives: 9 },
  out_of_memory: { row: "500 out of memory", counts: false, failsOver: true, survives: 2 },
  runner_crashed: { row: "runner crashed", counts: true, failsOver: true, survives: 1 },
  server_error: { row: "other 500, 502, 504", counts: true, failsOver: true, survives: 1 },
  deadline: { row: "the request took too long altogether", counts: false, failsOver: false, survives: 0 },
  hub_stopping: { row: "the hub stops", counts: false, failsOver: false, survives: 0 },
  hub_exhausted: { row: "the hub has no descriptors left", counts: false, failsOver: false, survives: 0 },
};
const kinds = Object.keys(design) as FailureKind[];

test("the table of this test has every kind of failure", () => {
  expect(kinds.toSorted()).toEqual((Object.keys(RULES) as FailureKind[]).toSorted());
});

test.each(kinds.map((kind) => [design[kind].row, kind] as const))("%s: %s is ruled as the design says", (_, kind) => {
  const { counts, failsOver } = RULES[kind];
  expect({ counts, failsOver }).toEqual({ counts: design[kind].counts, failsOver: design[kind].failsOver });
});

test.each(kinds)("a request that meets nothing but %s goes on exactly as often as the design says", (kind) => {
  const survives = Array.from({ length: 9 }, (_, index) => mayFailOver(Array<FailureKind>(index + 1).fill(kind)));
  expect(survives.filter(Boolean)).toHaveLength(design[kind].survives);
  expect(survives.indexOf(false)).toBe(design[kind].survives === 9 ? -1 : design[kind].survives);
});

test("only a node that is busy or just being restarted is asked again by the same request", () => {
  expect(kinds.filter((kind) => RULES[kind].sameNodeLater)).toEqual(["busy", "declined"]);
});

test.each<[what: string, goesOn: "goes on" | "ends", failures: FailureKind[]]>([
  ["nothing has failed yet", "goes on", []],
  ["two nodes are switched off and one crashed", "goes on", ["unreachable", "unreachable", "connection_lost"]],
  ["four nodes are switched off", "goes on", ["unreachable", "unreachable", "unreachable", "unreachable"]],
  ["three nodes got it", "ends", ["stalled", "truncated", "out_of_memory"]],
  ["two got it and one declined", "goes on", ["stalled", "declined", "truncated"]],
  ["two got it and one was busy", "goes on", ["stalled", "truncated", "busy"]],
  ["three got it, the last could not be reached", "ends", ["stalled", "truncated", "model_missing", "unreachable"]],
  ["the second loss follows the first at once", "ends", ["connection_lost", "node_lost"]],
  ["the second loss is of another kind", "ends", ["first_byte_timeout", "connection_lost"]],
  ["the second loss comes after something else", "ends", ["node_lost", "unreachable", "connection_lost"]],
  ["two runners died", "ends", ["runner_crashed", "busy", "runner_crashed"]],
  ["two servers erred", "ends", ["server_error", "server_error"]],
  ["one runner died and one server erred", "goes on", ["runner_crashed", "server_error"]],
  ["one loss and one crash", "goes on", ["connection_lost", "runner_crashed"]],
  ["the time is up after one busy node", "ends", ["busy", "deadline"]],
  ["the hub stops", "ends", ["unreachable", "hub_stopping"]],
])("when %s the request %s", (_, goesOn, failures) => {
  expect(mayFailOver(failures)).toBe(goesOn === "goes on");
});

test("whatever happens, a request is sent to three nodes at most and loses or crashes two at most", () => {
  const sent = kinds.filter((kind) => kind !== "unreachable" && kind !== "busy" && kind !== "declined");
  const losses: FailureKind[] = ["connection_lost", "node_lost", "first_byte_timeout"];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...kinds), { maxLength: 20 }), (fates) => {
      const failures: FailureKind[] = [];
      for (const fate of fates) {
        if (!mayFailOver(failures)) break;
        failures.push(fate);
      }
      const count = (of: readonly FailureKind[]) => failures.filter((kind) => of.includes(kind)).length;
      expect(count(sent)).toBeLessThanOrEqual(MOST_ATTEMPTED_NODES);
      expect(count(losses)).toBeLessThanOrEqual(2);
      expect(count(["runner_crashed"])).toBeLessThanOrEqual(2);
      expect(count(["server_error"])).toBeLessThanOrEqual(2);
    }),
    { numRuns: 1000 },
  );
});

type Kind = Reading["kind"];

/** Statuses with Ollama's own words. */
test.each<[status: number, text: string, kind: Kind]>([
  [201, "", "protocol_error"],
  [204, "", "protocol_error"],
  [301, "", "protocol_error"],
  [304, "", "protocol_error"],
  [400, "invalid model name", "rejected"],
  [400, '"llama3" does not support thinking', "rejected"],
  [400, "the prompt is longer than the context length currently available", "rejected"],
  [400, "missing request body", "rejected"],
  [401, "unauthorized", "rejected"],
  [403, "ollama cloud is disabled: remote model is unavailable", "rejected"],
  [405, "405 method not allowed", "rejected"],
  [413, "request body too large", "rejected"],
  [415, "", "rejected"],
  [422, "", "rejected"],
  [404, "404 page not found", "route_missing"],
  [404, "Not found: POST /ollama/v1/messages", "route_missing"],
  [404, "the page was not found", "protocol_error"],
  [404, "model 'nope' not found", "model_missing"],
  [404, "model '' not found", "model_missing"],
  [404, "model 'nope:latest' not found", "model_missing"],
  [404, 'model "nope" not found, try pulling it first', "model_missing"],
  [404, "pull model manifest: file does not exist", "model_missing"],
  [404, "", "protocol_error"],
  [408, "", "server_error"],
  [499, "request canceled", "server_error"],
  [429, "too many requests", "busy"],
  [503, "server busy, please try again.  maximum pending requests exceeded", "busy"],
  [500, "model requires more system memory (5.6 GiB) than is available (3.1 GiB)", "out_of_memory"],
  [500, "llama runner process has terminated: cudaMalloc failed: out of memory", "out_of_memory"],
  [500, "not enough memory", "out_of_memory"],
  [500, "llama-server process has terminated: signal: killed", "runner_crashed"],
  [500, "llama-server process has terminated: exit status 2", "runner_crashed"],
  [500, "llama runner process no longer running: -1 ", "runner_crashed"],
  [500, "timed out waiting for llama-server to start", "server_error"],
  [500, "an error was encountered while running the model: unexpected EOF", "server_error"],
  [500, "", "server_error"],
  [501, "this model does not support embeddings", "rejected"],
  [501, "", "rejected"],
  [500, 'invalid format: "xml"; expected "json" or a valid JSON Schema object', "rejected"],
  [500, 'option "num_ctx" must be of type integer', "rejected"],
  [500, 'the runner said: option "num_ctx" must be of type integer', "server_error"],
  [500, "an invalid format: x", "server_error"],
  [502, "", "server_error"],
  [504, "", "server_error"],
])("a node that answers %p %p is read as %p", (status, text, kind) => {
  expect(readAnswer(status, text, null).kind).toBe(kind);
});

test.each(DECLINE_REASONS)("a node's own word %p weighs more than its status and text", (declined) => {
  const kinds: Record<DeclineReason, FailureKind> = {
    busy: "busy",
    draining: "declined",
    ollama_down: "declined",
    ticket: "declined",
    wrong_node: "unreachable",
  };
  const expected = kinds[declined];
  expect(readAnswer(503, "server busy", declined).kind).toBe(expected);
  expect(readAnswer(500, "out of memory", declined).kind).toBe(expected);
});

test.each<[text: string, kind: Kind]>([
  ["an error was encountered while running the model: unexpected EOF", "server_error"],
  ["llama-server process has terminated: signal: killed", "runner_crashed"],
  ["llama runner process has terminated: cudaMalloc failed: out of memory", "out_of_memory"],
  ["the input length exceeds the context length", "rejected"],
  ["the prompt is longer than the context length currently available", "rejected"],
  ['"llama3" does not support tools', "rejected"],
  ["invalid grammar", "rejected"],
  ['option "seed" must be of type integer', "rejected"],
  ["invalid format: 7", "rejected"],
  ["CUDA error: invalid device function", "server_error"],
  ["llama runner process has terminated: CUDA error: invalid argument", "runner_crashed"],
])("a stream that ends with the error line %p is read as %p", (text, kind) => {
  expect(readErrorLine(text).kind).toBe(kind);
});
