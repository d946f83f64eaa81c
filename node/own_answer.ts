/** What the node answers by itself, without or instead of Ollama: always a sentence in `detail`. */
import { type DeclineReason, HEADERS } from "../shared/protocol.ts";

const SENTENCES: Readonly<Record<DeclineReason, string>> = {
  busy: "All slots of this node are taken",
  draining: "This node is shutting down and takes no new work",
  ollama_down: "Ollama is not running on this node",
};

/** A request handed back untried, in the way that tells the hub so. */
export function decline(reason: DeclineReason): Response {
  const headers = { [HEADERS.declined]: reason, [HEADERS.agentError]: "1" };
  return Response.json({ detail: SENTENCES[reason] }, { status: 503, headers });
}

/** An error status with one sentence. */
export function problem(status: number, detail: string): Response {
  return Response.json({ detail }, { status, headers: { [HEADERS.agentError]: "1" } });
}

/** For a caller that has gone; nobody reads it. The status is the one nginx and Ollama use. */
export function gone(): Response {
  return new Response(null, { status: 499 });
}
