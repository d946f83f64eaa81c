/** The terms in which routes are described: operations, bodies, answers. `document.ts` makes OpenAPI of them. */
import type { z } from "zod";
import type { Method } from "../../../shared/ollama_routes.ts";

/** The parts of the document, in its order, with what each is about. */
export const TAGS = {
  Jobs: "The hub's own way to have a prompt answered.",
  Fleet: "Which nodes there are and how they are, what was asked, and how a node joins.",
  Ollama: 'Ollama\'s own routes: the fleet answers as one Ollama would. Errors are `{"error": …}`.',
  OpenAI: "OpenAI's routes as Ollama has them. Errors are OpenAI's objects, and `stream` is false unless asked for.",
  Anthropic: "Anthropic's route as Ollama has it, with Anthropic's errors.",
  Models: "Managing models: to get, make, copy, publish and delete them on the machines of the fleet.",
  Account: "A node's own account at ollama.com.",
  Access:
    "Who is let in. A closed hub takes `Authorization: Bearer KEY`, `x-api-key: KEY` or `/k/KEY` before the path.",
  Pages: "What a browser opens, and this description.",
} as const;

export type Tag = keyof typeof TAGS;

/** Headers of answers, described once under `components.headers`. */
export type HeaderName =
  | "X-Request-Id"
  | "X-Node-Id"
  | "X-Attempts"
  | "X-Queue-Position"
  | "Retry-After"
  | "X-Hub-Boot-Id";

export interface Parameter {
  readonly in: "path" | "query" | "header";
  readonly name: string;
  readonly description: string;
  readonly schema: z.ZodType;
  /** A value that works with the examples of the route. */
  readonly example: string | number;
}

export interface Example {
  readonly summary: string;
  /** The body: JSON, the text itself for a raw one, the fields for a form. */
  readonly value: unknown;
  /** Status of the answer; 200 where nothing is said. */
  readonly status?: number;
}

export interface RequestBody {
  /** Media type; "application/json" where nothing is said. */
  readonly type?: string;
  readonly schema: z.ZodType;
  /** By their keys in the document; the first one becomes the curl line of the page. */
  readonly examples: Readonly<Record<string, Example>>;
}

export interface Answer {
  readonly description: string;
  readonly headers?: readonly HeaderName[];
  /** By media type; of a stream it is the schema of one line, or of the data of one event. Null for any text. */
  readonly content?: Readonly<Record<string, z.ZodType | null>>;
  readonly example?: unknown;
}

/** By status, or "default". */
export type Answers = Readonly<Record<string, Answer>>;

export interface Operation {
  readonly method: Method;
  /** As the router writes it, `:name` for a segment. */
  readonly path: string;
  /** Unique, for generated clients. */
  readonly id: string;
  readonly tag: Tag;
  readonly summary: string;
  /** What it does on the fleet. */
  readonly description: string;
  /** Which parameter chooses the node with a header, `X-Node-Id`: one only, or `*` for all as well. */
  readonly pin?: "NodeId" | "NodeIdOrAll";
  readonly parameters?: readonly Parameter[];
  readonly request?: RequestBody;
  /** True where the answer goes on until the client leaves. */
  readonly endless?: true;
  readonly answers: Answers;
}

/** What one file describes. */
export interface Chapter {
  readonly operations: readonly Operation[];
  /** Schemas with a name of their own in the document. */
  readonly schemas: Readonly<Record<string, z.ZodType>>;
  /** What is said of schemas that the product itself validates with, which carry no descriptions. */
  readonly notes?: ReadonlyMap<z.ZodType, string>;
}
