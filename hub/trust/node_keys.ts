/** Which key speaks for which node: bound at its first heartbeat, kept over restarts of the hub, and what follows of it. */
import type { Clock } from "../../shared/clock.ts";
import { hashOf, type Identity, isFollower, keyId, type Rotation, verify } from "../../shared/identity.ts";
import type { Logger } from "../../shared/log.ts";
import { HEADERS, type Heartbeat, type HeartbeatAnswer, PATHS } from "../../shared/protocol.ts";
import { answerText, heartbeatText } from "../../shared/signed_text.ts";
import { createHeard } from "./heard.ts";
import type { JoinTokens } from "./join_tokens.ts";
import { openBindings } from "./kept_bindings.ts";
import { type Binding, MOST_BINDINGS } from "./node_bindings.ts";

export interface NodeKeysDeps {
  readonly identity: Identity;
  readonly rotations: readonly Rotation[];
  readonly stateDir: string;
  /** Of this start of the hub. */
  readonly bootId: string;
  readonly clock: Clock;
  readonly joinTokens: Pick<JoinTokens, "isClosed" | "use" | "knows">;
  /** True while the node is heard of and has not left. */
  readonly isPresent: (id: string) => boolean;
  /** Told, seldom, that somebody speaks for a node that is bound to another key. */
  readonly onImpostor: (nodeId: string, detail: string) => void;
  /** Told of a name that somebody had forgotten by the command line. */
  readonly onForgotten: (nodeId: string) => void;
  readonly log: Pick<Logger, "warn" | "error">;
}

type RefusalStatus = 401 | 403 | 409 | 428 | 429;

/** Whether a heartbeat may be taken in, and what is to be answered where not. */
export type Judgement =
  | { readonly kind: "taken" }
  | { readonly kind: "refused"; readonly status: RefusalStatus; readonly detail: string; readonly told?: true };

export interface NodeKeys {
  /** True for a heartbeat with these headers that may be long: of a node this hub knows, or may let in. */
  mayBeLong(headers: Headers): boolean;
  /**
   * Judges the heartbeat `beat`, that came as `body` with `headers`, and binds its key where it is the first. `whyFull`
   * says why there is no room for a name nobody has shown a token for, null where there is.
   */
  judge(beat: Heartbeat, body: Uint8Array, headers: Headers, whyFull?: () => string | null): Judgement;
  /** Somebody spoke for node `id` who may not, as `how` says: told of once a minute. */
  alarm(id: string, how: string): void;
  /** What the answer to a heartbeat that was taken says of this hub; nothing for an older agent. */
  introduce(beat: Heartbeat): Pick<HeartbeatAnswer, "hub">;
  /**
   * Forgets the key of node `id`: the next one to come by that name is the one. The key itself needs a token made after
   * that where joining does. False when there is none.
   */
  forget(id: string): boolean;
  /** `keyId` of the key that is bound to `id`, or null. */
  keyOf(id: string): string | null;
  /** Writes what is not written yet. */
  stop(): void;
}

/** Milliseconds between two alarms about the same node. */
const ALARM_EVERY_MS = 60_000;
const taken: Judgement = { kind: "taken" };

/** Reads the bindings of `stateDir`. */
export function createNodeKeys(deps: NodeKeysDeps): NodeKeys {
  const { identity, bootId, clock, joinTokens } = deps;
  const bindings = openBindings(deps);
  const heard = createHeard();
  const alarmedAt = new Map<string, number>();

  /** The key that is bound to `id` as long as nobody else may have the name. */
  function boundTo(id: string): Binding | null {
    const binding = bindings.get(id);
    return binding && (binding.kept || deps.isPresent(id)) ? binding : null;
  }

  function alarm(id: string, how: string): void {
    const now = clock.now();
    if (now - (alarmedAt.get(id) ?? Number.NEGATIVE_INFINITY) < ALARM_EVERY_MS) return;
    alarmedAt.set(id, now);
    if (alarmedAt.size > MOST_BINDINGS) alarmedAt.delete(alarmedAt.keys().next().value ?? "");
    deps.onImpostor(id, how);
  }

  function impostor(id: string, how: string): Judgement {
    alarm(id, `${how}: was that machine set up anew, ollama-hub node forget ${id}; else give it another NODE_ID`);
    const detail =
      `${how}: the name ${id} belongs to another key here. If that machine was set up anew, forget the old one ` +
      `on the hub's machine (ollama-hub node forget ${id}, or DELETE /nodes/${id}); if it is another machine, give it a ` +
      "NODE_ID of its own";
    return { kind: "refused", status: 409, detail, told: true };
  }

  function refuse(status: RefusalStatus, detail: string): Judgement {
    return { kind: "refused", status, detail };
  }

  function judgeUnsigned(id: string, whyFull: () => string | null): Judgement {
    if (boundTo(id) !== null) return impostor(id, "the heartbeat is not signed");
    if (!joinTokens.isClosed()) {
      const why = whyFull();
      if (why !== null) return refuse(429, why);
      // A key that ended with its agent would have the name again as soon as the older agent is there.
      bindings.drop(id);
      return taken;
    }
    return refuse(
      403,
      `this hub takes no nodes without a join token, and an agent of this version: make one at the hub ` +
        `(ollama-hub token create) and start the node with JOIN_TOKEN set to it`,
    );
  }

  /** Why the key of `beat`, to which nothing is bound, may not have the name; null when it may. */
  function whyNotWelcome(beat: Heartbeat, signed: string, headers: Headers, whyFull: () => string | null) {
    const { node_id: id, public_key: key } = beat;
    if (bindings.get(id) === undefined && !bindings.makeRoom()) {
      return refuse(403, `this hub knows ${MOST_BINDINGS} nodes already: forget some (DELETE /nodes/{id})`);
    }
    if (!joinTokens.isClosed()) {
      const why = whyFull();
      return why === null ? null : refuse(429, why);
    }
    const why = joinTokens.use(headers.get(HEADERS.joinToken) ?? "", signed, id, bindings.forgottenAt(key ?? ""));
    return why === null ? null : refuse(403, why);
  }

  return {
    mayBeLong(headers) {
      if (!headers.has(HEADERS.signature)) return false;
      const isKnown = bindings.get(headers.get(HEADERS.nodeId) ?? "") !== undefined;
      return isKnown || !joinTokens.isClosed() || joinTokens.knows(headers.get(HEADERS.joinToken) ?? "");
    },
    judge(beat, body, headers, whyFull = () => null) {
      const { node_id: id, public_key: key } = beat;
      if (key == null) return judgeUnsigned(id, whyFull);
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
      // Before a token is used up by it: whoever captured a heartbeat can send it as often as he likes.
      if (heard.has(beat)) return refuse(409, "this heartbeat was heard before, or comes after a newer one");
      const refusal = bound === null ? whyNotWelcome(beat, signed, headers, whyFull) : null;
      if (refusal !== null) return refusal;
      heard.note(beat);
      bindings.bind(id, key, beat.key_kept ?? true);
      return taken;
    },
    alarm,
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
      alarmedAt.delete(id);
      return bindings.forget(id);
    },
    keyOf(id) {
      const binding = boundTo(id);
      return binding === null ? null : keyId(binding.key);
    },
    stop: bindings.stop,
  };
}
