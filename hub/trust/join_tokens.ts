/** Join tokens: what lets an unknown machine become a node of this hub. Kept as hashes, read anew when the file changes. */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { join } from "node:path";
import { messageOf } from "../../shared/errors.ts";
import { hashOfSecret, joinProof, writeJoinToken } from "../../shared/join_token.ts";
import { parseJson } from "../../shared/json.ts";
import { readStateFile, SHORT_LOCK_WAIT_MS, stampOf, whileLocked, writeStateFile } from "../../shared/state_file.ts";

export interface JoinTokensDeps {
  readonly stateDir: string;
  /** `id` of the hub's identity: what a node checks. */
  readonly hubId: string;
  /** closed: no unknown node without a token; open: any; auto: closed since the first token was made. */
  readonly mode: "auto" | "open" | "closed";
  /** Wall clock; tokens end by it. */
  readonly wall: () => Date;
  /** Monotonic ms. */
  readonly now?: () => number;
}

/** A token as people see it. */
export interface TokenInfo {
  readonly id: string;
  /** The only node that may use it, or null. */
  readonly node: string | null;
  /** How many nodes may still join with it. */
  readonly uses: number;
  /** ISO. */
  readonly created: string;
  readonly expires: string;
}

interface StoredToken extends TokenInfo {
  /** SHA-256 of the secret, base64url. */
  readonly hash: string;
}

/** What the file holds; null where there is none. */
type Known = readonly StoredToken[] | null | "broken";

export interface NewToken {
  readonly uses: number;
  /** Milliseconds. */
  readonly ttlMs: number;
  readonly node: string | null;
}

export interface JoinTokens {
  /** Makes a token; what is returned is shown once and kept nowhere. Throws when the folder cannot be written. */
  create(wanted: NewToken): { readonly token: string; readonly info: TokenInfo };
  /** All that are kept, used up and expired ones too. */
  list(): TokenInfo[];
  /** False when there is none by that id. */
  revoke(id: string): boolean;
  /** True when an unknown node needs one. */
  isClosed(): boolean;
  /** True when the header `shown` names a token that is kept; whether it is good, `use` finds out. */
  knows(shown: string): boolean;
  /**
   * Uses a token for node `nodeId`: `shown` is its header, `signed` what the node signed; one made before `since`, wall
   * milliseconds, will not do. Null when it was good, else a sentence.
   */
  use(shown: string, signed: string, nodeId: string, since?: number | null): string | null;
}

/** What a new token is unless told otherwise. */
export const NEW_TOKEN: NewToken = { uses: 10, ttlMs: 24 * 3_600_000, node: null };

/** How often the file is looked at for whether nodes need a token, which is asked with every request. */
const LOOK_MS = 500;

/** The tokens in the folder `stateDir`. */
export function createJoinTokens({ stateDir, hubId, mode, wall, now = performance.now }: JoinTokensDeps): JoinTokens {
  const path = join(stateDir, "tokens.json");
  let known: Known = null;
  let knownAs: string | null = null;
  let latest: Known | undefined;
  let lookedAt = 0;

  /** What is there now: `ollama-hub token` changes it from another process. Throws where that cannot be told. */
  function file(): Known {
    const stamp = stampOf(path);
    if (stamp === knownAs) return known;
    const text = readStateFile(path);
    const value = text === null ? null : parseJson(text);
    known = text === null ? null : Array.isArray(value) ? (value as StoredToken[]) : "broken";
    knownAs = stamp;
    return known;
  }

  /** The same, and "broken" while it cannot be told, unless there were tokens before. */
  function fileOrBroken(): Known {
    try {
      return file();
    } catch {
      return known ?? "broken";
    }
  }

  /** The same, half a second old at most. Throws at first where it cannot be told: with that a hub does not start. */
  function recent(): Known {
    if (latest !== undefined && now() - lookedAt < LOOK_MS) return latest;
    lookedAt = now();
    latest = latest === undefined ? file() : fileOrBroken();
    return latest;
  }

  /** Throws where it is broken, so that nothing is written over it. */
  function read(): readonly StoredToken[] {
    const tokens = file();
    if (tokens === "broken") throw new Error(`${path} is not a list of tokens: restore it or delete it`);
    return tokens ?? [];
  }

  function change(run: (tokens: readonly StoredToken[]) => readonly StoredToken[]): void {
    const write = () => {
      writeStateFile(path, `${JSON.stringify(run(read()), null, 1)}\n`);
      knownAs = null;
      latest = fileOrBroken();
    };
    whileLocked(path, write, SHORT_LOCK_WAIT_MS);
  }

  return {
    create({ uses, ttlMs, node }) {
      const id = randomBytes(6).toString("base64url");
      const secret = randomBytes(16).toString("base64url");
      const created = wall();
      const info = {
        id,
        node,
        uses,
        created: created.toISOString(),
        expires: new Date(created.getTime() + ttlMs).toISOString(),
      };
      const hash = hashOfSecret(secret).toString("base64url");
      change((tokens) => [...tokens, { ...info, hash }]);
      return { token: writeJoinToken({ id, secret, hubId }), info };
    },
    list: () => read().map(({ hash: _, ...info }) => info),
    revoke(id) {
      if (!read().some((token) => token.id === id)) return false;
      change((tokens) => tokens.filter((token) => token.id !== id));
      return true;
    },
    // A file that is broken is not as if there were none: that would open the hub.
    isClosed: () => mode === "closed" || (mode === "auto" && recent() !== null),
    knows(shown) {
      const tokens = shown === "" ? null : fileOrBroken();
      const id = shown.split(".", 1)[0];
      return Array.isArray(tokens) && tokens.some((token) => token.id === id);
    },
    use(shown, signed, nodeId, since = null) {
      if (shown === "") {
        return (
          "this hub takes no unknown nodes: make a join token at the hub (ollama-hub token create) and start the node " +
          "with JOIN_TOKEN set to it"
        );
      }
      if (fileOrBroken() === "broken")
        return "this hub cannot read its join tokens: its operator has to restore tokens.json";
      const [id = "", proof = ""] = shown.split(".", 2);
      const token = read().find((each) => each.id === id);
      if (token === undefined || !isProof(proof, signed, token.hash)) return "the join token is not one of this hub's";
      if (token.node !== null && token.node !== nodeId) return `the join token is for node ${token.node} only`;
      if (wall().getTime() > Date.parse(token.expires)) return `the join token expired at ${token.expires}`;
      if (token.uses < 1) return "the join token is used up";
      if (since !== null && Date.parse(token.created) <= since) {
        return (
          `node ${nodeId} was forgotten at this hub after the join token had been made: to let it in again, make a new one ` +
          "(ollama-hub token create)"
        );
      }
      try {
        change((tokens) => tokens.map((each) => (each.id === id ? { ...each, uses: each.uses - 1 } : each)));
      } catch (error) {
        return `this hub cannot write down that the join token was used: ${messageOf(error)}`;
      }
      return null;
    },
  };
}

function isProof(proof: string, signed: string, hash: string): boolean {
  const right = joinProof(Buffer.from(hash, "base64url"), signed);
  const given = Buffer.from(proof, "base64url");
  return given.length === right.length && timingSafeEqual(given, right);
}
