/** How long requests hold their slots, measured: per model, and over all of them. */
import { ANY_MODEL, type ModelKey } from "../../shared/model_name.ts";

/** Weight of the newest request in an average: seven requests later its part has halved. */
const NEWEST = 0.1;
/** Models remembered at most; the one that ran longest ago is forgotten first. */
const REMEMBERED_MODELS = 1000;

export interface ServiceTimes {
  /** A request for `model` held its slot for `ms` milliseconds and was served. */
  took(model: ModelKey, ms: number): void;
  /** Average milliseconds for `model`; of all requests where it has not run yet; null before the first. */
  of(model: ModelKey): number | null;
}

/** Nothing measured yet. */
export function createServiceTimes(): ServiceTimes {
  const byModel = new Map<ModelKey, number>();
  const blend = (average: number | undefined, ms: number) =>
    average === undefined ? ms : average * (1 - NEWEST) + ms * NEWEST;
  let overall: number | undefined;
  return {
    took(model, ms) {
      overall = blend(overall, ms);
      if (model === ANY_MODEL) return;
      const average = blend(byModel.get(model), ms);
      byModel.delete(model);
      byModel.set(model, average);
      for (const oldest of byModel.keys()) {
        if (byModel.size <= REMEMBERED_MODELS) break;
        byModel.delete(oldest);
      }
    },
    of: (model) => byModel.get(model) ?? overall ?? null,
  };
}
