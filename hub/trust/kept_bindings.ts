/** The bindings of names to keys as a running hub has them: in memory, in their file, and as the command line changes that. */
import { type Clock, every } from "../../shared/clock.ts";
import { messageOf } from "../../shared/errors.ts";
import type { Logger } from "../../shared/log.ts";
import { SHORT_LOCK_WAIT_MS, stampOf } from "../../shared/state_file.ts";
import {
  type Binding,
  bindingsPath,
  changeBindings,
  MOST_BINDINGS,
  noteForgotten,
  readBindings,
  readForgotten,
} from "./node_bindings.ts";

export interface KeptBindingsDeps {
  readonly stateDir: string;
  readonly clock: Clock;
  /** Told of a name that somebody had forgotten in the file. */
  readonly onForgotten: (id: string) => void;
  readonly log: Pick<Logger, "warn" | "error">;
}

export interface KeptBindings {
  get(id: string): Binding | undefined;
  /** Binds `id` to `key`, whom it belongs to from now on. */
  bind(id: string, key: string, kept: boolean): void;
  /** The name is free again; nobody meant its key to stay away. */
  drop(id: string): void;
  /** The name is free again, and its key has to be let in anew. False when there is none. */
  forget(id: string): boolean;
  /** Milliseconds of the wall clock at which `key` was forgotten on purpose; null when it was not. */
  forgottenAt(key: string): number | null;
  /** True when there is room for one more name; names nobody has come by for long may go for it. */
  makeRoom(): boolean;
  /** Writes what is not written yet. */
  stop(): void;
}

/** How often the file is looked at. */
const LOOK_MS = 500;
/** Milliseconds after which writing is tried again where it failed. */
const TRY_AGAIN_MS = 10_000;
/** Where names are many, one that nobody has come by for so long makes room for others. */
const OLD_AFTER_DAYS = 90;
const DAY_MS = 86_400_000;
/** More than these are written with the next look: each time all of them are, and a fleet joins at once. */
const MANY_BINDINGS = 100;

/** The bindings of `stateDir`. Throws an Error that names a file that is none. */
export function openBindings({ stateDir, clock, onForgotten, log }: KeptBindingsDeps): KeptBindings {
  const path = bindingsPath(stateDir);
  let stamp = stampNow();
  let bindings = readBindings(stateDir);
  let forgotten = readForgotten(stateDir);
  /** What is not in the file yet; null where it has to go from there. */
  const unwritten = new Map<string, Binding | null>();
  /** It could not be written, which was said once. */
  let failing = false;
  let notBefore = Number.NEGATIVE_INFINITY;

  function stampNow(): string {
    try {
      return stampOf(path);
    } catch {
      return "unreadable";
    }
  }

  /** Takes in what another process has made of the file. Throws when it is none. */
  function takeIn(now: string): void {
    stamp = now;
    // A file that is gone was not written by us: what is known stays so, and is written with the next change.
    if (now === "") return;
    const before = bindings;
    bindings = readBindings(stateDir);
    forgotten = readForgotten(stateDir);
    for (const [id, binding] of unwritten) change(id, binding);
    for (const id of before.keys()) if (!bindings.has(id)) onForgotten(id);
  }

  function change(id: string, binding: Binding | null): void {
    unwritten.set(id, binding);
    if (binding === null) bindings.delete(id);
    else bindings.set(id, binding);
  }

  function merged(): ReadonlyMap<string, Binding> {
    const now = stampOf(path);
    if (now !== stamp) takeIn(now);
    return bindings;
  }

  /** Writes what is not written yet, unless that failed a moment ago. */
  function write(): void {
    if (clock.now() < notBefore) return;
    try {
      stamp = changeBindings(stateDir, merged, SHORT_LOCK_WAIT_MS);
      unwritten.clear();
      failing = false;
    } catch (error) {
      notBefore = clock.now() + TRY_AGAIN_MS;
      if (failing) return;
      failing = true;
      log.warn(
        `which key speaks for which node cannot be kept in ${path} (${messageOf(error)}): until it can, a restart of the ` +
          "hub forgets it",
      );
    }
  }

  function look(): void {
    const now = stampNow();
    if (now !== stamp) {
      try {
        takeIn(now);
      } catch (error) {
        log.error({ err: error }, "which key speaks for which node cannot be read: what was known before holds");
      }
    }
    if (unwritten.size > 0) write();
  }
  const stopLooking = every(clock, LOOK_MS, look);

  function noteInFile(key: string, at: Date | null): void {
    try {
      noteForgotten(stateDir, key, at, SHORT_LOCK_WAIT_MS);
    } catch (error) {
      log.warn(`that a key was forgotten cannot be kept in ${stateDir}: ${messageOf(error)}`);
    }
  }

  return {
    get: (id) => bindings.get(id),
    bind(id, key, kept) {
      if (forgotten.delete(key)) noteInFile(key, null);
      const seen = clock.wall().toISOString().slice(0, 10);
      const known = bindings.get(id);
      const isSame = known?.key === key && known.kept === kept;
      if (isSame && known.seen === seen) return;
      change(id, { key, kept, seen });
      // That a node is there today is no news that a crash must not lose: all of them say it after midnight.
      if (!isSame && bindings.size <= MANY_BINDINGS) write();
    },
    drop(id) {
      if (!bindings.has(id)) return;
      change(id, null);
      write();
    },
    forget(id) {
      const known = bindings.get(id);
      if (known === undefined) return false;
      const at = clock.wall();
      forgotten.set(known.key, at.getTime());
      noteInFile(known.key, at);
      change(id, null);
      write();
      return true;
    },
    forgottenAt: (key) => forgotten.get(key) ?? null,
    makeRoom() {
      if (bindings.size < MOST_BINDINGS) return true;
      // Only then: a clock that is wrong for a while must not cost the names of a fleet.
      const since = clock.wall().getTime() - OLD_AFTER_DAYS * DAY_MS;
      const oldest = [...bindings].reduce((a, b) => (b[1].seen < a[1].seen ? b : a));
      if (Date.parse(oldest[1].seen) >= since) return false;
      change(oldest[0], null);
      return true;
    },
    stop() {
      stopLooking();
      notBefore = Number.NEGATIVE_INFINITY;
      if (unwritten.size > 0) write();
    },
  };
}
