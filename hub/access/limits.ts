/** How much each caller may take: requests a minute, at the same time, and tokens a day. O(1) a request. */
import type { Clock } from "../../shared/clock.ts";
import type { Caller } from "../policy/callers.ts";
import { createAccounts } from "./accounts.ts";

/** A request that was let in. */
export interface Lease {
  /** What the field's RateLimit headers say of it; empty where no rate is set. */
  readonly headers: Readonly<Record<string, string>>;
  /** Ends it; harmless when called twice. `tokens` is what it used, prompt and answer together. */
  end(tokens?: number): void;
}

export interface OverLimit {
  readonly sentence: string;
  readonly retryAfterSeconds: number;
  readonly headers: Readonly<Record<string, string>>;
}

export type Entry = { readonly lease: Lease } | { readonly over: OverLimit };

export type Limits = ReturnType<typeof createLimits>;

/** Addresses that are told apart; more of them share what one may take. */
const MOST_SOURCES = 10_000;
/** As many keys as their file has at most: whatever addresses come and go, none is forgotten with its day used up. */
const MOST_KEYS = 100_000;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** When one of several running requests ends, nobody knows. */
const BUSY_RETRY_SECONDS = 1;

/** Nothing taken yet. */
export function createLimits({ clock }: { readonly clock: Clock }) {
  const sources = createAccounts(clock, MOST_SOURCES);
  const keys = createAccounts(clock, MOST_KEYS);

  return {
    /** Callers that are known now. */
    get size() {
      return sources.size + keys.size;
    },

    /** One more request of `caller`, or why it is one too many. */
    enter({ id, key, limits }: Pick<Caller, "id" | "key" | "limits">): Entry {
      const { rpm, concurrent, tokensPerDay } = limits;
      const account = (key === null ? sources : keys).of(id);
      const now = clock.now();
      if (concurrent !== null && account.running >= concurrent) {
        const sentence = `${concurrent} requests of yours run already: wait for one of them to end`;
        return { over: { sentence, retryAfterSeconds: BUSY_RETRY_SECONDS, headers: {} } };
      }
      if (tokensPerDay !== null) {
        const wall = clock.wall().getTime();
        const today = Math.floor(wall / DAY_MS);
        if (account.day !== today) [account.day, account.used] = [today, 0];
        if (account.used >= tokensPerDay) {
          const seconds = Math.ceil(((today + 1) * DAY_MS - wall) / 1000);
          const sentence = `the ${tokensPerDay} tokens of today are used up; the next day begins at 0:00 UTC`;
          return { over: { sentence, retryAfterSeconds: seconds, headers: rateHeaders(tokensPerDay, 0, seconds) } };
        }
      }
      let headers: Lease["headers"] = NO_HEADERS;
      if (rpm !== null) {
        const perMs = rpm / MINUTE_MS;
        const most = Math.max(1, rpm);
        account.tokens = Math.min(most, account.tokens + (now - account.at) * perMs);
        account.at = now;
        if (account.tokens < 1) {
          const seconds = Math.max(1, Math.ceil((1 - account.tokens) / perMs / 1000));
          const sentence = `more than ${rpm} requests a minute: try again in ${seconds} s`;
          return { over: { sentence, retryAfterSeconds: seconds, headers: rateHeaders(rpm, 0, seconds) } };
        }
        account.tokens -= 1;
        const untilFull = Math.ceil((most - account.tokens) / perMs / 1000);
        headers = rateHeaders(rpm, Math.floor(account.tokens), untilFull);
      }
      account.running += 1;
      let ended = false;
      return {
        lease: {
          headers,
          end(tokens = 0) {
            if (ended) return;
            ended = true;
            account.running -= 1;
            account.used += tokens;
          },
        },
      };
    },
  };
}

const NO_HEADERS = {};

function rateHeaders(limit: number, remaining: number, resetSeconds: number): Record<string, string> {
  return {
    "ratelimit-limit": String(limit),
    "ratelimit-remaining": String(remaining),
    "ratelimit-reset": String(resetSeconds),
  };
}
