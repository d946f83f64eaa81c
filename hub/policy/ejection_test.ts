import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Ejected, Trust } from "./ejection.ts";
import * as ejection from "./ejection.ts";

const limits = { maxFailures: 3 };
const SECOND = 1000;

type EventKind = "success" | "failure" | "loss" | "probe" | "restart";

function after(trust: Trust, event: EventKind, now: number): Trust {
  switch (event) {
    case "success":
      return ejection.afterSuccess(trust, now);
    case "failure":
      return ejection.afterFailure(trust, { reason: "reset", request: null }, now, limits);
    case "loss":
      return ejection.afterLoss(trust, "silent for 15 s", now);
    case "probe":
      return ejection.afterProbe(trust, now);
    case "restart":
      return ejection.afterRestart(trust, now);
  }
}

const failureOf = (request: string | null): ejection.Failure => ({ reason: "reset", request });

/** Plays `events` a millisecond apart, from a newcomer. */
function play(...events: EventKind[]): Trust {
  return events.reduce<Trust>((trust, event, at) => after(trust, event, at), ejection.newcomer(0));
}

function mustBeEjected(trust: Trust): Ejected {
  if (trust.kind !== "ejected") throw new Error(`expected an ejected node, found ${trust.kind}`);
  return trust;
}

const admitted = ejection.newcomer(0);
const almost: Trust = play("failure", "failure");
const ejected: Ejected = { kind: "ejected", failures: 3, ejections: 1, until: 30 * SECOND, reason: "reset" };
const trial: Trust = { kind: "trial", since: 0, failures: 3, ejections: 1, successes: 0, suspect: { kind: "nobody" } };
const lastTrial: Trust = { ...trial, failures: 0, successes: 1 };

interface Row {
  readonly name: string;
  readonly before: Trust;
  readonly event: EventKind;
  readonly at?: number;
  readonly kind: Trust["kind"];
  readonly failures: number;
}

const rows: readonly Row[] = [
  { name: "an admitted node that serves stays", before: admitted, event: "success", kind: "admitted", failures: 0 },
  { name: "one failure is counted only", before: admitted, event: "failure", kind: "admitted", failures: 1 },
  { name: "the third failure in a row ejects", before: almost, event: "failure", kind: "ejected", failures: 3 },
  { name: "a success wipes the failures before it", before: almost, event: "success", kind: "admitted", failures: 0 },
  { name: "a lost node is ejected at once", before: admitted, event: "loss", kind: "ejected", failures: 1 },
  {
    name: "a probe tells nothing new of an admitted node",
    before: almost,
    event: "probe",
    kind: "admitted",
    failures: 2,
  },
  { name: "a restart does not wipe failures", before: almost, event: "restart", kind: "admitted", failures: 2 },
  {
    name: "old work that ends well does not bring back",
    before: ejected,
    event: "success",
    kind: "ejected",
    failures: 0,
  },
  { name: "an ejected node's failure is counted", before: ejected, event: "failure", kind: "ejected", failures: 4 },
  { name: "an ejected node cannot be lost again", before: ejected, event: "loss", kind: "ejected", failures: 3 },
  {
    name: "a probe a millisecond before the cool-down's end is too early",
    before: ejected,
    event: "probe",
    at: 30 * SECOND - 1,
    kind: "ejected",
    failures: 3,
  },
  {
    name: "a probe at the cool-down's end puts on trial",
    before: ejected,
    event: "probe",
    at: 30 * SECOND,
    kind: "trial",
    failures: 3,
  },
  { name: "a restart puts on trial at once", before: ejected, event: "restart", at: 1, kind: "trial", failures: 3 },
  { name: "one good trial request is not enough", before: trial, event: "success", kind: "trial", failures: 0 },
  { name: "the second one admits", before: lastTrial, event: "success", kind: "admitted", failures: 0 },
  { name: "one failure on trial ejects", before: lastTrial, event: "failure", kind: "ejected", failures: 1 },
  { name: "a node lost on trial is ejected", before: trial, event: "loss", kind: "ejected", failures: 4 },
  { name: "a probe does not end a trial", before: lastTrial, event: "probe", kind: "trial", failures: 0 },
  {
    name: "a probe does not end a trial a millisecond before it was idle for a minute",
    before: trial,
    event: "probe",
    at: 60 * SECOND - 1,
    kind: "trial",
    failures: 3,
  },
  {
    name: "a probe ends a trial that was idle for a minute",
    before: trial,
    event: "probe",
    at: 60 * SECOND,
    kind: "admitted",
    failures: 0,
  },
  { name: "a restart does not end a trial", before: lastTrial, event: "restart", kind: "trial", failures: 0 },
];

test.each(rows.map((row) => [row.name, row] as const))("%s", (_, { before, event, at = 10, kind, failures }) => {
  const next = after(before, event, at);
  expect(next.kind).toBe(kind);
  expect(next.failures).toBe(failures);
});

test("two failures, a success and two failures leave a node admitted", () => {
  expect(play("failure", "failure", "success", "failure", "failure")).toMatchObject({ kind: "admitted", failures: 2 });
});

test("NODE_MAX_FAILURES=1 ejects at the first failure", () => {
  const trust = ejection.afterFailure(ejection.newcomer(0), failureOf("any"), 5, { maxFailures: 1 });
  expect(trust).toEqual({
    kind: "ejected",
    failures: 1,
    ejections: 1,
    until: 30 * SECOND + 5,
    reason: "1 failure in a row, last: reset",
  });
});

test("the reason names how often and what failed last", () => {
  expect(mustBeEjected(play("failure", "failure", "failure")).reason).toBe("3 failures in a row, last: reset");
  expect(mustBeEjected(after(trial, "failure", 0)).reason).toBe("failed on trial: reset");
  expect(mustBeEjected(after(admitted, "loss", 0)).reason).toBe("silent for 15 s");
});

test("each cool-down is twice the one before, up to five minutes", () => {
  const coolDowns: number[] = [];
  let now = 0;
  let trust = mustBeEjected(play("failure", "failure", "failure"));
  now = 2;
  for (let round = 0; round < 6; round++) {
    coolDowns.push((trust.until - now) / SECOND);
    now = trust.until;
    trust = mustBeEjected(after(after(trust, "probe", now), "failure", now));
  }
  expect(coolDowns).toEqual([30, 60, 120, 240, 300, 300]);
});

test("a node that fails again after its trial cools down twice as long", () => {
  const back = after(after(trial, "success", 0), "success", 0);
  const again = ["failure", "failure", "failure"] as const;
  expect(mustBeEjected(again.reduce<Trust>((trust, event) => after(trust, event, 0), back)).until).toBe(60 * SECOND);
});

test("ten minutes of good behaviour forgive earlier ejections, a millisecond less does not", () => {
  const back = after(after(trial, "success", 0), "success", 0);
  expect(after(back, "success", 600 * SECOND - 1).ejections).toBe(1);
  expect(after(back, "success", 600 * SECOND).ejections).toBe(0);
});

test("half of ten requests in a minute eject a node that never fails three times in a row", () => {
  const pattern = ["failure", "success", "failure", "success", "failure", "success", "success", "failure"] as const;
  let trust = play(...pattern);
  trust = after(trust, "success", 8);
  expect(trust.kind).toBe("admitted");
  trust = after(trust, "failure", 9);
  expect(mustBeEjected(trust).reason).toBe("5 of 10 requests failed in a minute, last: reset");
});

test("nine requests are too few to judge by their ratio", () => {
  const flapping = Array.from({ length: 9 }, (_, at) => (at % 2 === 0 ? "failure" : "success") as EventKind);
  expect(play(...flapping).kind).toBe("admitted");
});

test("four of ten failed requests are less than half", () => {
  const events: EventKind[] = ["success", "success", "failure", "success", "failure", "success", "success", "failure"];
  expect(play(...events, "success", "failure")).toMatchObject({ kind: "admitted", failures: 1 });
});

test.each<[what: string, at: number, kind: Trust["kind"]]>([
  ["a millisecond less than a minute ago", 60 * SECOND - 1, "ejected"],
  ["a minute ago", 60 * SECOND, "admitted"],
])("when nine requests, four of them failed, were %s, one more failure leaves the node %s", (_, at, kind) => {
  const flapping: EventKind[] = ["failure", "success", "failure", "success", "failure", "success", "failure"];
  const before = [...flapping, "success" as const, "success" as const].reduce<Trust>(
    (trust, event) => after(trust, event, 0),
    ejection.newcomer(0),
  );
  expect(after(before, "failure", at).kind).toBe(kind);
});

test("a success alone never ejects, even when it makes the tenth request", () => {
  const flapping = Array.from({ length: 10 }, (_, at) => (at % 2 === 0 ? "failure" : "success") as EventKind);
  expect(play(...flapping).kind).toBe("admitted");
});

const kinds: readonly EventKind[] = ["success", "failure", "loss", "probe", "restart"];
const history = fc.array(
  fc.record({
    event: fc.constantFrom(...kinds),
    waited: fc.oneof(fc.integer({ min: 0, max: 2_000 }), fc.integer({ min: 0, max: 700_000 })),
  }),
  { maxLength: 80 },
);

/** Plays a random history and shows every step of it to `look`. */
function steps(
  events: readonly { event: EventKind; waited: number }[],
  look: (before: Trust, event: EventKind, after: Trust, now: number) => void,
): void {
  let now = 0;
  let trust: Trust = ejection.newcomer(0);
  for (const { event, waited } of events) {
    now += waited;
    const next = after(trust, event, now);
    look(trust, event, next, now);
    trust = next;
  }
}

test("no history moves a node along any arrow but those of the table", () => {
  const arrows: Record<Trust["kind"], Record<EventKind, readonly Trust["kind"][]>> = {
    admitted: {
      success: ["admitted"],
      failure: ["admitted", "ejected"],
      loss: ["ejected"],
      probe: ["admitted"],
      restart: ["admitted"],
    },
    ejected: {
      success: ["ejected"],
      failure: ["ejected"],
      loss: ["ejected"],
      probe: ["ejected", "trial"],
      restart: ["trial"],
    },
    trial: {
      success: ["trial", "admitted"],
      failure: ["ejected"],
      loss: ["ejected"],
      probe: ["trial", "admitted"],
      restart: ["trial"],
    },
  };
  fc.assert(
    fc.property(history, (events) =>
      steps(events, (before, event, next) => expect(arrows[before.kind][event]).toContain(next.kind)),
    ),
  );
});

test("one bad request on trial, however often it comes, keeps no node out; a second one does", () => {
  const fail = (trust: Trust, request: string | null) =>
    ejection.afterFailure(trust, { reason: "broke", request }, 0, { maxFailures: 3 });
  const again = fail(fail(fail(trial, "same"), "same"), "same");
  expect(again).toMatchObject({ kind: "trial", successes: 0 });
  expect(fail(again, "another").kind).toBe("ejected");
  expect(fail(again, null).kind).toBe("ejected");
  expect(fail(after(again, "success", 0), "another").kind).toBe("trial");
});

test("a node that comes back from an idle trial has a small share at first, and its next cool-down is longer", () => {
  const back = after(trial, "probe", 60 * SECOND);
  expect(back).toMatchObject({ kind: "admitted", readmittedAt: 60 * SECOND, ejections: 1 });
});

test("a trial whose request hangs is not ended by a probe, however long it hangs", () => {
  expect(ejection.afterProbe(trial, 600 * SECOND, true)).toBe(trial);
  expect(ejection.afterProbe(trial, 600 * SECOND, false).kind).toBe("admitted");
});

test("a request on trial begins the idle minute anew", () => {
  const once = after(trial, "success", 30 * SECOND);
  expect(after(once, "probe", 60 * SECOND).kind).toBe("trial");
  expect(after(once, "probe", 90 * SECOND).kind).toBe("admitted");
});

test("an ejected node is admitted again only by two good trial requests in a row, or an idle minute and a probe", () => {
  fc.assert(
    fc.property(history, (events) => {
      let goodTrials = 0;
      let quietSince = 0;
      steps(events, (before, event, next, now) => {
        if (before.kind === "trial" && event === "success") goodTrials++;
        else if (before.kind === "trial" && next.kind !== "trial" && event !== "probe") goodTrials = 0;
        if (before.kind !== "admitted" && next.kind === "admitted") {
          if (event === "probe") expect(now - quietSince).toBeGreaterThanOrEqual(60 * SECOND);
          else expect(goodTrials).toBe(2);
          goodTrials = 0;
        }
        if (next.kind !== before.kind || event === "success") quietSince = now;
      });
    }),
  );
});

test("an ejected node goes on trial by a probe only when its cool-down is over", () => {
  fc.assert(
    fc.property(history, (events) =>
      steps(events, (before, event, next, now) => {
        if (before.kind !== "ejected" || event !== "probe") return;
        expect(next.kind).toBe(now >= before.until ? "trial" : "ejected");
      }),
    ),
  );
});

test("the failure count is that of the failures and losses since the last success, or the trial's end", () => {
  fc.assert(
    fc.property(history, (events) => {
      let failures = 0;
      steps(events, (before, event, next) => {
        if (event === "success" || (before.kind === "trial" && next.kind === "admitted")) failures = 0;
        else if (event === "failure" || (event === "loss" && before.kind !== "ejected")) failures++;
        expect(next.failures).toBe(failures);
      });
    }),
  );
});

test("a failure ejects an admitted node exactly when three came in a row or half of the last minute's ten failed", () => {
  fc.assert(
    fc.property(history, (events) => {
      let seen: { at: number; failed: boolean }[] = [];
      steps(events, (before, event, next, now) => {
        if (before.kind !== "admitted") return;
        if (event !== "success" && event !== "failure") return;
        seen = [...seen.filter(({ at }) => now - at < 60_000), { at: now, failed: event === "failure" }];
        const failed = seen.filter((sample) => sample.failed).length;
        const tooMany = next.failures >= 3 || (seen.length >= 10 && failed * 2 >= seen.length);
        if (event === "failure") expect(next.kind).toBe(tooMany ? "ejected" : "admitted");
        if (next.kind === "ejected") seen = [];
      });
    }),
  );
});

test("every ejection lasts 30 s times two to the number of earlier ones, at most five minutes", () => {
  fc.assert(
    fc.property(history, (events) =>
      steps(events, (before, _, next, now) => {
        if (next.kind !== "ejected") return;
        if (before.kind === "ejected") expect(next.until).toBe(before.until);
        else expect(next.until - now).toBe(Math.min(30_000 * 2 ** before.ejections, 300_000));
      }),
    ),
  );
});

test("what says nothing about the node's work leaves its trust the very same", () => {
  fc.assert(
    fc.property(history, (events) =>
      steps(events, (before, event, next) => {
        const says = before.kind === "ejected" ? event !== "loss" : event !== "probe" && event !== "restart";
        const endsIdleTrial = before.kind === "trial" && next.kind === "admitted";
        if (!says && !endsIdleTrial) expect(next).toBe(before);
      }),
    ),
  );
});

test("the window is bounded under any load, and the newest hundred decide", () => {
  let trust: Trust = ejection.newcomer(0);
  for (let request = 0; request < 10_000; request++) trust = ejection.afterSuccess(trust, request);
  if (trust.kind !== "admitted") throw new Error("a node that serves is admitted");
  expect(trust.window).toHaveLength(100);
  expect(trust.window[0]?.at).toBe(9_900);
});
