/** The document is whole: it has every route there is and no other, and it is OpenAPI 3.1 in its structure. */
import { expect, test } from "bun:test";
import { OLLAMA_ROUTES } from "../../../shared/ollama_routes.ts";
import { VERSION } from "../../../shared/version.ts";
import type { HubAppDeps } from "../../app.ts";
import { createHubApp } from "../../app.ts";
import { describeHub, OPERATIONS, templateOf } from "./document.ts";
import { TAGS } from "./operation.ts";

type Json = Record<string, unknown>;

interface Document extends Json {
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly tags: readonly { readonly name: string }[];
}

interface Operation extends Json {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly parameters?: readonly Json[];
  readonly responses: Readonly<Record<string, Json>>;
}

const api = describeHub()("http://hub.example:8000") as unknown as Document;
const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, path, operation })),
);

/** Every method and path the hub's router knows, as the document would name it. */
function servedRoutes(): Set<string> {
  // Registering routes asks nothing of what serves them.
  const app = createHubApp({ allowedOrigins: [] } as unknown as HubAppDeps);
  const served = app.routes.filter(({ method }) => method !== "ALL").map(({ method, path }) => ({ method, path }));
  const names = served.flatMap(({ method, path }) => {
    const ollama = OLLAMA_ROUTES.find((route) => shape(route.path) === shape(path));
    // Hono answers HEAD by GET, and Ollama's table says where there is which.
    const methods = method !== "GET" ? [method] : (ollama?.methods.filter((each) => /GET|HEAD/.test(each)) ?? ["GET"]);
    return methods.map((each) => `${each} ${documentedPath(ollama?.path ?? path)}`);
  });
  return new Set(names);
}

const shape = (path: string) => path.replace(/:\w+/g, ":");

function documentedPath(path: string): string {
  return path.startsWith("/static/") || path === "/favicon.ico" ? "/static/{file}" : templateOf(path);
}

test("every route the hub serves is described", () => {
  const described = new Set(operations.map(({ name }) => name));
  const served = servedRoutes();
  expect(served.size).toBeGreaterThan(20);
  expect([...served].filter((name) => !described.has(name))).toEqual([]);
});

test("every route that is described is served", () => {
  const served = servedRoutes();
  expect(operations.map(({ name }) => name).filter((name) => !served.has(name))).toEqual([]);
});

test("every route of Ollama's is described", () => {
  const described = new Set(operations.map(({ name }) => name));
  const all = OLLAMA_ROUTES.flatMap(({ path, methods }) => methods.map((method) => `${method} ${templateOf(path)}`));
  expect(all.filter((name) => !described.has(name))).toEqual([]);
});

test("it names its version, and the hub by the address at which it was asked", () => {
  expect(api).toMatchObject({ openapi: "3.1.0", servers: [{ url: "http://hub.example:8000" }, { url: "/" }] });
  expect(api.info.version).toBe(VERSION);
});

/** Every value within `value`, with its place. */
function* everything(value: unknown, at = "#"): Generator<{ at: string; value: unknown }> {
  yield { at, value };
  if (typeof value !== "object" || value === null) return;
  for (const [key, each] of Object.entries(value)) yield* everything(each, `${at}/${key}`);
}

test("every reference leads somewhere, and every schema, header and parameter of components is used", () => {
  const used = new Set<string>();
  for (const { at, value } of everything(api)) {
    if (!at.endsWith("/$ref")) continue;
    const reference = String(value);
    const target = reference
      .slice(2)
      .split("/")
      .reduce<unknown>((found, step) => (found as Json | undefined)?.[step], api);
    expect([at, reference, typeof target]).toEqual([at, reference, "object"]);
    used.add(reference);
  }
  const parts = Object.entries(api.components as Record<string, Json>).flatMap(([part, named]) =>
    Object.keys(named).map((name) => `#/components/${part}/${name}`),
  );
  expect(parts.filter((part) => !used.has(part))).toEqual([]);
});

test("nothing in it is undefined, and it survives being written as JSON", () => {
  expect([...everything(api)].filter(({ value }) => value === undefined).map(({ at }) => at)).toEqual([]);
  expect(JSON.parse(JSON.stringify(api))).toEqual(api);
});

test("operation ids and paths are unique, also when parameters are called otherwise", () => {
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  expect(ids.filter((id) => !/^[a-z]\w+$/i.test(id))).toEqual([]);
  const shapes = Object.keys(api.paths).map((path) => path.replace(/\{\w+\}/g, "{}"));
  expect(shapes.filter((path, index) => shapes.indexOf(path) !== index)).toEqual([]);
});

test.each(operations)("$name says what it is, declares its parameters and has answers", ({ path, operation }) => {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  const declared = (operation.parameters ?? []).filter((each) => each.in === "path");
  expect(declared.map(({ name }) => name)).toEqual(inPath);
  for (const parameter of declared) expect(parameter).toMatchObject({ required: true, example: expect.anything() });
  expect(operation.tags.every((tag) => tag in TAGS)).toBe(true);
  expect(operation.summary).toMatch(/^[A-Z].+[^.]$/);
  expect(operation.description).toMatch(/[.?]$/);
  expect(Object.keys(operation.responses).every((status) => /^([1-5]\d\d|default)$/.test(status))).toBe(true);
  expect(Object.values(operation.responses).every(({ description }) => typeof description === "string")).toBe(true);
});

test("tags are described, and each has a route", () => {
  const used = new Set(operations.flatMap(({ operation }) => operation.tags));
  expect(api.tags.map(({ name }) => name)).toEqual([...used].toSorted((a, b) => tagOrder(a) - tagOrder(b)));
});

const tagOrder = (tag: string) => Object.keys(TAGS).indexOf(tag);

test("an object with fields stands under components and nowhere else, so that it has a name", () => {
  const inline = [...everything(api.paths)].filter(
    ({ at, value }) => at.endsWith("/schema") && typeof value === "object" && value !== null && "properties" in value,
  );
  expect(inline.map(({ at }) => at)).toEqual([]);
});

test("every example of an answer fits the answer's own schema", () => {
  for (const { method, path, answers } of OPERATIONS) {
    for (const [status, { content, example }] of Object.entries(answers)) {
      if (example === undefined) continue;
      const read = content?.["application/json"]?.safeParse(example);
      expect([method, path, status, read?.error?.message ?? null]).toEqual([method, path, status, null]);
    }
  }
});

test("every example of a request that is to succeed fits the request's own schema", () => {
  for (const { method, path, request } of OPERATIONS) {
    for (const [name, { value, status = 200 }] of Object.entries(request?.examples ?? {})) {
      if (status >= 300) continue;
      expect([method, path, name, request?.schema.safeParse(value).error?.message ?? null]).toEqual([
        method,
        path,
        name,
        null,
      ]);
    }
  }
});
