/** Typed calls to the hub. */

import { failureWords } from "../shared/failure_words.ts";
import type { FleetFetch } from "../shared/fleet_fetch.ts";
import { parseJson } from "../shared/json.ts";
import { HEADERS, type HeartbeatAnswer, type HeartbeatBody, heartbeatAnswer, PATHS } from "../shared/protocol.ts";
import type { HubSight } from "./heartbeat_policy.ts";

export type HeartbeatOutcome =
  | { readonly kind: "accepted"; readonly bootId: string | null; readonly answer: HeartbeatAnswer }
  /** The hub understood and said no, or is no hub at all: `reason` names what it said. */
  | { readonly kind: "rejected"; readonly reason: string }
  /** No answer, or a hub that is not ready. */
  | { readonly kind: "unreachable"; readonly reason: string };

export interface HubClient {
  /** Sends one heartbeat; never rejects. */
  heartbeat(body: HeartbeatBody, timeoutMs: number): Promise<HeartbeatOutcome>;
  /** Looks whether the hub is there and whether it is still the same; never rejects. */
  look(timeoutMs: number): Promise<HubSight>;
}

/** A client of the hub at `serverUrl`. */
export function createHubClient(serverUrl: string, fetch: FleetFetch): HubClient {
  return {
    async heartbeat(body, timeoutMs) {
      try {
        const response = await fetch(`${serverUrl}${PATHS.heartbeat}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
          signal: AbortSignal.timeout(timeoutMs),
        });
        return readOutcome(response, await response.text());
      } catch (error) {
        return { kind: "unreachable", reason: failureWords(error) };
      }
    },
    async look(timeoutMs) {
      try {
        const response = await fetch(`${serverUrl}${PATHS.healthz}`, { signal: AbortSignal.timeout(timeoutMs) });
        await response.text();
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
