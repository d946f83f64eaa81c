/** Whether a node is trusted with work: admitted, ejected for a while, or on trial. Moved only by outcomes and probes. */

export interface EjectionLimits {
  /** Consecutive counted failures that eject (`NODE_MAX_FAILURES`). */
  readonly maxFailures: number;
}

/** A failure that counts against a node. */
export interface Failure {
  /** Shown to people. */
  readonly reason: string;
  /** Hash of the request that failed; null where no request can be to blame, such as a connection that was refused. */
  readonly request: string | null;
}

/** One finished request in the sliding window. */
interface Sample {
  readonly at: number;
  readonly failure: Failure | null;
}

/** Who the failures since the last success speak against: the node, or as well the one request that they all are of. */
type Suspect =
  | { readonly kind: "nobody" }
  | { readonly kind: "request"; readonly hash: string }
  | { readonly kind: "node" };

interface Common {
  /** Failures since the last success; shown as `failure_count`. */
  readonly failures: number;
  /** How often the node was ejected lately; sets the length of the next cool-down. */
  readonly ejections: number;
}

export interface Admitted extends Common {
  readonly kind: "admitted";
  /** Monotonic ms since when it has been admitted. */
  readonly since: number;
  /** The same where it had been ejected before: from then on its share rises (ramp.ts). Null for a newcomer. */
  readonly readmittedAt: number | null;
  readonly suspect: Suspect;
  readonly window: readonly Sample[];
}

export interface Ejected extends Common {
  readonly kind: "ejected";
  /** Monotonic ms at which the cool-down is over; a probe has to pass as well. */
  readonly until: number;
  readonly reason: string;
}

export interface Trial extends Common {
  readonly kind: "trial";
  /** Monotonic ms of its beginning, or of its last request's end. */
  readonly since: number;
  readonly successes: number;
  readonly suspect: Suspect;
}

export type Trust = Admitted | Ejected | Trial;

/** Envoy's base ejection time, also 30 s, multiplied by the number of ejections; here it doubles, up to five minutes. */
const COOL_DOWN_MS = 30_000;
const LONGEST_COOL_DOWN_MS = 300_000;
/** A node that flaps never fails three times in a row; half of at least ten requests in a minute ejects it as well. */
const WINDOW_MS = 60_000;
const WINDOW_REQUESTS = 10;
const WINDOW_FAILED_RATIO = 0.5;
/** Kept samples are bounded, whatever the load; the newest decide. */
const WINDOW_SAMPLES = 100;
/** Good trial requests in a row after which a node is admitted again. */
const TRIAL_SUCCESSES = 2;
/** Milliseconds without a request after which a probe that passes ends a trial: where others take them all it would last for ever. */
const IDLE_TRIAL_MS = 60_000;
/** Milliseconds of good behaviour after which earlier ejections are forgotten. */
const FORGIVEN_AFTER_MS = 600_000;

const NOBODY: Suspect = { kind: "nobody" };

/** The trust of a node that has just registered at monotonic `now`. */
export function newcomer(now: number): Admitted {
  return { kind: "admitted", failures: 0, ejections: 0, since: now, readmittedAt: null, suspect: NOBODY, window: [] };
}

/** Trust after a request was served well. */
export function afterSuccess(trust: Trust, now: number): Trust {
  switch (trust.kind) {
    case "admitted": {
      const forgiven = now - trust.since >= FORGIVEN_AFTER_MS;
      return {
        ...trust,
        failures: 0,
        ejections: forgiven ? 0 : trust.ejections,
        suspect: NOBODY,
        window: sample(trust.window, { at: now, failure: null }),
      };
    }
    case "trial":
      return trust.successes + 1 >= TRIAL_SUCCESSES
        ? readmit(trust, now)
        : { ...trust, since: now, failures: 0, successes: trust.successes + 1, suspect: NOBODY };
    case "ejected":
      // Work that was running when the node was ejected, or last-resort work. It does not shorten the cool-down.
      return { ...trust, failures: 0 };
  }
}

/**
 * Trust after a failure that counts against the node. One request alone, however often it comes, ejects no node: it
 * would take down one after the other. With `maxFailures` 1 it does, since that was asked for.
 */
export function afterFailure(trust: Trust, failure: Failure, now: number, limits: EjectionLimits): Trust {
  const failures = trust.failures + 1;
  const { reason } = failure;
  switch (trust.kind) {
    case "admitted": {
      const suspect = accuse(trust.suspect, failure);
      if (failures >= limits.maxFailures && (suspect.kind === "node" || limits.maxFailures === 1)) {
        return eject(trust, `${failures} failure${failures === 1 ? "" : "s"} in a row, last: ${reason}`, now);
      }
      const window = sample(trust.window, { at: now, failure });
      const failed = window.flatMap((entry) => entry.failure ?? []);
      if (window.length >= WINDOW_REQUESTS && failed.length / window.length >= WINDOW_FAILED_RATIO) {
        if (failed.reduce(accuse, NOBODY).kind === "node") {
          return eject(trust, `${failed.length} of ${window.length} requests failed in a minute, last: ${reason}`, now);
        }
      }
      return { ...trust, failures, suspect, window };
    }
    case "trial": {
      const suspect = accuse(trust.suspect, failure);
      if (suspect.kind === "request" && limits.maxFailures > 1)
        return { ...trust, since: now, failures, successes: 0, suspect };
      return eject(trust, `failed on trial: ${reason}`, now);
    }
    case "ejected":
      return { ...trust, failures };
  }
}

/** Trust after the node answered no probe on any address for so long that its work was taken away. */
export function afterLoss(trust: Trust, reason: string, now: number): Trust {
  return trust.kind === "ejected" ? trust : eject(trust, reason, now);
}

/**
 * Trust after a probe passed: an ejected node whose cool-down is over goes on trial, and one on trial that no request came
 * to is admitted, with the small share of one that comes back. Not while it `works`: of a request that hangs there the
 * probe knows nothing.
 */
export function afterProbe(trust: Trust, now: number, works = false): Trust {
  if (trust.kind === "trial" && !works && now - trust.since >= IDLE_TRIAL_MS) return readmit(trust, now);
  return trust.kind === "ejected" && now >= trust.until ? onTrial(trust, now) : trust;
}

/** Trust after the agent itself restarted (another boot id): what was wrong with the old process may be gone. */
export function afterRestart(trust: Trust, now: number): Trust {
  return trust.kind === "ejected" ? onTrial(trust, now) : trust;
}

function onTrial({ failures, ejections }: Ejected, now: number): Trial {
  return { kind: "trial", since: now, failures, ejections, successes: 0, suspect: NOBODY };
}

function readmit({ ejections }: Trial, now: number): Admitted {
  return { ...newcomer(now), ejections, readmittedAt: now };
}

function accuse(before: Suspect, { request }: Failure): Suspect {
  if (request === null || before.kind === "node") return { kind: "node" };
  if (before.kind === "nobody" || before.hash === request) return { kind: "request", hash: request };
  return { kind: "node" };
}

function eject(trust: Trust, reason: string, now: number): Ejected {
  const ejections = trust.ejections + 1;
  const coolDown = Math.min(COOL_DOWN_MS * 2 ** (ejections - 1), LONGEST_COOL_DOWN_MS);
  return { kind: "ejected", failures: trust.failures + 1, ejections, until: now + coolDown, reason };
}

function sample(window: readonly Sample[], newest: Sample): Sample[] {
  // The oldest stand first, and this is done for every request.
  let from = Math.max(0, window.length + 1 - WINDOW_SAMPLES);
  while (newest.at - (window[from]?.at ?? newest.at) >= WINDOW_MS) from++;
  return [...window.slice(from), newest];
}
