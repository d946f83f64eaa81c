/** What each caller has taken of what it may: a bounded table that forgets whoever was silent for longest. O(1) a look. */
import type { Clock } from "../../shared/clock.ts";

interface Account {
  /** Requests that may begin now; grows with time up to a minute's worth. */
  tokens: number;
  /** Monotonic ms at which `tokens` was right. */
  at: number;
  running: number;
  /** Days since 1970, UTC, to which `used` belongs. */
  day: number;
  used: number;
}

/** Of these at most is looked for one that can be forgotten. */
const MOST_LOOKS = 16;

/** An empty table of `most` callers that are told apart; more of them share one account. */
export function createAccounts(clock: Pick<Clock, "now">, most: number) {
  const accounts = new Map<string, Account>();
  const overflow: Account = fresh();

  function fresh(): Account {
    return { tokens: Number.POSITIVE_INFINITY, at: clock.now(), running: 0, day: 0, used: 0 };
  }

  /** Of the few that are silent for longest, the first of which nothing runs. */
  function longestIdle(): string | null {
    let looked = 0;
    for (const [id, { running }] of accounts) {
      if (running === 0) return id;
      if (++looked === MOST_LOOKS) break;
    }
    return null;
  }

  return {
    /** Callers that are known now. */
    get size() {
      return accounts.size;
    },

    /** The account of the caller with this id. */
    of(id: string): Account {
      const known = accounts.get(id);
      if (known !== undefined) {
        // The one silent for longest comes first.
        accounts.delete(id);
        accounts.set(id, known);
        return known;
      }
      if (accounts.size >= most) {
        const idle = longestIdle();
        if (idle === null) return overflow;
        accounts.delete(idle);
      }
      const account = fresh();
      accounts.set(id, account);
      return account;
    },
  };
}
