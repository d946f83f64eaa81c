/** The last hour in numbers, of the fleet and of every node that had work in it: filled as requests begin and end. */
import { type Clock, every } from "../../shared/clock.ts";
import { CLIENT_CLOSED_REQUEST } from "../../shared/protocol.ts";
import type { RequestRecord } from "../request_log.ts";
import type { RunningRequest } from "./open_record.ts";
import { createSeries, type Point, type Series, type SeriesJson, STEP_MS, STEPS } from "./stat_series.ts";

/** What one step came to, for those who listen. */
export interface Sample {
  /** ISO, the end of the step. */
  readonly at: string;
  readonly fleet: Point;
  /** Only nodes with anything in it. */
  readonly nodes: Readonly<Record<string, Point>>;
}

export interface StatsDeps {
  readonly clock: Clock;
  /** Numbers from 0 up to 1. */
  readonly random: () => number;
  /** Requests that have not ended. */
  readonly running: () => Iterable<RunningRequest>;
  /** Every node with the number of requests there now. */
  readonly nodes: () => Iterable<{ readonly id: string; readonly reserved: number }>;
  /** Requests in the waiting room now. */
  readonly waiting: () => number;
  readonly onStep?: (sample: Sample) => void;
}

/** One hour as `GET /stats` has it. */
export interface HourJson {
  readonly step_s: number;
  /** ISO, the end of the newest step. */
  readonly until: string;
  readonly points: number;
  readonly series: SeriesJson;
}

export type Stats = ReturnType<typeof createStats>;

/** How often is looked how many are active and wait. */
const LOOK_MS = 1_000;
/** Nodes that have a series at the same time; the one that was idle longest gives way. */
const MOST_SERIES = 1_000;
/** Ends of attempts that no node is to blame for. */
const NO_FAULT: ReadonlySet<string> = new Set(["ok", "rejected", "cancelled", "busy", "declined"]);

/** What was counted of a stream before its end told the real number. */
interface Estimate {
  pieces: number;
  readonly booked: { readonly step: number; readonly nodeId: string | null; readonly tokens: number }[];
}

/** An hour that begins now. `stop` ends its ticking. */
export function createStats(deps: StatsDeps) {
  const { clock } = deps;
  const startedAt = clock.now();
  const nodes = new Map<string, Series>();
  const fleet = createSeries(deps.random, 0, true);
  const estimates = new Map<RunningRequest, Estimate>();
  let open = 0;
  let until = clock.wall();

  const stepAt = (time: number) => Math.floor((time - startedAt) / STEP_MS);
  const startOf = (step: number) => startedAt + step * STEP_MS;

  function seriesOf(nodeId: string): Series {
    const known = nodes.get(nodeId);
    if (known) return known;
    if (nodes.size >= MOST_SERIES) {
      const [idlest] = [...nodes].reduce((least, each) => (each[1].lastWork < least[1].lastWork ? each : least));
      nodes.delete(idlest);
    }
    const series = createSeries(deps.random, open, false);
    nodes.set(nodeId, series);
    return series;
  }

  function book(step: number, nodeId: string | null, tokens: number): void {
    if (tokens === 0) return;
    fleet.generated(step, tokens);
    if (nodeId !== null) seriesOf(nodeId).generated(step, tokens);
  }

  /** Books the pieces that a running stream brought since the last time, each as a token. */
  function estimate(request: RunningRequest): Estimate {
    const known = estimates.get(request) ?? { pieces: 0, booked: [] };
    if (!request.generates || !request.stream) return known;
    const tokens = request.pieces - known.pieces;
    if (tokens === 0) return known;
    estimates.set(request, known);
    known.pieces = request.pieces;
    known.booked.push({ step: open, nodeId: request.nodeId, tokens });
    book(open, request.nodeId, tokens);
    return known;
  }

  /** Books `tokens` evenly over the steps between two monotonic times. */
  function spread(tokens: number, from: number, to: number, nodeId: string | null): void {
    let booked = 0;
    for (let step = stepAt(from); step <= open; step++) {
      const share = to > from ? Math.min(1, (startOf(step + 1) - from) / (to - from)) : 1;
      const due = step === open ? tokens : Math.round(tokens * share);
      book(step, nodeId, due - booked);
      booked = due;
    }
  }

  function closeStep(now: number): void {
    for (const request of deps.running()) estimate(request);
    const inStep: Record<string, Point> = {};
    for (const [id, series] of nodes) {
      if (series.lastWork < open - STEPS) nodes.delete(id);
      const worked = series.lastWork === open;
      const point = series.close();
      if (worked) inStep[id] = point;
    }
    const point = fleet.close();
    open++;
    until = new Date(clock.wall().getTime() - (now - startOf(open)));
    deps.onStep?.({ at: until.toISOString(), fleet: point, nodes: inStep });
  }

  /** Ends the steps that are over. */
  function catchUp(): number {
    const now = clock.now();
    while (now >= startOf(open + 1)) closeStep(now);
    return now;
  }

  function look(): void {
    catchUp();
    let active = 0;
    for (const { id, reserved } of deps.nodes()) {
      if (reserved === 0) continue;
      active += reserved;
      seriesOf(id).saw(reserved, 0);
    }
    fleet.saw(active, deps.waiting());
  }

  return {
    stop: every(clock, LOOK_MS, look),

    /** The first byte of an answer with status 2xx is here. */
    began({ stream, generates, firstByteMs, nodeId }: RunningRequest): void {
      // The first byte of a whole answer comes when all of it is generated.
      if (!stream || !generates || firstByteMs === null) return;
      catchUp();
      fleet.firstToken(firstByteMs);
      if (nodeId !== null) seriesOf(nodeId).firstToken(firstByteMs);
    },

    finished(record: RequestRecord, request: RunningRequest): void {
      const now = catchUp();
      fleet.ended(!record.success && record.status_code !== CLIENT_CLOSED_REQUEST);
      for (const { node_id, outcome } of record.attempts) seriesOf(node_id).ended(!NO_FAULT.has(outcome));
      const { booked } = estimate(request);
      estimates.delete(request);
      if (record.completion_tokens === null) return;
      for (const { step, nodeId, tokens } of booked) book(step, nodeId, -tokens);
      const firstByteAt = request.startedAt + (request.firstByteMs ?? 0);
      const from = request.stream ? firstByteAt : (request.sentAt ?? firstByteAt);
      spread(Math.max(0, Math.round(record.completion_tokens)), Math.min(from, now), now, record.node_id);
    },

    /** True for a node that had work in the last hour. */
    has: (nodeId: string): boolean => nodes.has(nodeId),

    /** The last hour of the fleet, or of one node; a node without work has zeros. */
    hour(nodeId: string | null): HourJson {
      catchUp();
      const points = Math.min(open, STEPS);
      const series = nodeId === null ? fleet : (nodes.get(nodeId) ?? createSeries(deps.random, open, false));
      return { step_s: STEP_MS / 1000, until: until.toISOString(), points, series: series.newest(points) };
    },
  };
}
