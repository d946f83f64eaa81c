/** Which key speaks for which node: bound at its first heartbeat, kept over restarts of the hub, and what follows of it. */
import { join } from "node:path";
import { atMostEvery } from "../shared/at_most_every.ts";
import type { Clock } from "../shared/clock.ts";
import { hashOf, type Identity, isFollower, keyId, type Rotation, verify } from "../shared/identity.ts";
import { parseJson } from "../shared/json.ts";
import type { Logger } from "../shared/log.ts";
import { HEADERS, type Heartbeat, type HeartbeatAnswer, PATHS } from "../shared/protocol.ts";
import { answerText, heartbeatText } from "../shared/signed_text.ts";
import { readStateFile, writeStateFile } from "../shared/state_file.ts";
import type { JoinTokens } from "./join_tokens.ts";

export interface NodeKeysDeps {
  readonly identity: Identity;
  readonly rotations: readonly Rotation[];
  readonly stateDir: string;
  /** Of this start of the hub. */
  readonly bootId: string;
  readonly clock: Clock;
  readonly joinTokens: Pick<JoinTokens, "isClosed" | "use">;
  /** True while the node is heard of and has not left. */
  readonly isPresent: (id: string) => boolean;
  /** Told, seldom, that somebody speaks for a node that is bound to another key. */
  readonly onImpostor: (nodeId: string, detail: string) => void;
  readonly log: Pick<Logger, "warn">;
}

/** Whether a heartbeat may be taken in, and what is to be answered where not. */
export type Judgement =
  | { readonly kind: "taken" }
  | { readonly kind: "refused"; readonly status: 401 | 403 | 409 | 428; readonly detail: string };

export interface NodeKeys {
  /** Judges the heartbeat `beat`, that came as `body` with `headers`, and binds its key where it is the first. */
  judge(beat: Heartbeat, body: Uint8Array, headers: Headers): Judgement;
  /** What the answer to a heartbeat that was taken says of this hub; nothing for an older agent. */
  introduce(beat: Heartbeat): Pick<HeartbeatAnswer, "hub">;
  /** Forgets the key of node `id`: the next one to come by that name is the one. False when there is none. */
  forget(id: string): boolean;
  /** `keyId` of the key that is bound to `id`, or null. */
  keyOf(id: string): string | null;
  /** Writes what is not written yet. */
  stop(): void;
}

interface Binding {
  readonly key: string;
  /** False for a key that ends with the agent's process: it holds only while the node is there. */
  readonly kept: boolean;
  /** ISO, to the day: when the node was there last. */
  readonly seen: string;
}

/** A node that has not been there for so long is forgotten. */
const FORGOTTEN_AFTER_DAYS = 90;
const DAY_MS = 86_400_000;
/** Ids that are kept at most: to make room for more, somebody could have another one forgotten. */
const MOST_BINDINGS = 10_000;
/** More bindings than these are written once a second: each time all of them are. */
const MANY_BINDINGS = 100;
const WRITE_MANY_EVERY_MS = 1_000;
/** Milliseconds between two alarms about the same node. */
const ALARM_EVERY_MS = 60_000;
/** Starts of one agent that are remembered: half a day of one that falls over every five seconds. */
const MOST_BOOTS = 10_000;

const taken: Judgement = { kind: "taken" };

/** Reads the bindings of `stateDir`. */
export function createNodeKeys(deps: NodeKeysDeps): NodeKeys {
  const { identity, bootId, clock, log, joinTokens } = deps;
  const path = join(deps.stateDir, "node_keys.json");
  const bindings = readBindings();
  /** The last sequence number taken, by node and boot: what was said to this start of the hub is not said again. */
  const lastSeq = new Map<string, Map<string, number>>();
  const alarmedAt = new Map<string, number>();
  let warned = false;

  function readBindings(): Map<string, Binding> {
    const found = new Map<string, Binding>();
    const value = parseJson(readStateFile(path) ?? "{}");
    if (typeof value !== "object" || value === null) throw new Error(`${path} is not JSON: restore it or delete it`);
    const since = clock.wall().getTime() - FORGOTTEN_AFTER_DAYS * DAY_MS;
    for (const [id, binding] of Object.entries(value as Record<string, Binding>)) {
      if (!(Date.parse(binding.seen) < since)) found.set(id, binding);
    }
    return found;
  }

  const writing = atMostEvery(clock, WRITE_MANY_EVERY_MS, writeNow);

  function write(): void {
    if (bindings.size > MANY_BINDINGS) writing.want();
    else writeNow();
  }

  function writeNow(): void {
    try {
      writeStateFile(path, `${JSON.stringify(Object.fromEntries(bindings), null, 1)}\n`);
    } catch (error) {
      if (warned) return;
      warned = true;
      const why = error instanceof Error ? error.message : String(error);
      log.warn(`which key speaks for which node cannot be kept in ${path} (${why}): a restart of the hub forgets it`);
    }
  }

  function bind(id: string, key: string, kept: boolean): void {
    const seen = clock.wall().toISOString().slice(0, 10);
    const known = bindings.get(id);
    if (known?.key === key && known.seen === seen && known.kept === kept) return;
    bindings.set(id, { key, kept, seen });
    write();
  }

  /** The key that is bound to `id` as long as nobody else may have the name. */
  function boundTo(id: string): Binding | null {
    const binding = bindings.get(id);
    return binding && (binding.kept || deps.isPresent(id)) ? binding : null;
  }

  function impostor(id: string, how: string): Judgement {
    const now = clock.now();
    if (now - (alarmedAt.get(id) ?? Number.NEGATIVE_INFINITY) >= ALARM_EVERY_MS) {
      alarmedAt.set(id, now);
      if (alarmedAt.size > MOST_BINDINGS) alarmedAt.delete(alarmedAt.keys().next().value ?? "");
      deps.onImpostor(id, how);
    }
    const detail =
      `${how}: the name ${id} belongs to another key here. If that machine was set up anew, forget the old one ` +
      `at the hub (DELETE /nodes/${id}); if it is another machine, give it a NODE_ID of its own`;
    return { kind: "refused", status: 409, detail };
  }

  function refuse(status: 401 | 403 | 409 | 428, detail: string): Judgement {
    return { kind: "refused", status, detail };
  }

  /** True when it was said before, or may have been; takes note of it otherwise. */
  function isReplay({ node_id, boot_id, seq }: Heartbeat): boolean {
    const boot = boot_id ?? "";
    const boots = lastSeq.get(node_id) ?? new Map<string, number>();
    lastSeq.set(node_id, boots);
    const last = boots.get(boot);
    if (seq == null || (last !== undefined && seq <= last)) return true;
    boots.set(boot, seq);
    if (boots.size > MOST_BOOTS) boots.delete(boots.keys().next().value ?? "");
    return false;
  }

  function judgeUnsigned(id: string): Judgement {
    if (boundTo(id) !== null) return impostor(id, "the heartbeat is not signed");
    if (!joinTokens.isClosed()) return taken;
    return refuse(
      403,
      `this hub takes no nodes without a join token, and an agent of this version: make one at the hub ` +
        `(ollama-hub token create) and start the node with JOIN_TOKEN set to it`,
    );
  }

  return {
    judge(beat, body, headers) {
      const { node_id: id, public_key: key } = beat;
      if (key == null) return judgeUnsigned(id);
      const bound = boundTo(id);
      if (bound !== null && bound.key !== key) return impostor(id, "the heartbeat is signed with another key");
      // What was signed for an earlier start of this hub may be a replay: whoever has the key signs it again.
      if (headers.get(HEADERS.challenge) !== bootId) return refuse(428, "sign the heartbeat for this start of the hub");
      const signed = heartbeatText({
        method: "POST",
        path: PATHS.heartbeat,
        bodyHash: hashOf(body),
        bootId: beat.boot_id ?? "",
        seq: beat.seq ?? 0,
        challenge: bootId,
      });
      if (!verify(key, signed, headers.get(HEADERS.signature) ?? "")) {
        if (bound !== null) return impostor(id, "the heartbeat is not signed by the key it shows");
        return refuse(401, "the heartbeat is not signed by the key it shows");
      }
      if (beat.hub_key != null && !isFollower(beat.hub_key, identity.publicKey, deps.rotations)) {
        return refuse(
          409,
          `node ${id} trusts another hub (key ${keyId(beat.hub_key)}) than this one (key ${identity.id}): if this hub was ` +
            "set up anew, delete hub.pin in the node's STATE_DIR or start the node once with --accept-hub",
        );
      }
      if (bound === null && joinTokens.isClosed()) {
        const why = joinTokens.use(headers.get(HEADERS.joinToken) ?? "", signed, id);
        if (why !== null) return refuse(403, why);
      }
      const known = bindings.get(id);
      if (known === undefined && bindings.size >= MOST_BINDINGS) {
        return refuse(403, `this hub knows ${MOST_BINDINGS} nodes already: forget some (DELETE /nodes/{id})`);
      }
      // What another key has said under this name is nothing this one could be repeating.
      if (known?.key !== key) lastSeq.delete(id);
      if (isReplay(beat)) return refuse(409, "this heartbeat was heard before, or comes after a newer one");
      bind(id, key, beat.key_kept ?? true);
      return taken;
    },
    introduce({ public_key, node_id, boot_id, seq }) {
      if (public_key == null) return {};
      const hub = { public_key: identity.publicKey, boot_id: bootId, time_ms: Math.round(clock.now()) };
      const { publicKey: hubKey } = identity;
      const text = answerText({
        nodeId: node_id,
        nodeKey: public_key,
        bootId: boot_id ?? "",
        seq: seq ?? 0,
        hubKey,
        hubBootId: bootId,
        timeMs: hub.time_ms,
      });
      const rotations = deps.rotations.length === 0 ? {} : { rotations: [...deps.rotations] };
      return { hub: { ...hub, ...rotations, signature: identity.sign(text) } };
    },
    forget(id) {
      lastSeq.delete(id);
      alarmedAt.delete(id);
      if (!bindings.delete(id)) return false;
      write();
      return true;
    },
    keyOf(id) {
      const binding = boundTo(id);
      return binding === null ? null : keyId(binding.key);
    },
    stop: writing.stop,
  };
}
