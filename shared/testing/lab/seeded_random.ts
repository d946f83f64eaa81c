/** Chance that can be repeated: a small generator whose whole future is its seed. */

export interface Random {
  /** A number from 0 up to, not including, 1. */
  next(): number;
  /** A number from `low` up to, not including, `high`. */
  between(low: number, high: number): number;
  /** A whole number from `low` to `high`, both included. */
  whole(low: number, high: number): number;
  /** True in `share` (0 to 1) of all cases. */
  chance(share: number): boolean;
  /** One of `list`. Throws for an empty one. */
  pick<T>(list: readonly T[]): T;
  /** A generator of its own for the part called `name`, so that parts running at once do not disturb each other. */
  fork(name: string): Random;
}

/** The generator of `seed`: mulberry32, good enough to choose victims by. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (low: number, high: number) => low + next() * (high - low);
  const whole = (low: number, high: number) => Math.floor(between(low, high + 1));
  return {
    next,
    between,
    whole,
    chance: (share) => next() < share,
    pick(list) {
      const picked = list[whole(0, list.length - 1)];
      if (picked === undefined) throw new Error("nothing to pick from");
      return picked;
    },
    fork: (name) => seededRandom(Number(BigInt(Bun.hash(`${seed}/${name}`)) & 0xffffffffn)),
  };
}
