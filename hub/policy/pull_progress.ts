/** Merges the progress of one pull on several nodes into the stream a single Ollama would send. */

/** A line of the merged stream; its keys in the order of Ollama's. */
export type ProgressLine =
  | { readonly status: string; readonly digest?: string; readonly total?: number; readonly completed?: number }
  | { readonly error: string };

/** What happened on one node: a line of its stream, parsed, or the end of it with the reason where it failed. */
export type PullEvent =
  | { readonly nodeId: string; readonly line: Readonly<Record<string, unknown>> }
  | { readonly nodeId: string; readonly ended: string | null };

export interface PullMerge {
  /** The lines to send on after `event`; the last of all is `{"status":"success"}` or an error, and nothing follows. */
  take(event: PullEvent): ProgressLine[];
}

/** Ollama's words for a model that the registry does not know; the CLI and other clients look for them. */
export const MANIFEST_MISSING = "pull model manifest: file does not exist";

const FIRST = "pulling manifest";
const SUCCESS = "success";
/** What follows the layers, in Ollama's order; the last comes only where there is something to remove. */
const PHASES = ["verifying sha256 digest", "writing manifest", "removing unused layers"];
const NO_PHASE = -1;

interface NodePull {
  /** The latest of PHASES that it got to; past them all when it succeeded. Whoever got to one has every layer. */
  reached: number;
  outcome: "running" | "succeeded" | { readonly failure: string };
}

interface Layer {
  /** As the first node wrote it, such as `pulling 8eeb52dfb3bb`. */
  readonly status: string;
  readonly digest: string;
  /** Nodes that were at work when the layer was first seen, each of which needs it whole. */
  readonly shares: ReadonlyMap<string, NodePull>;
  /** Bytes. */
  size: number;
  /** Bytes by node. */
  readonly completed: Map<string, number>;
  /** The line that was sent last, as text. */
  sent: string;
}

/**
 * Merges the pull of one model on `nodeIds`. Ollama's CLI takes the length of a layer's
 * bar from the layer's first line, so `total` counts every node at work from the start and not as they report.
 */
export function mergePulls(nodeIds: readonly string[]): PullMerge {
  const nodes = new Map(nodeIds.map((id): [string, NodePull] => [id, { reached: NO_PHASE, outcome: "running" }]));
  const layers = new Map<string, Layer>();
  const seen = new Set<string>();
  let phaseSent = NO_PHASE;
  let begun = false;

  const alive = () => [...nodes].filter(([, { outcome }]) => typeof outcome === "string");

  function readLayer(nodeId: string, line: Readonly<Record<string, unknown>>, status: string, digest: string): void {
    const layer = layers.get(digest) ?? {
      status,
      digest,
      shares: new Map(alive()),
      size: 0,
      completed: new Map(),
      sent: "",
    };
    layers.set(digest, layer);
    layer.size = Math.max(layer.size, bytes(line.total));
    // A download that starts again on a node must not take the bar back.
    layer.completed.set(nodeId, Math.max(layer.completed.get(nodeId) ?? 0, bytes(line.completed)));
  }

  /** Lines of the layers whose numbers changed. */
  function layerLines(): ProgressLine[] {
    return [...layers.values()].flatMap((layer) => {
      const line = layerLine(layer);
      const text = JSON.stringify(line);
      if (layer.sent === text) return [];
      layer.sent = text;
      return [line];
    });
  }

  /** The phases that every node at work has got to by now. */
  function phaseLines(): ProgressLine[] {
    const reached = Math.min(...alive().map(([, node]) => node.reached));
    if (!Number.isFinite(reached)) return [];
    const due = PHASES.filter((phase, rank) => rank > phaseSent && rank <= reached && seen.has(phase));
    phaseSent = Math.max(phaseSent, Math.min(reached, PHASES.length));
    return due.map((status) => ({ status }));
  }

  /** Reads a line of a node that is at work; what of it is sent on as it is. */
  function readLine(nodeId: string, node: NodePull, line: Readonly<Record<string, unknown>>): ProgressLine[] {
    const { status, digest, error } = line;
    if (typeof error === "string") node.outcome = { failure: error };
    else if (status === SUCCESS) {
      node.outcome = "succeeded";
      node.reached = PHASES.length;
    } else if (typeof status !== "string") return [];
    else if (typeof digest === "string") readLayer(nodeId, line, status, digest);
    else if (PHASES.includes(status)) {
      node.reached = Math.max(node.reached, PHASES.indexOf(status));
      seen.add(status);
    } else if (status !== FIRST && !seen.has(status)) {
      // Words of another version of Ollama: once, as they come.
      seen.add(status);
      return [{ status }];
    }
    return [];
  }

  return {
    take(event) {
      const node = nodes.get(event.nodeId);
      if (node === undefined || node.outcome !== "running") return [];
      const asItIs = "line" in event ? readLine(event.nodeId, node, event.line) : [];
      if ("ended" in event) node.outcome = { failure: event.ended ?? "its answer ended before it was done" };
      const lines = [...asItIs, ...layerLines(), ...phaseLines(), ...lastLine(nodes)];
      if (begun || (lines.length === 0 && "ended" in event)) return lines;
      begun = true;
      return [{ status: FIRST }, ...lines];
    },
  };
}

function bytes(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}

function layerLine({ status, digest, shares, size, completed }: Layer): ProgressLine {
  const total = size * shares.size;
  let sum = 0;
  for (const [id, node] of shares) {
    sum += node.reached > NO_PHASE ? size : Math.min(completed.get(id) ?? 0, size);
  }
  // Go leaves out a number that is 0.
  return { status, digest, ...(total > 0 ? { total } : {}), ...(sum > 0 ? { completed: sum } : {}) };
}

/** The end of the merged stream, once every node has its outcome. */
function lastLine(nodes: ReadonlyMap<string, NodePull>): ProgressLine[] {
  const succeeded: string[] = [];
  const failed: { readonly id: string; readonly failure: string }[] = [];
  for (const [id, { outcome }] of nodes) {
    if (outcome === "running") return [];
    if (outcome === "succeeded") succeeded.push(id);
    else failed.push({ id, failure: outcome.failure });
  }
  return failed.length === 0 ? [{ status: SUCCESS }] : [{ error: describe(failed, succeeded) }];
}

/** Who failed and why, and who did not. A cause that all of them share stands first, as a single Ollama would say it. */
function describe(
  failed: readonly { readonly id: string; readonly failure: string }[],
  succeeded: readonly string[],
): string {
  const rest = `succeeded on ${succeeded.length === 0 ? "no node" : succeeded.join(", ")}`;
  const causes = new Set(
    failed.map(({ failure }) => (failure.includes(MANIFEST_MISSING) ? MANIFEST_MISSING : failure)),
  );
  const [cause = ""] = causes;
  if (causes.size === 1) return `${cause} (failed on ${failed.map(({ id }) => id).join(", ")}; ${rest})`;
  return `failed on ${failed.map(({ id, failure }) => `${id} (${failure})`).join(", ")}; ${rest}`;
}
