/** `STATE_DIR/node_keys.json`: which key speaks for which node, and which keys were forgotten on purpose. */
import { join } from "node:path";
import { z } from "zod";
import { describeIssues } from "../../shared/errors.ts";
import { PUBLIC_KEY } from "../../shared/identity.ts";
import { parseJson } from "../../shared/json.ts";
import { heartbeat } from "../../shared/protocol.ts";
import { readStateFile, stampOf, whileLocked, writeStateFile } from "../../shared/state_file.ts";

const publicKey = z.string().regex(PUBLIC_KEY, "expected an Ed25519 key");

const binding = z.object({
  key: publicKey,
  /** False for a key that ends with the agent's process: it holds only while the node is there. */
  kept: z.boolean(),
  /** ISO, to the day: when the node was there last. */
  seen: z.string().refine((text) => !Number.isNaN(Date.parse(text)), "expected a date such as 2026-11-23"),
});
export type Binding = Readonly<z.infer<typeof binding>>;

export type Bindings = ReadonlyMap<string, Binding>;

/** Ids that are kept at most: to make room for more, somebody could have another one forgotten. */
export const MOST_BINDINGS = 10_000;
const MOST_FORGOTTEN = 10_000;

const bindingsFile = z.record(heartbeat.shape.node_id, binding);
const forgottenFile = z.record(publicKey, z.iso.datetime());

/** The files of the folder `stateDir`. */
export const bindingsPath = (stateDir: string) => join(stateDir, "node_keys.json");
const forgottenPath = (stateDir: string) => join(stateDir, "forgotten_keys.json");

/** Which key speaks for which node. Throws an Error that names the file when it is none. */
export function readBindings(stateDir: string): Map<string, Binding> {
  return new Map(Object.entries(read(bindingsPath(stateDir), bindingsFile)));
}

/** When keys were forgotten on purpose, in milliseconds, by key. Throws as above. */
export function readForgotten(stateDir: string): Map<string, number> {
  const entries = Object.entries(read(forgottenPath(stateDir), forgottenFile));
  return new Map(entries.map(([key, at]) => [key, Date.parse(at)]));
}

/**
 * Writes what `change` gives, while no other process does the same, and returns the file's stamp after it. Throws when the
 * folder cannot be written, or another process takes longer than `waitMs`.
 */
export function changeBindings(stateDir: string, change: () => Bindings, waitMs?: number): string {
  const path = bindingsPath(stateDir);
  const write = () => {
    writeStateFile(path, `${JSON.stringify(Object.fromEntries(change()), null, 1)}\n`);
    return stampOf(path);
  };
  return whileLocked(path, write, waitMs);
}

/** Writes down that `key` was forgotten on purpose at `at`, or, with null, that it is welcome again. Throws as above. */
export function noteForgotten(stateDir: string, key: string, at: Date | null, waitMs?: number): void {
  const path = forgottenPath(stateDir);
  const write = () => {
    const forgotten = read(path, forgottenFile);
    delete forgotten[key];
    if (at !== null) forgotten[key] = at.toISOString();
    const newest = Object.fromEntries(Object.entries(forgotten).slice(-MOST_FORGOTTEN));
    writeStateFile(path, `${JSON.stringify(newest, null, 1)}\n`);
  };
  whileLocked(path, write, waitMs);
}

function read<T>(path: string, schema: z.ZodType<Record<string, T>>): Record<string, T> {
  const text = readStateFile(path);
  if (text === null) return {};
  const json = parseJson(text);
  if (json === undefined) throw new Error(`${path} is not JSON: restore it or delete it`);
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new Error(`${path} is not as the hub wrote it: ${describeIssues(parsed.error)}`);
  return parsed.data;
}
