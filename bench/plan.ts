/** How long and how often everything is measured. */

export interface Plan {
  /** Every contender is measured once a round, forwards and backwards in turns. */
  readonly rounds: number;
  readonly streams: {
    readonly count: number;
    readonly everyMs: number;
    readonly warmMs: number;
    readonly windowMs: number;
  };
  readonly requests: { readonly connections: number; readonly seconds: number; readonly warmSeconds: number };
  readonly firstByte: { readonly warmMs: number; readonly windowMs: number };
  readonly idle: { readonly count: number; readonly everyMs: number; readonly rounds: number };
  /** Whether many streams through hub and nodes are proven to be answered, from source and compiled. */
  readonly proves: boolean;
  readonly starts: number;
}

/** Chunks of a stream that lasts longer than anybody looks at it. */
export const ENDLESS = 1_000_000;

/** For the record: under ten minutes on two processors. */
export const FULL: Plan = {
  rounds: 5,
  streams: { count: 200, everyMs: 20, warmMs: 1_000, windowMs: 4_500 },
  requests: { connections: 32, seconds: 3, warmSeconds: 2 },
  firstByte: { warmMs: 300, windowMs: 1_200 },
  idle: { count: 5_000, everyMs: 4_000, rounds: 5 },
  proves: true,
  starts: 5,
};

/** To see in less than a minute that everything still runs, and about where it stands. */
export const QUICK: Plan = {
  rounds: 1,
  streams: { count: 200, everyMs: 20, warmMs: 700, windowMs: 1_500 },
  requests: { connections: 32, seconds: 1, warmSeconds: 1 },
  firstByte: { warmMs: 200, windowMs: 400 },
  idle: { count: 500, everyMs: 2_000, rounds: 1 },
  proves: false,
  starts: 1,
};

/** The order of `contenders` in `round`: who is always last is always measured on the warmest machine. */
export function orderOf<Each>(contenders: readonly Each[], round: number): readonly Each[] {
  return round % 2 === 0 ? contenders : contenders.toReversed();
}
