/** How many requests a node really works on at once: learned from how long its answers waited inside Ollama. */

/**
 * What is known of a node's slots. Ollama tells nobody its `OLLAMA_NUM_PARALLEL` (default 1), and what is beyond it
 * waits inside without a byte, a status or a limit.
 */
export interface LearnedSlots {
  /** As the node said. */
  readonly reported: number;
  /** What is used: 1 to `reported`. */
  readonly slots: number;
  /** The latest answers that waited noticeably, or did not though every slot in use was taken. */
  readonly recent: readonly SlotAnswer[];
  /** Answers in a row that came without waiting though every slot in use was taken. */
  readonly calm: number;
  /** How many of those it takes to try one slot more. */
  readonly patience: number;
  /** Whether the last change was such a try. */
  readonly trying: boolean;
  /** Monotonic ms of the last change. */
  readonly since: number;
}

/** A whole answer, as far as it tells about slots. */
export interface SlotAnswer {
  /** Milliseconds it waited inside Ollama for a slot. */
  readonly waitMs: number;
  /** Milliseconds from sending it to its end, as the hub saw it. */
  readonly totalMs: number;
  /** Requests of this hub at the node when it was sent, itself included. */
  readonly atNode: number;
}

/** The durations that end a native answer, in nanoseconds. Go leaves out one that is 0; null is one that is odd. */
export interface Durations {
  readonly total_duration?: number | null | undefined;
  readonly load_duration?: number | null | undefined;
  readonly prompt_eval_duration?: number | null | undefined;
  readonly eval_duration?: number | null | undefined;
}

/** Templates and tokens of a long prompt take tens of milliseconds that no duration counts: less is no waiting. */
const NOTICEABLE_MS = 100;
/** The fifth part of the whole: waiting that short costs nobody much, and a long prompt's own work is not beyond it. */
const NOTICEABLE_SHARE = 0.2;
/**
 * Of so many recent answers, so many must have waited. One strange answer is chance, and two or three may stand behind
 * one of somebody else's. Not all of them: of answers that all take as long as each other, every second one waits at
 * three slots in use of two, every third one at four of three.
 */
const RECENT = 10;
const WAITED = 4;
/** A try that fails has about four answers wait before it is taken back: one in nine at first. */
const PATIENCE = 32;
/** Doubled by every try that failed, up to this: then fewer than two in a hundred wait for it. */
const LONGEST_PATIENCE = 256;
/** Asking a scheduler for a model in memory takes milliseconds; an answer with more was there at a load. */
const LOADED_MS = 1_000;

/**
 * Milliseconds after which one slot more is tried without any answer that speaks for it. Answers of OpenAI's and
 * Anthropic's routes tell no durations: on a fleet that serves nothing else, slots once lost would else be lost for good.
 */
const UNSEEN_MS = 600_000;

/** For a node that reports `reported` slots, at monotonic `now`. */
export function asReported(reported: number, now: number): LearnedSlots {
  return { reported, slots: reported, recent: [], calm: 0, patience: PATIENCE, trying: false, since: now };
}

/** After a heartbeat: another number than before is believed again; the same one is no news, but time may be. */
export function afterReport(learned: LearnedSlots, reported: number, now: number): LearnedSlots {
  if (learned.reported !== reported) return asReported(reported, now);
  return learned.slots < reported && now - learned.since >= UNSEEN_MS ? tryOneMore(learned, now) : learned;
}

function tryOneMore(learned: LearnedSlots, now: number): LearnedSlots {
  return { ...learned, slots: learned.slots + 1, recent: [], calm: 0, trying: true, since: now };
}

/** After a whole answer of the node at monotonic `now`. Failed answers and those of an unknown wait are not shown to this. */
export function afterAnswer(learned: LearnedSlots, answer: SlotAnswer, now: number): LearnedSlots {
  const { slots } = learned;
  // Sent when more slots were in use: it tells of a crowd that is gone.
  if (answer.atNode > slots) return learned;
  if (isNoticeable(answer)) {
    // Alone it waited for somebody else's work, and one slot is the least there is.
    if (answer.atNode < 2) return learned;
    const recent = [...learned.recent, answer].slice(-RECENT);
    return recent.filter(isNoticeable).length < WAITED ? { ...learned, recent, calm: 0 } : lower(learned, recent, now);
  }
  // With slots to spare nothing waits anyway.
  if (answer.atNode < slots) return learned;
  const [recent, calm] = [[...learned.recent, answer].slice(-RECENT), learned.calm + 1];
  if (calm < learned.patience || slots >= learned.reported) return { ...learned, recent, calm };
  return tryOneMore(learned, now);
}

/** Milliseconds an answer waited for a slot; null where that cannot be told, or the model was being loaded. */
export function slotWaitMs(durations: Durations): number | null {
  const { total_duration: total, load_duration, prompt_eval_duration, eval_duration: generating } = durations;
  if (load_duration === null || prompt_eval_duration === null || !total || !generating) return null;
  const [load, prompt] = [load_duration ?? 0, prompt_eval_duration ?? 0];
  if (![total, load, prompt, generating].every((ns) => Number.isFinite(ns) && ns >= 0)) return null;
  if (load / 1e6 >= LOADED_MS) return null;
  return Math.max(0, total - load - prompt - generating) / 1e6;
}

function isNoticeable({ waitMs, totalMs }: SlotAnswer): boolean {
  return waitMs >= NOTICEABLE_MS && waitMs >= totalMs * NOTICEABLE_SHARE;
}

/**
 * Takes back slots that only had requests wait elsewhere: down to what ran at once, in doubt one more than that, and by
 * half at most: short answers behind very long ones make it look like less than it is.
 */
function lower(learned: LearnedSlots, recent: readonly SlotAnswer[], now: number): LearnedSlots {
  const { slots, reported, trying } = learned;
  const patience = trying ? Math.min(learned.patience * 2, LONGEST_PATIENCE) : learned.patience;
  const atOnce = Math.min(slots - 1, Math.max(Math.ceil(slots / 2), Math.ceil(ranAtOnce(recent))));
  return { reported, slots: atOnce, recent: [], calm: 0, patience, trying: false, since: now };
}

/** Little's law: of the requests there, the part that ran is the part of their time in which they did not wait. */
function ranAtOnce(answers: readonly SlotAnswer[]): number {
  let [there, total, ran] = [0, 0, 0];
  for (const { atNode, totalMs, waitMs } of answers) {
    there += atNode;
    total += totalMs;
    ran += Math.max(0, totalMs - waitMs);
  }
  return (there / answers.length) * (ran / total);
}
