/** Entries of Ollama's lists of models. */
import type { DiskModel, LoadedModel } from "../../shared/ollama_models.ts";

/** An entry of /api/tags; the digest follows from the name unless it is given. */
export function onDisk(name: string, more: Partial<DiskModel> = {}): DiskModel {
  return { name, digest: `digest of ${name}`, size: 1, modified_at: "2026-11-22T10:00:00+01:00", ...more };
}

/** An entry of /api/ps; the digest is that of `onDisk(name)` unless it is given. */
export function inMemory(name: string, more: Partial<LoadedModel> = {}): LoadedModel {
  const expires_at = "2026-11-22T10:05:00+01:00";
  return { name, digest: `digest of ${name}`, size: 2, size_vram: 2, expires_at, context_length: 4096, ...more };
}
