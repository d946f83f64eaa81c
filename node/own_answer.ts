/** What the node answers by itself, without or instead of Ollama: always a sentence in `detail`. */
import { CLIENT_CLOSED_REQUEST, type DeclineReason, HEADERS } from "../shared/protocol.ts";

/** Why this node, the one that was meant, does not serve a request. */
type OwnReason = Exclude<DeclineReason, "wrong_node" | "ticket">;

const SENTENCES: Readonly<Record<OwnReason, string>> = {
  busy: "All slots of this node are taken",
  draining: "This node is shutting down and takes no new work",
  ollama_down: "Ollama is not running on this node",
};

/** A request handed back untried, in the way that tells the hub so. */
export function decline(reason: OwnReason): Response {
  return declined(reason, 503, SENTENCES[reason]);
}

/** The same for a request that is meant for node `meant` and came to `nodeId`, which has its address now. */
export function declineAsOther(nodeId: string, meant: string): Response {
  return declined(
    "wrong_node",
    421,
    `This is node ${nodeId}, not ${meant.slice(0, LONGEST_ID)}, which the request is for`,
  );
}

/** Characters of a node's name. */
const LONGEST_ID = 128;

function declined(reason: DeclineReason, status: number, detail: string): Response {
  const headers = { [HEADERS.declined]: reason, [HEADERS.agentError]: "1" };
  return Response.json({ detail }, { status, headers });
}

/** An error status with one sentence. */
export function problem(status: number, detail: string): Response {
  return Response.json({ detail }, { status, headers: { [HEADERS.agentError]: "1" } });
}

/** The answer to who cannot show a ticket of the hub's. `stale`: the hub may have sent it, and should try again. */
export function noTicket(detail: string, stale: boolean): Response {
  return stale ? declined("ticket", 401, detail) : problem(401, detail);
}

/** For a caller that has gone; nobody reads it. */
export function gone(): Response {
  return new Response(null, { status: CLIENT_CLOSED_REQUEST });
}
