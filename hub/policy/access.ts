/** May this request in, and as whom: the whole rule, from what is known before anything of it is read. */
import type { Address } from "../../shared/address.ts";
import { isNear, type Networks } from "../../shared/networks.ts";
import { hostNameOf, isLocalHost } from "./allowed_hosts.ts";
import { type AllowedOrigins, type BrowserWords, isCrossSite, isForeign } from "./origins.ts";
import { type Asked, type KeyRole, type Role, satisfies } from "./roles.ts";

/** Whether callers need a key. */
export type Mode = "open" | "closed";

/** What came of looking for a key in a request. */
export type Credential =
  | { readonly kind: "none" }
  /** Two different ones, of which nobody knows which counts. */
  | { readonly kind: "two" }
  /** No key of this hub's, or one that was revoked. */
  | { readonly kind: "unknown" }
  | { readonly kind: "expired" }
  /** `cookie` where a browser sent it by itself. */
  | { readonly kind: "key"; readonly role: KeyRole; readonly cookie: boolean };

export interface AccessRequest {
  /** Where the connection comes from; null where that is not known any more. */
  readonly source: Address | null;
  /** The `Host` header, well-formed. */
  readonly host: string;
  readonly browser: BrowserWords;
  /** Name of the first header that only a proxy sends; null where there is none. */
  readonly forwarded: string | null;
  readonly credential: Credential;
  readonly asked: Asked;
}

export interface AccessRules {
  readonly mode: Mode;
  /** True where nodes prove at the route itself that they may join. */
  readonly nodesClosed: boolean;
  /** This machine's own name. */
  readonly ownName: string;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: AllowedOrigins;
  readonly trustedNetworks: Networks;
}

/** Why somebody is not let in. */
export type RefusalReason = "source" | "forwarded" | "host" | "cross-site" | "credential" | "role" | "two keys";

export type Access =
  | { readonly allowed: true; readonly as: Role }
  | {
      readonly allowed: false;
      readonly status: 400 | 401 | 403 | 421;
      readonly why: RefusalReason;
      /** What is wrong, and what to set or send. */
      readonly sentence: string;
    };

const CLOSE = "give the hub API keys (API_KEYS, or: ollama-hub key add NAME)";

/** Decides. Every path ends in a refusal unless something lets it in. */
export function judgeAccess(request: AccessRequest, rules: AccessRules): Access {
  const { asked, credential } = request;
  if (asked === "nobody") return refuse(403, "role", "nobody may use this route: it has no row in the table of roles");
  if (asked === "node") {
    if (rules.nodesClosed) return { allowed: true, as: "node" };
    return judgeNeighbour(request, rules, "a node") ?? { allowed: true, as: "node" };
  }
  // Nobody's key makes a difference where none is asked for: programs that insist on one send anything.
  if (rules.mode === "open") return judgeNeighbour(request, rules, "a caller") ?? { allowed: true, as: "admin" };
  return judgeKey(credential, asked, request);
}

function judgeKey(credential: Credential, asked: Exclude<Asked, "nobody">, request: AccessRequest): Access {
  if (credential.kind === "two") {
    return refuse(400, "two keys", "the request carries two different API keys: send one");
  }
  const as: Role = credential.kind === "key" ? credential.role : "anonymous";
  // A browser sends its cookie for whatever page asks it to.
  const withCookie = credential.kind === "key" && credential.cookie;
  if (withCookie && isForeign(request.browser, request.host)) {
    return refuse(403, "cross-site", "a page that is not the hub's own sent this with your login: it needs a key");
  }
  if (satisfies(as, asked)) return { allowed: true, as };
  if (credential.kind === "expired") return refuse(401, "credential", "this API key has expired: ask for a new one");
  if (credential.kind === "unknown") {
    return refuse(401, "credential", "this API key is not known here, or was revoked: check it, or ask for a new one");
  }
  if (credential.kind === "none") {
    return refuse(
      401,
      "credential",
      "this hub asks for an API key: send Authorization: Bearer KEY or x-api-key: KEY, or call it as http://HUB/k/KEY",
    );
  }
  return refuse(403, "role", `a key of role ${as} may not use this: it is for ${wordsOf(asked)}`);
}

function wordsOf(asked: Exclude<Asked, "nobody">): string {
  return asked === "admin" ? "admins (ollama-hub key add NAME --admin)" : `role ${asked}`;
}

/** Null for a request from this machine or its network; else why it is not taken without a credential. */
function judgeNeighbour(request: AccessRequest, rules: AccessRules, who: string): Access | null {
  const { source, host, browser, forwarded } = request;
  if (!isNear(source, rules.trustedNetworks)) {
    const from = source === null ? "an unknown address" : `${source.text}, which is not in your network`;
    const trust = source === null ? "" : `, or TRUSTED_NETWORKS=${source.text} if it is`;
    const close = who === "a node" ? "give the hub and the node a JOIN_TOKEN (ollama-hub token create)" : CLOSE;
    return refuse(
      401,
      "source",
      `this hub is open to its own network only, and ${who} came from ${from}: ${close}${trust}`,
    );
  }
  if (forwarded !== null) {
    return refuse(
      401,
      "forwarded",
      `the request came through a proxy (${forwarded}), so this hub cannot tell from where: ${CLOSE}`,
    );
  }
  if (!isLocalHost(host, rules.ownName, rules.allowedHosts)) {
    const name = hostNameOf(host);
    return refuse(
      421,
      "host",
      `this hub does not answer to the name ${name}: call it by its address, or set ALLOWED_HOSTS=${name} where nobody from ` +
        `outside your network can reach it by that name; behind a proxy or a tunnel, ${CLOSE}`,
    );
  }
  if (isCrossSite(browser, host, rules.allowedOrigins)) {
    const which = browser.origin === "" ? "another site" : browser.origin;
    return refuse(403, "cross-site", `a page of ${which} may not use this hub: see OLLAMA_ORIGINS`);
  }
  return null;
}

function refuse(status: 400 | 401 | 403 | 421, why: RefusalReason, sentence: string): Access {
  return { allowed: false, status, why, sentence };
}
