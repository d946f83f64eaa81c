/** Which hub this node trusts: the key it met first, or the one its join token names, kept over restarts. */
import { join } from "node:path";
import { messageOf } from "../shared/errors.ts";
import { hashOf, type Identity, isFollower, keyId, PUBLIC_KEY, verify } from "../shared/identity.ts";
import { hashOfSecret, type JoinToken, joinProof } from "../shared/join_token.ts";
import { parseJson } from "../shared/json.ts";
import { HEADERS, type HeartbeatAnswer, type HeartbeatBody, PATHS } from "../shared/protocol.ts";
import { answerText, CHALLENGE, heartbeatText, proofText } from "../shared/signed_text.ts";
import { readStateFile, writeStateFile } from "../shared/state_file.ts";
import type { HubTime, Trusted } from "./ticket_gate.ts";

export interface HubTrustDeps {
  readonly identity: Identity;
  readonly stateDir: string;
  readonly serverUrl: string;
  readonly nodeId: string;
  readonly bootId: string;
  /** The certificate (PEM) this node listens with now; null for http. */
  readonly cert?: () => string | null;
  /** Null where the operator gave none. */
  readonly joinToken: JoinToken | null;
  /** The operator says that whatever hub answers next is the one. */
  readonly acceptHub: boolean;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Whether an `address:port` may be one of this node. */
  readonly mayLeadHere: (at: string) => boolean;
  /** Told, in one sentence, what people should know. */
  readonly onWarning: (sentence: string) => void;
}

export interface HubTrust {
  /** `body` with what the hub has to know of this node's key. */
  introduce(body: HeartbeatBody): HeartbeatBody;
  /** The headers that sign the heartbeat `text`, for the start of the hub that `challenge` names. */
  sign(text: string, seq: number, challenge: string): Record<string, string>;
  /** Takes in the answer to heartbeat `seq`. Null when it may be believed, else a sentence that says why not. */
  learn(answer: HeartbeatAnswer, seq: number): string | null;
  trusted(): Trusted;
  /** The answer to `challenge` of the hub with `hubKey`, which has dialled `at`; null where it gets none. */
  prove(challenge: string, hubKey: string, at: string): string | null;
}

/** Reads what this node knows of the hub at `serverUrl`. */
export function createHubTrust(deps: HubTrustDeps): HubTrust {
  const { identity, stateDir, serverUrl, nodeId, bootId, joinToken, now, mayLeadHere, onWarning } = deps;
  const path = join(stateDir, "hub.pin");
  let hubKey = deps.acceptHub ? null : (pins()[serverUrl] ?? null);
  let time: HubTime | null = null;
  let keyless = false;

  /** The keys of hubs by their URL. Throws when there is a file that does not say: to forget a hub is to trust any. */
  function pins(): Readonly<Record<string, string>> {
    const found = pinsIn(textOf(path));
    if (found !== null) return found;
    throw new Error(
      `${path} does not say whom this node trusts: restore it, or delete it to trust the hub that answers next ` +
        "(--accept-hub does the same)",
    );
  }

  function pin(key: string): void {
    hubKey = key;
    // Read anew: other nodes of this machine may share the folder.
    try {
      const before = deps.acceptHub ? (pinsIn(textOf(path)) ?? {}) : pins();
      mentionOther(key, before);
      writeStateFile(path, `${JSON.stringify({ ...before, [serverUrl]: key }, null, 1)}\n`);
    } catch (error) {
      onWarning(
        `the key of the hub cannot be kept in ${path} (${messageOf(error)}): ` +
          "after a restart this node trusts the hub that answers first; set STATE_DIR to a folder that can be written",
      );
    }
  }

  /** One hub written in another way has the same key; a SERVER_URL that was changed may not be meant. */
  function mentionOther(key: string, before: Readonly<Record<string, string>>): void {
    const [other] = Object.entries(before);
    if (other === undefined || before[serverUrl] !== undefined || Object.values(before).includes(key)) return;
    const [url, itsKey] = other;
    onWarning(
      `the hub at ${serverUrl} (key ${keyId(key)}) is trusted from now on; this node knew another hub at ${url} ` +
        `(key ${keyId(itsKey)}): if that is the same hub, somebody else answers at one of the two`,
    );
  }

  /** Null when `key`, proven to be the answering hub's, is or becomes the one this node trusts. */
  function accept(key: string, rotations: Parameters<typeof isFollower>[2]): string | null {
    const named = joinToken !== null && keyId(key) === joinToken.hubId;
    if (key === hubKey) return null;
    if (hubKey !== null && isFollower(hubKey, key, rotations)) {
      onWarning(`the hub has changed its key and the old one signed for the new one: ${keyId(key)}`);
      pin(key);
      return null;
    }
    if (joinToken !== null && !named) {
      return `the hub at ${serverUrl} is not the one that JOIN_TOKEN is from: its key is ${keyId(key)}, the token says ${joinToken.hubId}`;
    }
    if (hubKey !== null && !named) return changedKey(key);
    pin(key);
    return null;
  }

  function changedKey(key: string | null): string {
    const other = key === null ? "does not show the key" : `has another key (${keyId(key)}) than the one`;
    return (
      `the hub at ${serverUrl} ${other} this node trusts (${keyId(hubKey ?? "")}): if the hub was set up anew, ` +
      `delete ${path} or start this node once with --accept-hub; if not, somebody else answers there`
    );
  }

  return {
    introduce(body) {
      const keys = { public_key: identity.publicKey, key_kept: identity.kept };
      const cert = deps.cert?.() ?? null;
      const known = { ...(hubKey === null ? {} : { hub_key: hubKey }), ...(cert === null ? {} : { tls_cert: cert }) };
      return { ...body, ...keys, ...known };
    },
    sign(text, seq, challenge) {
      const bodyHash = hashOf(text);
      const signed = heartbeatText({ method: "POST", path: PATHS.heartbeat, bodyHash, bootId, seq, challenge });
      const headers = { [HEADERS.signature]: identity.sign(signed), [HEADERS.challenge]: challenge };
      if (joinToken === null) return headers;
      // The secret itself never crosses the wire.
      const proof = joinProof(hashOfSecret(joinToken.secret), signed).toString("base64url");
      return { ...headers, [HEADERS.joinToken]: `${joinToken.id}.${proof}` };
    },
    learn(answer, seq) {
      const { hub } = answer;
      if (!hub) {
        if (hubKey !== null) return changedKey(null);
        if (joinToken !== null) return `the hub at ${serverUrl} is too old for JOIN_TOKEN: it shows no key`;
        if (!keyless) {
          onWarning(
            `the hub at ${serverUrl} is of an earlier version and has no key: until it shows one, everybody in this ` +
              "network can have this node run a model (POST /execute); upgrade the hub",
          );
        }
        keyless = true;
        return null;
      }
      const { public_key, boot_id, time_ms, signature } = hub;
      const signed = { nodeId, nodeKey: identity.publicKey, bootId, seq, hubKey: public_key };
      const text = answerText({ ...signed, hubBootId: boot_id, timeMs: time_ms });
      if (!verify(public_key, text, signature)) {
        return `what answers at ${serverUrl} shows a key that is not its own (${keyId(public_key)}): somebody is in between`;
      }
      const problem = accept(public_key, hub.rotations ?? []);
      if (problem === null) time = { hubBootId: boot_id, offsetMs: time_ms - now() };
      return problem;
    },
    trusted: () => ({ hubKey, time, keyless }),
    prove(challenge, askedBy, at) {
      if (!mayLeadHere(at)) return null;
      if (!CHALLENGE.test(challenge) || !PUBLIC_KEY.test(askedBy)) return null;
      if (hubKey !== null && askedBy !== hubKey) return null;
      if (hubKey === null && joinToken !== null && keyId(askedBy) !== joinToken.hubId) return null;
      return identity.sign(proofText(challenge, nodeId, askedBy, at));
    },
  };
}

/** The text of the file at `path`, null where there is none. Throws an Error that says what to do. */
function textOf(path: string): string | null {
  try {
    return readStateFile(path);
  } catch (error) {
    const why = messageOf(error);
    throw new Error(`${path} cannot be read (${why}): without it this node does not know whom it trusts`);
  }
}

/** The keys by URL that `text` holds; none where it is null, and null where it is anything else. */
function pinsIn(text: string | null): Readonly<Record<string, string>> | null {
  if (text === null) return {};
  const value = parseJson(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const pins: Record<string, string> = {};
  for (const [url, key] of Object.entries(value)) {
    if (typeof key !== "string" || !PUBLIC_KEY.test(key)) return null;
    pins[url] = key;
  }
  // A file is written with the first of them: one without any has lost it.
  return Object.keys(pins).length === 0 ? null : pins;
}
