/** What the wire's schemas mean, in words: they are the product's own and carry none. */
import type { z } from "zod";
import { diskModel, loadedModel } from "../../../shared/ollama_models.ts";
import { gpu, heartbeat, heartbeatAnswer, ollamaState } from "../../../shared/protocol.ts";

const beat = heartbeat.shape;

export const HEARTBEAT_NOTES: ReadonlyMap<z.ZodType, string> = new Map<z.ZodType, string>([
  [
    heartbeat,
    "What a node says about itself, every 30 seconds. An agent of the earlier system sends the first seven fields.",
  ],
  [beat.node_id, "The node's name, always the same: 1 to 128 letters, digits, `.`, `_` or `-`."],
  [beat.ipv4, "The address others reach it at."],
  [beat.ipv6, "The address others reach it at."],
  [beat.port, "Port of the agent."],
  [beat.models, "Names of the models on disk."],
  [beat.metadata, "Anything, shown in `GET /nodes`; 16 kB at most."],
  [beat.load, "Ratios 0 to 1."],
  [beat.slots, "Requests it works on at the same time; 4 where nothing is said."],
  [beat.loaded, "Names of the models in memory."],
  [beat.tags, "The entries of Ollama's `/api/tags`."],
  [beat.ps, "The entries of Ollama's `/api/ps`."],
  [beat.boot_id, "Changes when the agent was restarted."],
  [beat.seq, "Rises by one with every heartbeat of a boot, so that one that was overtaken on its way is noticed."],
  [beat.hub_boot_id, "`X-Hub-Boot-Id` of the hub that accepted the node last, if one has."],
  [beat.ollama, "How its Ollama is."],
  [beat.agent_version, "Version of the agent."],
  [
    beat.capabilities,
    "What it can be asked for besides its health: `execute`, `ollama`. `execute` where nothing is said.",
  ],
  [beat.gpu, "Its graphics processors."],
  [beat.public_key, "The node's own key (Ed25519, base64url), which signs the heartbeat in `X-Signature`."],
  [beat.key_kept, "False when the key ends with the agent: its folder cannot be written."],
  [beat.tls_cert, "The certificate (PEM) the agent listens with, where it speaks https."],
  [beat.hub_key, "The hub's key, as the node knows it from before."],
  [beat.intent, "Take work, finish what it has, or nothing any more."],
  [gpu.shape.utilization, "Ratio 0 to 1."],
  [gpu.shape.memory_used, "Bytes."],
  [gpu.shape.memory_total, "Bytes."],
  [ollamaState.shape.ok, "Whether it answered lately."],
  [heartbeatAnswer.shape.ipv4, "The address the hub will use."],
  [heartbeatAnswer.shape.ipv6, "The address the hub will use."],
  [diskModel, "A model on disk, as Ollama lists it."],
  [diskModel.shape.size, "Bytes of all layers."],
  [diskModel.shape.modified_at, "RFC 3339, in the zone of the node."],
  [diskModel.shape.remote_host, "Set for a model that runs at a cloud service."],
  [loadedModel, "A model in memory, as Ollama lists it."],
  [loadedModel.shape.size, "Bytes altogether."],
  [loadedModel.shape.size_vram, "Bytes of it on graphics processors."],
  [loadedModel.shape.expires_at, "RFC 3339, in the zone of the node; may lie in the past while the model is in use."],
  [loadedModel.shape.context_length, "Tokens."],
]);
