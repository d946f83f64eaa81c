/** Whether a request that failed goes on to another node: the outcome table, and the budget that all requests share. */
import type { Clock } from "../shared/clock.ts";
import type { Failed } from "./forward.ts";
import type { Job } from "./job.ts";
import { mayFailOver } from "./policy/failover.ts";
import { hasBudget, needsBudget } from "./policy/retry_budget.ts";
import type { Registry } from "./registry.ts";

export interface RetriesDeps {
  readonly clock: Clock;
  readonly registry: Pick<Registry, "all">;
}

/** One request's part in the budget, given back when it has its answer. */
interface OpenRetries extends Disposable {
  /** True when the request may be placed on another node after `failures`. */
  mayFollow(failures: readonly Failed[]): boolean;
}

export type Retries = ReturnType<typeof createRetries>;

/** Milliseconds for which what has ended still counts: nodes that fail at once would else never have two at a time. */
const REMEMBERED_MS = 1_000;

/** The budget of one hub. */
export function createRetries({ clock, registry }: RetriesDeps) {
  const ended = createTally(clock);
  const endedRetries = createTally(clock);
  let underWay = 0;

  return {
    open(job: Pick<Job, "record">): OpenRetries {
      let taken = 0;
      return {
        mayFollow(failures) {
          const kinds = failures.map(({ failure }) => failure);
          if (!mayFailOver(kinds)) return false;
          if (!needsBudget(kinds)) return true;
          // The one that asks has left its node already.
          const active = Math.max(atNodes(registry) + 1, ended.count());
          if (!hasBudget({ active, retries: underWay + endedRetries.count() })) {
            job.record.note("not tried on another node: the retry budget is used up");
            return false;
          }
          underWay++;
          taken++;
          return true;
        },
        [Symbol.dispose]() {
          // What only waited for a place was never at a node.
          if (job.record.attempts > 0) ended.add();
          underWay -= taken;
          for (; taken > 0; taken--) endedRetries.add();
        },
      };
    },
  };
}

/** Requests of this hub that hold a slot of a node. */
function atNodes(registry: Pick<Registry, "all">): number {
  let requests = 0;
  for (const { reserved } of registry.all()) requests += reserved;
  return requests;
}

/** Counts what happened within the last REMEMBERED_MS. */
function createTally(clock: Clock) {
  let times: number[] = [];
  function forget(): void {
    const since = clock.now() - REMEMBERED_MS;
    const first = times.findIndex((at) => at > since);
    if (first !== 0) times = first < 0 ? [] : times.slice(first);
  }
  return {
    add(): void {
      const now = clock.now();
      // Not each time: thousands a second would be copied with every request.
      if ((times[0] ?? now) < now - 2 * REMEMBERED_MS) forget();
      times.push(now);
    },
    count(): number {
      forget();
      return times.length;
    },
  };
}
