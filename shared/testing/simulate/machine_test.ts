import { expect, test } from "bun:test";
import {
  createMachine,
  KEEP_ALIVE_MS,
  loadMs,
  type Machine,
  type MachineSpec,
  memoryOf,
  type Work,
  type WorkTimes,
} from "./machine.ts";

const MODELS = ["a", "b", "c", "d"].map((name) => ({ name, gb: 1 }));
const SPEC: MachineSpec = {
  id: "machine",
  memoryGb: 100,
  diskGbPerSecond: 1,
  promptSpeed: 1000,
  answerSpeed: 100,
  parallel: 2,
  slots: 2,
  maxLoaded: 3,
  cpuOnly: false,
  models: MODELS,
};
/** One second of prompt, one of answer. */
const WORK: Work = {
  id: 0,
  model: "a",
  context: null,
  promptTokens: 1000,
  knownTokens: 0,
  outputTokens: 100,
  conversation: null,
};
const LOAD = loadMs(SPEC, { name: "a", gb: 1 });

/** A machine, when its first tokens came and its answers ended, by id. */
function started(changes: Partial<MachineSpec> = {}, serialShare?: number) {
  const first = new Map<number, number>();
  const ended = new Map<number, WorkTimes & { at: number }>();
  let now = 0;
  const machine: Machine = createMachine(
    { ...SPEC, ...changes },
    {
      firstToken: ({ id }) => first.set(id, Math.round(now)),
      ended: ({ id }, times) => ended.set(id, { ...times, at: Math.round(now) }),
    },
    serialShare,
  );
  return {
    machine,
    first,
    ended,
    submit: (work: Partial<Work>) => machine.submit({ ...WORK, ...work }, now),
    until(at: number) {
      for (let next = machine.nextAt(); next !== null && next <= at; next = machine.nextAt()) {
        now = next;
        machine.advance(next);
      }
      now = at;
      machine.advance(at);
    },
  };
}

test("a request waits for the load, reads its prompt and writes its answer, and its durations say so", () => {
  const { first, ended, submit, until, machine } = started();
  submit({});
  expect(machine.loading()).toBe("a");
  until(10_000);
  expect(first.get(0)).toBe(LOAD + 1000);
  expect(ended.get(0)).toMatchObject({
    at: LOAD + 2000,
    loadMs: LOAD,
    promptMs: 1000,
    answerMs: 1000,
    totalMs: LOAD + 2000,
  });
  expect([machine.loads, machine.loaded(), machine.requests]).toEqual([1, ["a"], 0]);
});

test("two at work read at half the speed each and write by Amdahl's law", () => {
  const { ended, submit, until } = started({}, 0.5);
  submit({ id: 0 });
  submit({ id: 1 });
  until(20_000);
  for (const id of [0, 1]) {
    expect(ended.get(id)?.promptMs).toBeCloseTo(2000, 3);
    expect(ended.get(id)?.answerMs).toBeCloseTo(1500, 3);
  }
});

test("what is more than NUM_PARALLEL for a model waits inside, and another model's requests do not", () => {
  const { first, submit, until } = started({}, 0);
  submit({ id: 0, model: "b" });
  until(5_000);
  for (const id of [1, 2, 3]) submit({ id, model: "b" });
  submit({ id: 4, model: "a" });
  until(30_000);
  expect([1, 2, 3].map((id) => first.get(id))).toEqual([6000, 6000, 8000]);
  expect(first.get(4)).toBe(5000 + LOAD + 1000);
});

test("loads come one after the other, and requests for a model in memory go past them", () => {
  const { first, submit, until } = started({}, 0);
  submit({ id: 0, model: "a" });
  until(10_000);
  submit({ id: 1, model: "b" });
  submit({ id: 2, model: "c" });
  submit({ id: 3, model: "a" });
  until(30_000);
  expect(first.get(3)).toBe(11_000);
  expect(first.get(1)).toBe(10_000 + LOAD + 1000);
  expect(first.get(2)).toBe(10_000 + 2 * LOAD + 1000);
});

test("the idle model that was used longest ago leaves for a fourth one", () => {
  const { machine, submit, until } = started();
  ["a", "b", "c", "a", "d"].forEach((model, id) => {
    submit({ id, model });
    until((id + 1) * 20_000);
  });
  expect(machine.loaded().toSorted()).toEqual(["a", "c", "d"]);
  expect(machine.loads).toBe(4);
});

test("a model leaves where memory is short, however few there are", () => {
  const { machine, submit, until } = started({ memoryGb: memoryOf({ name: "a", gb: 1 }, 4096, 2) * 1.5 });
  submit({ id: 0, model: "a" });
  until(20_000);
  submit({ id: 1, model: "b" });
  until(40_000);
  expect(machine.loaded()).toEqual(["b"]);
});

test("a model that is at work leaves only when it is done", () => {
  const { first, submit, until } = started({ maxLoaded: 1 }, 0);
  submit({ id: 0, model: "a" });
  until(LOAD);
  submit({ id: 1, model: "b" });
  until(30_000);
  expect(first.get(1)).toBe(LOAD + 2000 + LOAD + 1000);
});

test("another context has the model loaded anew, the same has not", () => {
  const { machine, submit, until } = started();
  [null, 4096, 8192, 8192, null].forEach((context, id) => {
    submit({ id, context });
    until((id + 1) * 20_000);
  });
  expect(machine.loads).toBe(3);
  expect(machine.loaded()).toEqual(["a"]);
});

test("an unused model leaves after the keep-alive", () => {
  const { machine, ended, submit, until } = started();
  submit({});
  until(10_000);
  const at = ended.get(0)?.at ?? 0;
  until(at + KEEP_ALIVE_MS - 1);
  expect(machine.loaded()).toEqual(["a"]);
  until(at + KEEP_ALIVE_MS + 1);
  expect(machine.loaded()).toEqual([]);
});

test("a conversation's next turn reads only what is new, on the machine that answered the last one", () => {
  const { ended, submit, until } = started();
  submit({ id: 0, conversation: 7 });
  until(10_000);
  submit({ id: 1, conversation: 7, promptTokens: 1200, knownTokens: 1100 });
  until(20_000);
  submit({ id: 2, conversation: 8, promptTokens: 1200, knownTokens: 1100 });
  until(30_000);
  expect(ended.get(1)?.promptMs).toBeCloseTo(100, 3);
  expect(ended.get(2)?.promptMs).toBeCloseTo(1200, 3);
});

test("who leaves while waiting or at work makes room, and no more than there is", () => {
  const { machine, ended, submit, until } = started({}, 0);
  for (const id of [0, 1, 2, 3]) submit({ id });
  until(LOAD + 500);
  machine.cancel(2, LOAD + 500);
  expect(machine.active).toBe(2);
  machine.cancel(0, LOAD + 500);
  expect([machine.active, machine.requests]).toEqual([2, 2]);
  until(30_000);
  expect([...ended.keys()].toSorted()).toEqual([1, 3]);
});

test("the load goes on whose request has left", () => {
  const { machine, ended, submit, until } = started();
  submit({});
  until(500);
  machine.cancel(0, 500);
  until(10_000);
  expect([machine.loaded(), machine.loads, ended.size, machine.requests]).toEqual([["a"], 1, 0, 0]);
});

test("a copy goes on as the machine does, and does not change it", () => {
  const { machine, ended, submit, until } = started();
  for (const id of [0, 1, 2]) submit({ id, model: id === 2 ? "b" : "a" });
  until(3_000);
  const seen: number[] = [];
  const copy = machine.copy({ firstToken() {}, ended: ({ id }) => seen.push(id) });
  for (let next = copy.nextAt(); next !== null && seen.length < 3; next = copy.nextAt()) copy.advance(next);
  expect(machine.requests).toBe(3);
  until(60_000);
  expect(seen).toEqual([...ended.keys()]);
});
