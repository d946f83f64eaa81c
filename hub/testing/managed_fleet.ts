/** A fleet whose models are managed through its hub, for tests: asking, and looking what came of it. */
import { afterEach, expect } from "bun:test";
import type { FakeOllamaOptions } from "../../shared/testing/fake_ollama.ts";
import { type Fleet, startFleet } from "../../shared/testing/start_fleet.ts";

export const SUCCESS = { status: "success" };
/** What the registry's answer for a model it does not know is in Ollama's words. */
export const MISSING = "pull model manifest: file does not exist";

let open: AsyncDisposable[] = [];

/** Has `what` disposed of after the test. To be called from a test of a file that calls `closeAfterEach`. */
export function closeLater<T extends AsyncDisposable>(what: T): T {
  open.push(what);
  return what;
}

/** What was given to `closeLater` is disposed of after every test of the file that calls this, the newest first. */
export function closeAfterEach(): void {
  afterEach(async () => {
    for (const each of open.reverse()) await each[Symbol.asyncDispose]();
    open = [];
  });
}

/** A fleet that ends with the test. */
export async function fleetOf(
  models: Readonly<Record<string, readonly string[]>>,
  options: { ollama?: FakeOllamaOptions; environment?: Record<string, string> } = {},
): Promise<Fleet> {
  const fleet = await startFleet({
    nodes: Object.keys(models),
    ollama: { loaded: [], ...options.ollama },
    ollamas: Object.fromEntries(Object.entries(models).map(([id, names]) => [id, { models: [...names] }])),
    hub: { environment: options.environment ?? {} },
  });
  return closeLater(fleet);
}

export interface Ask {
  /** X-Node-Id. */
  readonly node?: string;
  readonly method?: string;
  readonly signal?: AbortSignal;
}

/** Asks the hub for `path`. */
export function ask({ hub }: Pick<Fleet, "hub">, path: string, body: unknown, { node, method, signal }: Ask = {}) {
  return fetch(hub.url + path, {
    method: method ?? (path === "/api/delete" ? "DELETE" : "POST"),
    headers: { "content-type": "application/json", ...(node ? { "x-node-id": node } : {}) },
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...(signal ? { signal } : {}),
  });
}

/** The lines of a stream, of which the last ends as all do. */
export async function linesOf(response: Response): Promise<Record<string, unknown>[]> {
  const text = await response.text();
  expect(text).toEndWith("\n");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** Status and text of an error in Ollama's shape. */
export async function errorOf(response: Response): Promise<[status: number, error: string]> {
  expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8");
  return [response.status, ((await response.json()) as { error: string }).error];
}

/** Models on each node's disk, as its own Ollama says. */
export async function onDisk(fleet: Fleet, ...ids: string[]): Promise<string[][]> {
  return Promise.all(
    ids.map(async (id) => {
      const { models } = (await (await fetch(`${fleet.ollama(id).url}/api/tags`)).json()) as {
        models: { name: string }[];
      };
      return models.map(({ name }) => name).sort();
    }),
  );
}

/** The requests a node's Ollama got at `path`. */
export const gotAt = (fleet: Fleet, id: string, path: string) =>
  fleet.ollama(id).seen.filter((each) => each.path === path).length;

/** Models as the hub lists them. */
export async function hubLists({ hub }: Fleet): Promise<string[]> {
  const { models } = (await (await fetch(`${hub.url}/api/tags`)).json()) as { models: { name: string }[] };
  return models.map(({ name }) => name).sort();
}
