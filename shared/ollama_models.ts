/** Ollama's lists of models, on disk (`/api/tags`) and in memory (`/api/ps`): what is read of them, the rest as it came. */
import { z } from "zod";

/** Characters of a model's name. */
export const modelName = z.string().min(1).max(512);

/** Hash of a manifest, 64 hex digits; what another program puts there is kept if it is short. */
const digest = z.string().max(128);

/** A model on disk. Fields that are not named here are kept. */
export const diskModel = z.looseObject({
  name: modelName,
  digest,
  /** Bytes of all layers. */
  size: z.number().nonnegative(),
  /** RFC 3339, in the zone of the node. */
  modified_at: z.string().max(64),
  /** Set for a model that runs at a cloud service. */
  remote_host: z.string().max(512).nullish(),
});
export type DiskModel = z.infer<typeof diskModel>;

/** A model in memory. Fields that are not named here are kept. */
export const loadedModel = z.looseObject({
  name: modelName,
  digest,
  /** Bytes altogether, and of them on graphics processors. */
  size: z.number().nonnegative(),
  size_vram: z.number().nonnegative(),
  /** RFC 3339, in the zone of the node; may lie in the past while the model is in use. */
  expires_at: z.string().max(64),
  /** Tokens; since Ollama 0.10.0. */
  context_length: z.number().nonnegative().nullish(),
});
export type LoadedModel = z.infer<typeof loadedModel>;

/** Models of one list at most. */
export const MOST_MODELS = 10_000;

/** The entries of a list that are what they should be; a strange one must not cost the others. */
function listOf<Entry>(entry: z.ZodType<Entry>) {
  return z.object({ models: z.array(z.unknown()).max(MOST_MODELS).nullish() }).transform(({ models }) =>
    (models ?? []).flatMap((each) => {
      const read = entry.safeParse(each);
      return read.success ? [read.data] : [];
    }),
  );
}

/** The answer of `GET /api/tags`, read as its entries. */
export const tagsAnswer = listOf(diskModel);
/** The answer of `GET /api/ps`, read as its entries. */
export const psAnswer = listOf(loadedModel);
