/** The node's face that looks like its Ollama: which requests under /ollama are passed on, and by which way. */
import { headersForOllama } from "../shared/http_headers.ts";
import { modelName } from "../shared/ollama_models.ts";
import { findOllamaRoute, type Method, type RouteKind, withoutQuery } from "../shared/ollama_routes.ts";
import { HEADERS, PATHS } from "../shared/protocol.ts";
import { pathIn } from "../shared/signed_text.ts";
import type { Arrival } from "./arrival.ts";
import type { Execute } from "./execute.ts";
import { problem } from "./own_answer.ts";
import type { PassOn } from "./pass_on.ts";

export interface OllamaFaceDeps {
  readonly execute: Execute;
  readonly passOn: PassOn["handle"];
}

/** Handles a request whose path begins with PATHS.ollama. */
export type OllamaFace = (arrival: Arrival) => Response | Promise<Response>;

/** The handler of PATHS.ollama and everything below. */
export function createOllamaFace({ execute, passOn }: OllamaFaceDeps): OllamaFace {
  return (arrival) => {
    const { request } = arrival;
    const asked = findAsked(request);
    if (asked === null) return problem(404, `Not found: ${request.method} ${new URL(request.url).pathname}`);
    const { kind, method, target } = asked;
    const headers = headersForOllama(request.headers);
    if (kind !== "inference") return passOn(arrival, { kind, method, target, headers });
    const model = modelOf(request.headers);
    const takesSlot = request.headers.get(HEADERS.noSlot) === null;
    return execute(arrival, (body) => ({
      ok: true,
      work: { model, takesSlot, request: { method, target, headers, body }, about: { path: withoutQuery(target) } },
    }));
  };
}

interface Asked {
  readonly kind: RouteKind;
  readonly method: Method;
  /** Path and query at Ollama. */
  readonly target: string;
}

/**
 * Which route of Ollama's `request` names, or null. Decided from the very text that is sent on, so that what was checked
 * and what Ollama sees cannot differ: Bun has resolved dots in `request.url` before anybody reads it.
 */
function findAsked(request: Request): Asked | null {
  const whole = pathIn(request.url);
  // A fragment has no place in a request; fetch would cut it off, and with it a part of what was checked.
  if (!whole.startsWith(`${PATHS.ollama}/`) || whole.includes("#")) return null;
  const target = whole.slice(PATHS.ollama.length);
  const route = findOllamaRoute(withoutQuery(target));
  const method = route?.methods.find((each) => each === request.method);
  return route === null || method === undefined ? null : { kind: route.kind, method, target };
}

/** The model the hub says the request is for; "" when it does not, or not so that it can be read. */
function modelOf(headers: Headers): string {
  try {
    return modelName.parse(decodeURIComponent(headers.get(HEADERS.model) ?? ""));
  } catch {
    return "";
  }
}
