/** Which models a caller may use, judged on what Ollama will read: what it cannot be told of, a limited key may not. */
import { ANY_MODEL, type ModelKey, modelKey, shortName } from "../../shared/model_name.ts";
import { allowsModel, type Caller } from "../policy/callers.ts";

/** A sentence that says why `caller` may not use the model with this key, named `model` by it; null where it may. */
export function refusedModel({ models }: Pick<Caller, "models">, key: ModelKey, model: string): string | null {
  if (models === null) return null;
  if (key === ANY_MODEL) return "this API key is for certain models only, and the request names none that can be read";
  if (mayUse(models, key)) return null;
  return `this API key may not use the model '${model.slice(0, 200)}'`;
}

/** True where a caller with these patterns may see and use the model. */
export function mayUse(models: readonly string[] | null, key: ModelKey): boolean {
  if (models === null) return true;
  return allowsModel(models.map(inFull), shortName(key));
}

/** `llama3` means `llama3:latest`, as everywhere. */
function inFull(pattern: string): string {
  return pattern.includes("*") ? pattern : shortName(modelKey(pattern));
}
