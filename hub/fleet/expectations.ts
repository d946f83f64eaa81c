/** What is expected of requests for a model over all nodes, looked at anew once a second: it changes slowly. */
import type { ModelKey } from "../../shared/model_name.ts";
import type { NodeFacts } from "../policy/eligibility.ts";
import { type Expected, expectedOf } from "../policy/first_token.ts";

/** Milliseconds for which a look over all nodes that have a model is good enough. */
const HOLDS_MS = 1_000;
/** Models remembered at most; more than are asked for within a second. */
const REMEMBERED_MODELS = 1_000;

export interface ExpectationsDeps {
  readonly now: () => number;
  /** The nodes that have a model. */
  readonly having: (model: ModelKey) => Iterable<Pick<NodeFacts, "pace">>;
  readonly serviceMs: (model: ModelKey) => number | null;
}

/** Nothing looked at yet. */
export function createExpectations({ now, having, serviceMs }: ExpectationsDeps) {
  const known = new Map<ModelKey, { readonly at: number; readonly expected: Expected }>();
  return {
    of(model: ModelKey): Expected | null {
      const last = known.get(model);
      if (last && now() - last.at < HOLDS_MS) return last.expected;
      const expected = expectedOf(having(model), model, serviceMs(model));
      known.delete(model);
      // The first that is measured counts at once.
      if (expected === null) return null;
      known.set(model, { at: now(), expected });
      for (const oldest of known.keys()) {
        if (known.size <= REMEMBERED_MODELS) break;
        known.delete(oldest);
      }
      return expected;
    },
  };
}
