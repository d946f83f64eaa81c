/** Ollama's, OpenAI's and Anthropic's routes that run a model: how a request on each is read. Its bytes stay as they are. */
import { headersForOllama } from "../../shared/http_headers.ts";
import { ANY_MODEL, isModelName, modelKey, shortName } from "../../shared/model_name.ts";
import { HEADERS, PATHS } from "../../shared/protocol.ts";
import type { Face } from "../job.ts";
import { TOO_DEEP } from "../skim_json.ts";
import { continuityOf } from "./continuity.ts";
import { FORM_UNREADABLE } from "./form_fields.ts";
import { goField } from "./go_fields.ts";
import { loadOptionsOf } from "./load_options.ts";
import { type Fields, isForm, NESTED_TOO_DEEPLY, readFields } from "./request_fields.ts";
import type { ServedRoute } from "./serve.ts";
import { NO_ROOM } from "./unpack.ts";

/** When the answer is a stream. */
export type Streams = "unless refused" | "when asked" | "never";

export interface InferenceOptions {
  /** Path at Ollama, and at the hub. */
  readonly path: string;
  readonly face: Face;
  readonly streams: Streams;
  /** False for a question that runs no model. */
  readonly slot?: boolean;
}

/** The route at `path`. */
export function inferenceRoute({ path, face, streams, slot = true }: InferenceOptions): ServedRoute {
  return {
    face,
    capability: "ollama",
    async read(_, bytes, request, budget) {
      const { headers, signal } = request;
      const fields = await readFields(bytes, headers, { path, budget, signal });
      if (fields === NO_ROOM) return "no room";
      if (fields === TOO_DEEP) return { problem: NESTED_TOO_DEEPLY };
      // Readers of forms are less alike than those of JSON: what another one might take for a model stays here.
      if (fields === undefined && isForm(path, headers)) return { problem: FORM_UNREADABLE };
      const model = path === "/api/show" ? modelOf(fields) : textOf(goField(fields, "model"));
      // Without a name that could be one, any node's Ollama says best what is wrong with the request.
      const key = isModelName(model) ? modelKey(model) : ANY_MODEL;
      const unloads = isUnload(path, fields);
      return {
        model,
        key,
        stream: isStreamed(fields, streams),
        // Without the query: Ollama would take a model out of it before the one in a form, on which was judged here.
        path: PATHS.ollama + path,
        headers: {
          ...headersForOllama(headers),
          // Not as the client wrote it: what is no name may be megabytes, which no node takes in a header.
          ...(key === ANY_MODEL ? {} : { [HEADERS.model]: encodeURIComponent(shortName(key)) }),
          ...(unloads ? { [HEADERS.noSlot]: "1" } : {}),
        },
        body: bytes,
        continuity: continuityOf(path, fields),
        // The other families have no options.
        loadOptions: path.startsWith("/api/") ? loadOptionsOf(goField(fields, "options")) : "",
        slot: slot && !unloads,
        unloads,
        json: fields,
      };
    },
  };
}

/** The model a request names: `show` and the managing routes take `name` as well. */
export function modelOf(fields: Fields): string {
  return textOf(goField(fields, "model") || goField(fields, "name"));
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function isStreamed(fields: Fields, streams: Streams): boolean {
  const stream = goField(fields, "stream");
  if (streams === "never") return false;
  return streams === "when asked" ? stream === true : stream !== false;
}

/** What a prompt stands in, on the routes where a request without one loads the model, or unloads it. */
const PROMPT_FIELDS: Readonly<Record<string, string>> = { "/api/generate": "prompt", "/api/chat": "messages" };

/** Go durations of nothing: "0", "0s", "0h0m", "-0.0ms". */
const ZERO_DURATION = /^[+-]?(0+(\.0*)?(ns|us|µs|ms|s|m|h))*0*$/;

/** True for a request without a prompt whose `keep_alive` is exactly 0: Ollama takes the model out of memory. */
function isUnload(path: string, fields: Fields): boolean {
  const promptField = PROMPT_FIELDS[path];
  if (promptField === undefined) return false;
  const prompt = goField(fields, promptField);
  if (prompt != null && prompt !== "" && !(Array.isArray(prompt) && prompt.length === 0)) return false;
  const keepAlive = goField(fields, "keep_alive");
  return keepAlive === 0 || (typeof keepAlive === "string" && keepAlive !== "" && ZERO_DURATION.test(keepAlive));
}
