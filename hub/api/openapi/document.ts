/** The OpenAPI document, put together from the chapters. Its schemas are zod's own translation of the product's. */
import { z } from "zod";
import { VERSION } from "../../../shared/version.ts";
import { ACCESS } from "./access.ts";
import { ACCOUNT } from "./account.ts";
import { ANTHROPIC } from "./anthropic.ts";
import { ERROR_SCHEMAS } from "./errors.ts";
import { EXPLAIN } from "./explain.ts";
import { FLEET } from "./fleet.ts";
import { JOBS } from "./jobs.ts";
import { LIVE } from "./live.ts";
import { MODELS } from "./models.ts";
import { NATIVE } from "./native.ts";
import { NATIVE_LISTS } from "./native_lists.ts";
import { OPENAI } from "./openai.ts";
import { type Answer, type Chapter, type Operation, type Parameter, type RequestBody, TAGS } from "./operation.ts";
import { PAGES } from "./pages.ts";
import { COMMON, INTRODUCTION } from "./preamble.ts";
import { REQUESTS } from "./requests.ts";
import { RESPONSES } from "./responses.ts";

const CHAPTERS: readonly Chapter[] = [
  { operations: [], schemas: ERROR_SCHEMAS },
  JOBS,
  FLEET,
  EXPLAIN,
  REQUESTS,
  LIVE,
  NATIVE,
  NATIVE_LISTS,
  OPENAI,
  RESPONSES,
  ANTHROPIC,
  MODELS,
  ACCOUNT,
  ACCESS,
  PAGES,
];

/** Everything the hub serves, as it is described. */
export const OPERATIONS: readonly Operation[] = CHAPTERS.flatMap(({ operations }) => operations);

const SCHEMAS: readonly (readonly [string, z.ZodType])[] = CHAPTERS.flatMap(({ schemas }) => Object.entries(schemas));
const NOTES = new Map<z.core.$ZodType, string>(CHAPTERS.flatMap(({ notes }) => [...(notes ?? [])]));
const IDS = new Map(SCHEMAS.map(([id, schema]) => [schema, id]));

const refTo = (id: string) => `#/components/schemas/${id}`;

/** A JSON object on its way into the document. */
type Json = { [key: string]: unknown };

/** The document, for whichever `origin` the hub's address is as a client reached it. */
export function describeHub(): (origin: string) => Json {
  const parts = {
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths: paths(),
    components: { schemas: componentSchemas(), ...COMMON },
  };
  return (origin) => ({
    openapi: "3.1.0",
    info: {
      title: "Ollama Connector",
      version: VERSION,
      summary: "Several machines with Ollama, one address.",
      description: INTRODUCTION,
      license: { name: "MIT", identifier: "MIT" },
    },
    // The second holds where a proxy in between changed the first.
    servers: [
      { url: origin, description: "This hub, as it was reached" },
      { url: "/", description: "This hub, at whatever address" },
    ],
    ...parts,
  });
}

function paths(): Json {
  const byPath: Record<string, Json> = {};
  for (const operation of OPERATIONS) {
    const path = templateOf(operation.path);
    byPath[path] = { ...byPath[path], [operation.method.toLowerCase()]: operationJson(operation) };
  }
  return byPath;
}

/** `/v1/models/:model` as `/v1/models/{model}`. */
export function templateOf(path: string): string {
  return path.replace(/:(\w+)/g, "{$1}");
}

function operationJson({ id, tag, summary, description, request, answers, parameters = [], pin }: Operation): Json {
  const all = [...parameters.map(parameterJson), ...(pin ? [{ $ref: `#/components/parameters/${pin}` }] : [])];
  return {
    operationId: id,
    tags: [tag],
    summary,
    description,
    ...(all.length > 0 ? { parameters: all } : {}),
    ...(request ? { requestBody: requestJson(request) } : {}),
    responses: Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, answerJson(answer)])),
  };
}

function parameterJson({ name, description, schema, example, ...parameter }: Parameter): Json {
  return {
    name,
    in: parameter.in,
    required: parameter.in === "path",
    description,
    schema: schemaJson(schema),
    example,
  };
}

function requestJson({ type = "application/json", schema, examples }: RequestBody): Json {
  const shown = Object.entries(examples).map(([key, { summary, value }]) => [key, { summary, value }]);
  return { required: true, content: { [type]: { schema: schemaJson(schema), examples: Object.fromEntries(shown) } } };
}

function answerJson({ description, headers = [], content, example }: Answer): Json {
  const media = Object.entries(content ?? {}).map(([type, schema]) => [
    type,
    {
      schema: schema === null ? { type: "string" } : schemaJson(schema),
      ...(example !== undefined && type === "application/json" ? { example } : {}),
    },
  ]);
  const named = [...headers, "X-Hub-Boot-Id"].map((name) => [name, { $ref: `#/components/headers/${name}` }]);
  return {
    description,
    headers: Object.fromEntries(named),
    ...(media.length > 0 ? { content: Object.fromEntries(media) } : {}),
  };
}

/** A reference where the schema has a name, else the schema itself. */
function schemaJson(schema: z.ZodType): Json {
  const id = IDS.get(schema);
  if (id !== undefined) return { $ref: refTo(id) };
  return tidy(z.toJSONSchema(schema, TRANSLATION)) as Json;
}

/** "input": what a client may send, before the product's own transforms, and no field is forbidden that comes later. */
const TRANSLATION = {
  io: "input",
  target: "draft-2020-12",
  override: ({ zodSchema, jsonSchema }) => {
    const note = NOTES.get(zodSchema);
    if (note !== undefined) jsonSchema.description = note;
  },
} satisfies z.core.ToJSONSchemaParams;

function componentSchemas(): Json {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of SCHEMAS) registry.add(schema, { id });
  return tidy(z.toJSONSchema(registry, { ...TRANSLATION, uri: refTo }).schemas) as Json;
}

/** Without what OpenAPI has no use for: addresses of schemas, and limits that say nothing. */
function tidy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(tidy);
  if (typeof value !== "object" || value === null) return value;
  const { $schema: _, $id: __, ...rest } = value as Json;
  if ("$ref" in rest) return { $ref: rest.$ref, ...(rest.description ? { description: rest.description } : {}) };
  if (rest.maximum === Number.MAX_SAFE_INTEGER) delete rest.maximum;
  if (rest.minimum === Number.MIN_SAFE_INTEGER) delete rest.minimum;
  if (isEmpty(rest.additionalProperties)) delete rest.additionalProperties;
  delete rest.propertyNames;
  // An example is data, not schema: what looks like a schema in it stays.
  return Object.fromEntries(Object.entries(rest).map(([key, each]) => [key, key === "examples" ? each : tidy(each)]));
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
