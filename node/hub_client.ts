/** Typed calls to the hub. */

import { failureWords } from "../shared/failure_words.ts";
import { type FleetFetch, readText } from "../shared/fleet_fetch.ts";
import { parseJson } from "../shared/json.ts";
import { HEADERS, type HeartbeatAnswer, type HeartbeatBody, heartbeatAnswer, PATHS } from "../shared/protocol.ts";
import type { HubSight } from "./heartbeat_policy.ts";
import type { HubTrust } from "./hub_trust.ts";

export type HeartbeatOutcome =
  | { readonly kind: "accepted"; readonly bootId: string | null; readonly answer: HeartbeatAnswer }
  /** The hub understood and said no, or is no hub at all: `reason` names what it said. `doubted`: it said yes and is not trusted. */
  | { readonly kind: "rejected"; readonly reason: string; readonly doubted?: true }
  /** No answer, or a hub that is not ready. */
  | { readonly kind: "unreachable"; readonly reason: string };

export interface HubClient {
  /** Sends one heartbeat; never rejects. */
  heartbeat(body: HeartbeatBody, timeoutMs: number): Promise<HeartbeatOutcome>;
  /** Looks whether the hub is there and whether it is still the same; never rejects. */
  look(timeoutMs: number): Promise<HubSight>;
}

/** What a hub answers that was started after it spoke with this node last: say it again, signed for this start. */
const SIGN_AGAIN = 428;

/** Bytes of an answer; a hub's has some hundred, and one with 64 rotations of its key 20,000. */
const LARGEST_ANSWER = 64 * 1024;

/** A client of the hub at `serverUrl`, which `trust` speaks to as this node; null sends heartbeats as they are. */
export function createHubClient(serverUrl: string, fetch: FleetFetch, trust: HubTrust | null = null): HubClient {
  async function post(body: HeartbeatBody, timeoutMs: number, challenge: string): Promise<Response> {
    const text = JSON.stringify(trust === null ? body : trust.introduce(body));
    const signed = trust?.sign(text, body.seq ?? 0, challenge) ?? {};
    return fetch(`${serverUrl}${PATHS.heartbeat}`, {
      method: "POST",
      // The name also as a header: of a node it knows, a hub reads more than of a stranger.
      headers: { "content-type": "application/json", [HEADERS.nodeId]: body.node_id, ...signed },
      body: text,
      signal: AbortSignal.timeout(timeoutMs),
    });
  }

  return {
    async heartbeat(body, timeoutMs) {
      try {
        let response = await post(body, timeoutMs, body.hub_boot_id ?? "");
        const challenge = response.headers.get(HEADERS.hubBootId);
        if (response.status === SIGN_AGAIN && trust !== null && challenge !== null) {
          await readText(response, LARGEST_ANSWER);
          response = await post(body, timeoutMs, challenge);
        }
        const outcome = readOutcome(response, await readText(response, LARGEST_ANSWER));
        const doubt = outcome.kind === "accepted" ? (trust?.learn(outcome.answer, body.seq ?? 0) ?? null) : null;
        return doubt === null ? outcome : { kind: "rejected", reason: doubt, doubted: true };
      } catch (error) {
        return { kind: "unreachable", reason: failureWords(error) };
      }
    },
    async look(timeoutMs) {
      try {
        const response = await fetch(`${serverUrl}${PATHS.healthz}`, { signal: AbortSignal.timeout(timeoutMs) });
        await readText(response, LARGEST_ANSWER);
        if (response.status >= 500) return { kind: "away" };
        return { kind: "answered", bootId: response.headers.get(HEADERS.hubBootId) };
      } catch {
        return { kind: "away" };
      }
    },
  };
}

function readOutcome(response: Response, text: string): HeartbeatOutcome {
  const { status } = response;
  const body = parseJson(text);
  if (status >= 500) return { kind: "unreachable", reason: `status ${status}${detailOf(body)}` };
  if (status >= 300 && status < 400) {
    const target = response.headers.get("location") ?? "somewhere else";
    return {
      kind: "rejected",
      reason: `status ${status}: it points to ${target}, which is not followed; set SERVER_URL`,
    };
  }
  if (status !== 200) return { kind: "rejected", reason: `status ${status}${detailOf(body)}` };
  const parsed = heartbeatAnswer.safeParse(body);
  if (!parsed.success) return { kind: "rejected", reason: "what answers there is not a hub; set SERVER_URL" };
  return { kind: "accepted", bootId: response.headers.get(HEADERS.hubBootId), answer: parsed.data };
}

/** ": " and the hub's detail, or nothing. */
function detailOf(body: unknown): string {
  if (typeof body !== "object" || body === null || !("detail" in body)) return "";
  const { detail } = body;
  return `: ${(typeof detail === "string" ? detail : JSON.stringify(detail)).slice(0, 500)}`;
}
