// The `ollama` command-line program on a target: its calls, and what it takes for success and failure.
import { afterEach, beforeEach, expect } from "bun:test";
import { GoClient, type GoLine } from "./go_client.ts";
import type { Target } from "./targets.ts";

// Bodies with the fields Go writes even when they are empty.
export const showing = (name: string) => ({ model: "", system: "", template: "", verbose: false, options: null, name });
export const showingModel = (model: string) => ({ ...showing(""), model });
export const generating = (model: string, prompt: string) => ({ model, prompt, suffix: "", system: "", template: "" });
export const loading = (model: string) => ({ ...generating(model, ""), options: null });
export const unloading = (model: string) => ({ ...generating(model, ""), keep_alive: "0s", options: null });
export const transferring = (name: string) => ({ model: "", username: "", password: "", name });

export interface OllamaCli {
  /** New for each test. */
  readonly client: GoClient;
  /** What all commands but `-v` begin with. */
  start(): Promise<void>;
  /** A plain call that must succeed; its JSON, or undefined for an empty body. */
  call(method: string, path: string, body?: object): Promise<Record<string, unknown> | undefined>;
  /** A plain call that must fail with `status`; the text the program prints. */
  fail(status: number, method: string, path: string, body?: object): Promise<string>;
  /** All lines of a stream. */
  lines(path: string, body: object): Promise<GoLine[]>;
  /** The names `ollama list` prints. */
  listed(): Promise<string[]>;
}

/** To be called while tests are defined, not inside one. */
export function ollamaCli(target: Target): OllamaCli {
  let client: GoClient;
  beforeEach(() => {
    client = new GoClient(target.port);
  });
  afterEach(() => client.close());

  const plain = (method: string, path: string, body?: object) =>
    client.call(method, path, body === undefined ? {} : { body });
  const call: OllamaCli["call"] = async (method, path, body) => {
    const answer = await plain(method, path, body);
    expect({ status: answer.status, body: answer.status < 400 ? "" : answer.body }).toEqual({ status: 200, body: "" });
    expect(answer.headers.has("content-encoding")).toBe(false);
    return answer.body === "" ? undefined : JSON.parse(answer.body);
  };
  return {
    get client() {
      return client;
    },
    async start() {
      const { status, body } = await client.call("HEAD", "/");
      expect({ status, body }).toEqual({ status: 200, body: "" });
    },
    call,
    async fail(status, method, path, body) {
      const answer = await plain(method, path, body);
      expect(answer.status).toBe(status);
      return JSON.parse(answer.body).error;
    },
    async lines(path, body) {
      const lines: GoLine[] = [];
      for await (const line of client.stream(path, body)) lines.push(line);
      return lines;
    },
    async listed() {
      const list = (await call("GET", "/api/tags"))?.models as { name: string }[];
      return list.map(({ name }) => name);
    },
  };
}

/** What the lines of a generate say. */
export const textOf = (said: GoLine[]): string => said.map(({ response }) => response).join("");

/** Checks that the last line, and no other, says success. */
export function endsWithOneSuccess(progress: GoLine[]): void {
  const success = progress.map(({ status }) => status === "success");
  expect(success.filter(Boolean)).toHaveLength(1);
  expect(success.at(-1)).toBe(true);
}
