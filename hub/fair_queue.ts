/**
 * The order in which those who wait for one model get their turns: callers take turns by weight, each one's requests in
 * the order in which they came, and a caller's users take turns within its turns (self-clocked fair queueing).
 */
import type { Caller } from "./policy/callers.ts";

/** What the order needs to know of a waiter; the tags are the queue's own. */
export interface Queued {
  readonly caller: Pick<Caller, "id" | "turn" | "weight">;
  /** It was placed before, so it goes before the rest. */
  readonly front: boolean;
  /** The turn of its place in the queue, in virtual time. A place keeps it when another waiter moves up to it. */
  tag: number;
  /** The same among the waiters of its caller. */
  userTag: number;
}

/** Virtual time of one caller among its users. */
interface Users {
  now: number;
  /** Of each that waits: the last tag given to it, and how many of its own wait. Who does not wait begins anew anyway. */
  readonly turns: Map<string, { last: number; waiting: number }>;
}

export type FairQueue<W extends Queued> = ReturnType<typeof createFairQueue<W>>;

/** An empty queue. */
export function createFairQueue<W extends Queued>() {
  /** In the order of their turns. */
  const waiters: W[] = [];
  /** The tag that was served last. */
  let now = 0;
  /** The last tag given to each caller that waits. */
  const last = new Map<string, number>();
  const usersOf = new Map<string, Users>();
  /** Waiters of each caller. */
  const counts = new Map<string, number>();

  /** The index behind all whose turn is not after `tag`. */
  function placeFor(tag: number): number {
    let [low, high] = [0, waiters.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((waiters[middle]?.tag ?? 0) <= tag) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function userTagOf({ caller }: W): number {
    const users: Users = usersOf.get(caller.id) ?? { now: 0, turns: new Map() };
    usersOf.set(caller.id, users);
    const user = users.turns.get(caller.turn) ?? { last: 0, waiting: 0 };
    users.turns.set(caller.turn, user);
    user.waiting += 1;
    user.last = Math.max(users.now, user.last) + 1;
    return user.last;
  }

  /** One of a user's own waits no longer; `served` moves its caller's time on. */
  function leaveUsers({ caller, userTag }: W, served: boolean): void {
    const users = usersOf.get(caller.id);
    const user = users?.turns.get(caller.turn);
    if (users === undefined || user === undefined) return;
    if (served) users.now = Math.max(users.now, userTag);
    user.waiting -= 1;
    if (user.waiting === 0) users.turns.delete(caller.turn);
  }

  /** Lets `waiter`, at `index`, go before those of its caller whose user has had more turns. Returns where it is then. */
  function moveUp(waiter: W, index: number): number {
    let at = index;
    for (let before = index - 1; before >= 0; before--) {
      const other = waiters[before];
      if (other === undefined || other.front) break;
      if (other.caller.id !== waiter.caller.id) continue;
      if (other.userTag <= waiter.userTag) break;
      swap(at, before);
      at = before;
    }
    return at;
  }

  /** Exchanges two waiters; the places keep their tags. */
  function swap(one: number, other: number): void {
    const [first, second] = [waiters[one], waiters[other]];
    if (first === undefined || second === undefined) return;
    [waiters[one], waiters[other]] = [second, first];
    [first.tag, second.tag] = [second.tag, first.tag];
  }

  return {
    waiters: waiters as readonly W[],

    /** Takes `waiter` in and returns its index. */
    insert(waiter: W): number {
      const { id, weight } = waiter.caller;
      counts.set(id, (counts.get(id) ?? 0) + 1);
      if (waiter.front) {
        waiter.tag = Number.NEGATIVE_INFINITY;
        waiters.unshift(waiter);
        return 0;
      }
      waiter.tag = Math.max(now, last.get(id) ?? 0) + 1 / weight;
      last.set(id, waiter.tag);
      waiter.userTag = userTagOf(waiter);
      const index = placeFor(waiter.tag);
      waiters.splice(index, 0, waiter);
      return moveUp(waiter, index);
    },

    /**
     * Takes `waiter` out and returns the index it had. One that was not `served` leaves its turn to the next of its
     * caller, and so on: who gives up costs the others of its caller nothing.
     */
    remove(waiter: W, served: boolean): number {
      const { id } = waiter.caller;
      const index = waiters.indexOf(waiter);
      const left = (counts.get(id) ?? 1) - 1;
      if (left > 0) counts.set(id, left);
      else counts.delete(id);
      if (!waiter.front) leaveUsers(waiter, served);
      let gap = index;
      // Who goes before its turn, because those before it wait for another node, moves nobody's time. It takes a turn from
      // others only where such wait behind it: a caller that was alone with them would else owe all of that to who comes next.
      const inTurn = index === 0 || waiters[index - 1]?.front === true;
      const charged = served && (inTurn || waiters.some((other, at) => at > index && other.caller.id !== id));
      if (charged && !waiter.front) {
        if (inTurn) now = Math.max(now, waiter.tag);
      } else if (!waiter.front && left > 0) {
        for (let behind = index + 1; behind < waiters.length; behind++) {
          if (waiters[behind]?.caller.id !== id) continue;
          swap(gap, behind);
          gap = behind;
        }
        last.set(id, (last.get(id) ?? 0) - 1 / waiter.caller.weight);
      }
      waiters.splice(gap, 1);
      if (left === 0) {
        // What it was ahead of its time it has not used.
        if (!charged || (last.get(id) ?? 0) <= now) last.delete(id);
        usersOf.delete(id);
      }
      return index;
    },
  };
}
