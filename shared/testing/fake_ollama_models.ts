// The models of the stand-in Ollama: names by Ollama's rules, the store on its "disk", what tags and show say of them.
import { Refusal } from "./fake_ollama_json.ts";
import { localStamp } from "./fake_ollama_time.ts";

/** A model of the stand-in; everything but the name has a default. */
export interface FakeModel {
  name: string;
  /** 64 hexadecimal digits; default: made from the name, hence equal on every stand-in. */
  digest?: string;
  /** Bytes on disk; default 2019393189. */
  size?: number;
  /** An embedding-only model: refuses generate and chat. */
  embedding?: boolean;
  /** Default ["completion","tools"], or ["embedding"] for an embedding model. */
  capabilities?: string[];
  family?: string;
  parameterSize?: string;
  quantization?: string;
  /** Trained context in tokens; default 131072. */
  contextLength?: number;
  /** Numbers in an embedding; default 8, to keep tests readable. */
  embeddingLength?: number;
  /** Moment of `modified_at`, ms since 1970; default: the first model is the newest. */
  modifiedAt?: number;
}

export interface ModelName {
  readonly host: string;
  readonly namespace: string;
  readonly model: string;
  readonly tag: string;
}

/** A model with every default filled in. */
export interface StoredModel extends Required<Omit<FakeModel, "embedding">> {
  readonly id: ModelName;
}

const part = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$/;
const namespacePart = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,79}$/;
const hostPart = /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}$/;

/** A name with Ollama's defaults filled in, or undefined when it is malformed. */
export function parseModelName(text: string): ModelName | undefined {
  const trimmed = text
    .trim()
    .replace(/^[a-z]+:\/\//i, "")
    .replace(/:local$/i, "");
  const slash = trimmed.lastIndexOf("/");
  const colon = trimmed.lastIndexOf(":");
  const hasTag = colon > slash;
  const tag = hasTag ? trimmed.slice(colon + 1) : "latest";
  const [model = "", namespace = "library", ...hosts] = (hasTag ? trimmed.slice(0, colon) : trimmed)
    .split("/")
    .reverse();
  const host = hosts.length === 0 ? "registry.ollama.ai" : hosts.reverse().join("/");
  const valid = part.test(model) && part.test(tag) && namespacePart.test(namespace) && hostPart.test(host);
  return valid ? { host, namespace, model, tag } : undefined;
}

/** The name two requests share when they mean the same model. */
export function canonicalKey(name: ModelName): string {
  return fullName(name).toLowerCase();
}

/** Host, namespace, model and tag: `registry.ollama.ai/library/llama3:latest`. */
export function fullName(name: ModelName): string {
  return `${name.host}/${name.namespace}/${name.model}:${name.tag}`;
}

/** Ollama's shortest form; the tag is always there. */
export function displayName(name: ModelName): string {
  const rest = `${name.model}:${name.tag}`;
  if (name.host !== "registry.ollama.ai") return `${name.host}/${name.namespace}/${rest}`;
  return name.namespace === "library" ? rest : `${name.namespace}/${rest}`;
}

/** Whether the name asks for Ollama's cloud. */
export function isCloudName(text: string): boolean {
  return /[:-]cloud$/i.test(text.trim()) && text.includes(":");
}

/** 64 hexadecimal digits of SHA-256. */
export function sha256(data: string | Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(data).digest("hex");
}

/** The models on one stand-in's disk, and its blobs. */
export class ModelStore {
  readonly #models = new Map<string, StoredModel>();
  readonly #blobs = new Set<string>();
  readonly #bornAt = Date.now();

  /** Replaces all models; the first in the list is the newest. */
  replace(models: readonly (string | FakeModel)[]): void {
    this.#models.clear();
    models.forEach((model, index) => {
      this.add(model, this.#bornAt - index * 1000);
    });
  }

  hasBlob(digest: string): boolean {
    return this.#blobs.has(digest.slice(7));
  }

  /** Remembers that a blob was stored; its bytes are not kept. */
  addBlob(digest: string): void {
    this.#blobs.add(digest.slice(7));
  }

  /** Adds or overwrites one model. @throws TypeError for a malformed name: the test's own mistake. */
  add(model: string | FakeModel, modifiedAt: number): StoredModel {
    const stored = completeModel(model, modifiedAt);
    this.#models.set(canonicalKey(stored.id), stored);
    return stored;
  }

  /** The model of that name in any case, or undefined; a malformed name has none. */
  find(name: string): StoredModel | undefined {
    const id = parseModelName(name);
    return id === undefined ? undefined : this.#models.get(canonicalKey(id));
  }

  remove(model: StoredModel): void {
    this.#models.delete(canonicalKey(model.id));
  }

  /** Newest first, as tags lists them. */
  all(): StoredModel[] {
    return [...this.#models.values()].sort((left, right) => right.modifiedAt - left.modifiedAt);
  }
}

/** A model with its defaults filled in. @throws TypeError for a malformed name: the test's own mistake. */
export function completeModel(model: string | FakeModel, modifiedAt: number): StoredModel {
  const given: FakeModel = typeof model === "string" ? { name: model } : model;
  const id = parseModelName(given.name);
  if (id === undefined) throw new TypeError(`no valid model name: ${JSON.stringify(given.name)}`);
  return {
    digest: sha256(canonicalKey(id)),
    size: 2_019_393_189,
    capabilities: given.embedding === true ? ["embedding"] : ["completion", "tools"],
    family: given.embedding === true ? "bert" : "llama",
    parameterSize: "3.2B",
    quantization: "Q4_K_M",
    contextLength: 131_072,
    embeddingLength: 8,
    modifiedAt,
    ...given,
    name: displayName(id),
    id,
  };
}

/** A name as a request gave it, parsed. @throws Refusal 400 for a malformed or contradictory name. */
export function requireModelName(text: string): ModelName {
  if (/:local$/i.test(text.trim()) && isCloudName(text.trim().replace(/:local$/i, ""))) {
    throw new Refusal(400, `use either :local or :cloud, not both: ${JSON.stringify(text)}`);
  }
  const name = parseModelName(text);
  if (name === undefined) throw new Refusal(400, "invalid model name");
  return name;
}

/** The `details` object; tags adds the two lengths, ps and show do not. */
export function detailsOf(model: StoredModel, withLengths: boolean): object {
  return {
    parent_model: "",
    format: "gguf",
    family: model.family,
    families: [model.family],
    parameter_size: model.parameterSize,
    quantization_level: model.quantization,
    ...(withLengths ? { context_length: model.contextLength, embedding_length: model.embeddingLength } : {}),
  };
}

/** One entry of GET /api/tags. */
export function tagsEntry(model: StoredModel): object {
  return {
    name: model.name,
    model: model.name,
    modified_at: localStamp(model.modifiedAt),
    size: model.size,
    digest: model.digest,
    details: detailsOf(model, true),
    capabilities: model.capabilities,
  };
}

/** The answer of POST /api/show; `modelfile` carries a blob path, as the real one does. */
export function showAnswer(model: StoredModel, requested: string, userAgent: string): object {
  const basename = userAgent.startsWith("GitHubCopilotChat/") ? { "general.basename": requested } : {};
  const from = `/usr/share/ollama/.ollama/models/blobs/sha256-${sha256(model.digest)}`;
  return {
    license: "stand-in licence",
    modelfile: `# Modelfile generated by "ollama show"\n# To build a new Modelfile based on this, replace FROM with:\n# FROM ${model.name}\n\nFROM ${from}\nTEMPLATE {{ .Prompt }}\nPARAMETER stop <|eot_id|>\n`,
    parameters: 'stop                           "<|eot_id|>"',
    template: "{{ .Prompt }}",
    details: detailsOf(model, false),
    model_info: {
      "general.architecture": model.family,
      ...basename,
      "general.parameter_count": 3_212_749_888,
      [`${model.family}.context_length`]: model.contextLength,
      [`${model.family}.embedding_length`]: model.embeddingLength,
      "tokenizer.ggml.merges": null,
      "tokenizer.ggml.tokens": null,
    },
    tensors: Array.from({ length: 28 }, (_, layer) => ({
      name: `blk.${layer}.attn_q.weight`,
      type: "Q4_K",
      shape: [3072, 3072],
    })),
    capabilities: model.capabilities,
    modified_at: localStamp(model.modifiedAt),
  };
}
