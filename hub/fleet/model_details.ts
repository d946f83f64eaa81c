/** What people see of each model on a node: what Ollama's two lists, of models on disk and in memory, say of it. */
import { modelKey } from "../../shared/model_name.ts";
import type { DiskModel } from "../../shared/ollama_models.ts";
import type { NodeRecord } from "./node_record.ts";

/** One model on one node. What an older agent does not tell is null. */
export interface ModelDetails {
  /** As the node wrote it. */
  readonly name: string;
  /** Bytes on disk. */
  readonly size: number | null;
  /** The first 12 digits, as `ollama list` shows them. */
  readonly digest: string | null;
  /** Such as "8.0B". */
  readonly parameter_size: string | null;
  /** Such as "Q4_K_M". */
  readonly quantization: string | null;
  readonly loaded: boolean;
  /** Bytes on graphics processors; null where it is not in memory. */
  readonly size_vram: number | null;
  /** When it leaves the memory, RFC 3339 in the zone of the node. */
  readonly expires_at: string | null;
}

type Facts = Pick<NodeRecord, "modelNames" | "tags" | "ps" | "loaded">;

const LONGEST_TEXT = 64;
const DIGITS_SHOWN = 12;

interface Known extends Facts {
  readonly details: readonly ModelDetails[];
}

/** The details by node: they change when the node says so, and are asked for every second. */
const known = new WeakMap<Facts, Known>();

/** The models of `node`, in the order of its names. */
export function modelDetails(node: Facts): readonly ModelDetails[] {
  const { modelNames, tags, ps, loaded } = node;
  const last = known.get(node);
  if (last && last.modelNames === modelNames && last.tags === tags && last.ps === ps && last.loaded === loaded) {
    return last.details;
  }
  const details = read(node);
  known.set(node, { modelNames, tags, ps, loaded, details });
  return details;
}

function read({ modelNames, tags, ps, loaded }: Facts): ModelDetails[] {
  const onDisk = new Map(tags.map((tag) => [tag.name, tag]));
  const inMemory = new Map(ps.map((model) => [modelKey(model.name), model]));
  return modelNames.map((name) => {
    const key = modelKey(name);
    const tag = onDisk.get(name);
    const running = loaded.has(key) ? inMemory.get(key) : undefined;
    return {
      name,
      size: tag?.size ?? null,
      digest: tag ? shownDigest(tag) : null,
      parameter_size: textIn(tag?.details, "parameter_size"),
      quantization: textIn(tag?.details, "quantization_level"),
      loaded: loaded.has(key),
      size_vram: running?.size_vram ?? null,
      expires_at: running?.expires_at ?? null,
    };
  });
}

function shownDigest({ digest }: DiskModel): string | null {
  const shown = digest.replace(/^sha256:/, "").slice(0, DIGITS_SHOWN);
  return /^[0-9a-f]{12}$/i.test(shown) ? shown : null;
}

/** A text under `name` in what a node sent; null for anything else. */
function textIn(object: unknown, name: string): string | null {
  if (typeof object !== "object" || object === null || !(name in object)) return null;
  const value: unknown = Reflect.get(object, name);
  return typeof value === "string" && value !== "" && value.length <= LONGEST_TEXT ? value : null;
}
