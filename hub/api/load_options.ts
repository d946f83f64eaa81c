/** Options with which Ollama loads a model: a request with others than those in use has it loaded anew. */
import { goField } from "./go_fields.ts";

/** Those that clients set; the others come with a model. */
const LOAD_OPTIONS = ["num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread"] as const;

/** Of a request's `options` those that a load depends on, in one form; "" where it has none. */
export function loadOptionsOf(options: unknown): string {
  return LOAD_OPTIONS.flatMap((name) => {
    const value = goField(options, name);
    return typeof value === "number" || typeof value === "boolean" ? `${name} ${value}` : [];
  }).join(", ");
}
