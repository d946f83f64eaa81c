/** The commands of `ollama-hub`: handing out and taking back what lets callers and nodes in. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { messageOf } from "../../shared/errors.ts";
import { loadIdentity } from "../../shared/identity.ts";
import { ConfigError, type Environment } from "../../shared/settings.ts";
import {
  changeKeys,
  keysPath,
  loadPepper,
  macOf,
  newSecret,
  readKeys,
  type StoredKey,
  storedKey,
} from "../access/key_file.ts";
import { type HubConfig, readHubConfig } from "../config.ts";
import { createJoinTokens, type JoinTokens, NEW_TOKEN } from "../trust/join_tokens.ts";
import { aligned, Mistake, onlyOne } from "./command_words.ts";
import { identityCommand, nodeCommand } from "./node_command.ts";
import { INSTALLED, type Service, withServiceState } from "./service_state.ts";

export const COMMAND_HELP = `  ollama-hub key add NAME [--admin | --viewer] [--models A,B*] [--rpm N] [--concurrent N] [--tokens-per-day N]
                     [--queue-share 0.5] [--weight N] [--expires 30d | 2027-01-31] [--trust-user-header]
  ollama-hub key list
  ollama-hub key revoke NAME
  ollama-hub token create [--uses N] [--ttl 24h] [--node NAME]
  ollama-hub token list
  ollama-hub token revoke ID
  ollama-hub node list
  ollama-hub node forget NAME
  ollama-hub identity rotate
`;

export interface CommandEnvironment {
  readonly environment: Environment;
  readonly now: () => Date;
  readonly print: (text: string) => void;
  /** For what went wrong. */
  readonly complain: (text: string) => void;
  /** The hub of this machine that is a service; the one of install.sh unless told otherwise. */
  readonly service?: Service;
}

/** True when the first of the program's arguments is a command rather than an option of the hub itself. */
export function isCommand(args: readonly string[]): boolean {
  return ["key", "token", "node", "identity"].includes(args[0] ?? "");
}

/** Runs the command in `args` and returns the exit code: 0, 1 where it could not be done, 2 where it makes no sense. */
export function runCommand(args: readonly string[], about: CommandEnvironment): number {
  try {
    if (args.some((word) => word === "--help" || word === "-h")) {
      about.print(COMMAND_HELP);
      return 0;
    }
    const { stateDir, join: joining } = readHubConfig(withServiceState(about.environment, about.service ?? INSTALLED));
    const [what, verb, ...rest] = args;
    const command = `${what} ${verb}`;
    if (command === "key add") addKey(stateDir, rest, about);
    else if (command === "key list") listKeys(stateDir, rest, about);
    else if (command === "key revoke") revokeKey(stateDir, rest, about);
    else if (what === "node") nodeCommand(verb, rest, { stateDir, mode: joining }, about);
    else if (what === "identity") identityCommand(verb, rest, stateDir, about);
    else if (what === "token") token(verb, rest, { stateDir, mode: joining }, about);
    else throw new Mistake(`ollama-hub key add, list or revoke, not "${verb ?? ""}"`);
    return 0;
  } catch (error) {
    const isMistake =
      error instanceof Mistake || (error instanceof Error && "code" in error && isUnknownOption(error.code));
    const message = error instanceof ConfigError ? error.problems.join("\n") : messageOf(error);
    about.complain(isMistake ? `${message}\n\n${COMMAND_HELP}` : message);
    return isMistake ? 2 : 1;
  }
}

function isUnknownOption(code: unknown): boolean {
  return typeof code === "string" && code.startsWith("ERR_PARSE_ARGS");
}

const number = { type: "string" } as const;
const flag = { type: "boolean" } as const;

function addKey(stateDir: string, args: readonly string[], { now, print }: CommandEnvironment): void {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      admin: flag,
      viewer: flag,
      models: number,
      rpm: number,
      concurrent: number,
      "tokens-per-day": number,
      "queue-share": number,
      weight: number,
      expires: number,
      "trust-user-header": flag,
    },
  });
  const name = onlyOne(positionals, "key add wants one NAME");
  if (values.admin && values.viewer)
    throw new Mistake("a key is --admin or --viewer, not both: an admin sees all that a viewer sees");
  const role = values.admin ? "admin" : values.viewer ? "viewer" : "caller";
  if (values.models !== undefined && role !== "caller") {
    throw new Mistake(`--models limits what a caller may use; a key of role ${role} is not for that`);
  }
  const secret = newSecret();
  const created = storedKey.safeParse({
    id: crypto.randomUUID().slice(0, 8),
    name,
    mac: macOf(loadPepper(stateDir), secret),
    role,
    models: values.models?.split(",").map((each) => each.trim()) ?? null,
    rpm: numberOf(values.rpm),
    concurrent: numberOf(values.concurrent),
    tokensPerDay: numberOf(values["tokens-per-day"]),
    queueShare: numberOf(values["queue-share"]),
    weight: numberOf(values.weight) ?? undefined,
    trustUserHeader: values["trust-user-header"] ?? false,
    createdAt: now().toISOString(),
    expiresAt: values.expires === undefined ? null : expiryOf(values.expires, now()).toISOString(),
  });
  if (!created.success) {
    const [issue] = created.error.issues;
    throw new Mistake(`${String(issue?.path[0] ?? "key")}: ${issue?.message}`);
  }
  let first = false;
  changeKeys(stateDir, (keys) => {
    if (keys.some((key) => key.name === name))
      throw new Mistake(`there is a key ${name} already: revoke it first, or choose another name`);
    first = keys.length === 0;
    return [...keys, created.data];
  });
  print(`${secret}\n`);
  print(`Key ${name} (${role}), shown this once. Send it as Authorization: Bearer KEY, or call http://HUB:8000/k/KEY`);
  print(`What is kept of it is in ${stateDir}: it is a key of the hub that has this STATE_DIR, and of no other.`);
  // Which hub that is, if any, this process cannot know.
  if (first)
    print(
      "From now on that hub asks every caller for a key: without one, curl -i http://HUB:8000/nodes is answered 401.",
    );
}

function listKeys(stateDir: string, args: readonly string[], { print }: CommandEnvironment): void {
  if (args.length > 0) throw new Mistake("key list takes nothing");
  const keys = readKeys(stateDir);
  if (keys === null) return print("There are no keys: the hub is open to its own network, unless API_KEYS is set.");
  if (keys.length === 0) return print(`There are no keys, and nobody gets in. ${toOpen(stateDir)}`);
  const rows = keys.map((key) => [key.id, key.name, key.role, describeLimits(key), key.expiresAt ?? "never"]);
  print(aligned([["ID", "NAME", "ROLE", "LIMITS", "EXPIRES"], ...rows]));
}

function describeLimits(key: StoredKey): string {
  const limits = [
    key.models && `models ${key.models.join(",")}`,
    key.rpm && `${key.rpm} a minute`,
    key.concurrent && `${key.concurrent} at a time`,
    key.tokensPerDay && `${key.tokensPerDay} tokens a day`,
    key.queueShare && `${key.queueShare} of the queue`,
    key.weight !== 1 && `weight ${key.weight}`,
    key.trustUserHeader && "user header trusted",
  ];
  return limits.filter(Boolean).join(", ") || "none";
}

function revokeKey(stateDir: string, args: readonly string[], { print }: CommandEnvironment): void {
  const wanted = onlyOne(args, "key revoke wants one NAME, or its id");
  let left = 0;
  changeKeys(stateDir, (keys) => {
    const others = keys.filter(({ id, name }) => name !== wanted && id !== wanted);
    if (others.length === keys.length) throw new Error(`there is no key ${wanted}: see ollama-hub key list`);
    left = others.length;
    return others;
  });
  print(`Key ${wanted} is revoked: within a second nobody gets in by it.`);
  if (left === 0) print(`It was the last one, and the hub stays closed. ${toOpen(stateDir)}`);
}

function toOpen(stateDir: string): string {
  return `To open it to its own network, delete ${keysPath(stateDir)} and restart the hub.`;
}

function token(
  verb: string | undefined,
  args: readonly string[],
  { stateDir, mode }: { readonly stateDir: string; readonly mode: HubConfig["join"] },
  { print, now }: CommandEnvironment,
): void {
  const tokens = (): JoinTokens => {
    // A token carries the hub's key: made beside a new one, it would be good for no hub.
    if (!existsSync(join(stateDir, "hub.key"))) {
      throw new Error(
        `no hub has run with this STATE_DIR, ${stateDir}: start the hub first, or name its folder (STATE_DIR=/its/folder)`,
      );
    }
    return createJoinTokens({ stateDir, hubId: loadIdentity(stateDir, "hub").id, mode, wall: now });
  };
  if (verb === "create") {
    const options = { uses: number, ttl: number, node: number };
    const { values } = parseArgs({ args: [...args], options });
    const ttlMs = values.ttl === undefined ? NEW_TOKEN.ttlMs : expiryOf(values.ttl, now()).getTime() - now().getTime();
    const uses = numberOf(values.uses) ?? NEW_TOKEN.uses;
    if (!Number.isInteger(uses) || uses < 1) throw new Mistake("--uses wants a whole number above 0");
    const { token: shown, info } = tokens().create({ uses, ttlMs, node: values.node ?? null });
    print(`JOIN_TOKEN=${shown}\n`);
    const who = info.node === null ? `${info.uses} ${info.uses === 1 ? "node" : "nodes"}` : `node ${info.node} only`;
    print(
      `Token ${info.id}, shown this once, good for ${who}, until ${info.expires}. Start a new node with that line.`,
    );
    print(`What is kept of it is in ${stateDir}: it is a token of the hub that has this STATE_DIR, and of no other.`);
    return;
  }
  if (verb === "list") {
    const rows = tokens()
      .list()
      .map((each) => [each.id, each.node ?? "any", String(each.uses), each.expires]);
    return print(rows.length === 0 ? "There are no tokens." : aligned([["ID", "NODE", "USES", "EXPIRES"], ...rows]));
  }
  if (verb === "revoke") {
    const id = onlyOne(args, "token revoke wants one ID");
    if (!tokens().revoke(id)) throw new Error(`there is no token ${id}: see ollama-hub token list`);
    return print(`Token ${id} is revoked. Nodes that joined with it stay.`);
  }
  throw new Mistake(`ollama-hub token create, list or revoke, not "${verb ?? ""}"`);
}

function numberOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new Mistake(`"${text}" is not a number`);
  return value;
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30d`, `24h`, `15m` from `now` on, or a date. */
function expiryOf(text: string, now: Date): Date {
  const [, amount, unit = ""] = /^(\d+)([mhd])$/.exec(text) ?? [];
  const at = amount === undefined ? new Date(text) : new Date(now.getTime() + Number(amount) * (UNITS[unit] ?? 0));
  if (Number.isNaN(at.getTime()) || at <= now)
    throw new Mistake(`"${text}" is no time to come such as 30d, 24h or 2027-01-31`);
  return at;
}
