/** `DELETE /nodes/{id}`: an operator has a node and its key forgotten, so that another machine may have the name. */
import type { Context } from "hono";
import { scopeOf } from "../../shared/address.ts";
import type { Logger } from "../../shared/log.ts";
import { type Gate, rulesNow } from "../access/gate.ts";
import type { Registry } from "../registry.ts";
import type { NodeKeys } from "../trust/node_keys.ts";
import type { HubEnv } from "./body.ts";

export interface ForgetDeps {
  readonly registry: Pick<Registry, "forget">;
  readonly nodeKeys: Pick<NodeKeys, "forget">;
  readonly gate: Gate;
  readonly log: Pick<Logger, "warn">;
}

/** Forgets the node; what it was doing is given up. A node that is still there comes back with its next heartbeat. */
export function forgetNode(context: Context<HubEnv>, { registry, nodeKeys, gate, log }: ForgetDeps): Response {
  const source = context.get("source") ?? null;
  // Whoever may have a key forgotten may take its name.
  if (rulesNow(gate).mode === "open" && (source === null || scopeOf(source) !== "loopback")) {
    const detail =
      "without API keys a node can be forgotten from the hub's own machine only: call it at localhost there, or type " +
      "ollama-hub node forget NAME with the hub's STATE_DIR, in its container where it has one";
    return context.json({ detail }, 403);
  }
  const id = context.req.param("id") ?? "";
  const [hadKey, wasThere] = [nodeKeys.forget(id), registry.forget(id)];
  if (!hadKey && !wasThere) return context.json({ detail: "Node not found" }, 404);
  log.warn({ node_id: id, source: source?.text }, `node ${id} and its key were forgotten`);
  const detail = gate.nodesClosed()
    ? "its key is let in again only with a join token that is made after this"
    : "a node that still runs comes back with its next heartbeat: stop it first";
  return context.json({ node_id: id, status: "forgotten", detail });
}
