/** `ollama-hub key …`: handing out and taking back what callers show. */
import { parseArgs } from "node:util";
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
import { type About, aligned, expiryOf, Mistake, numberOf, onlyOne, SWITCH, VALUE } from "./command_words.ts";

/** Makes a key, lists the keys of `stateDir`, or revokes one; a hub that runs notices within a second. */
export function keyCommand(verb: string | undefined, args: readonly string[], stateDir: string, about: About): void {
  if (verb === "add") return addKey(stateDir, args, about);
  if (verb === "list") return listKeys(stateDir, args, about);
  if (verb === "revoke") return revokeKey(stateDir, args, about);
  throw new Mistake(`ollama-hub key add, list or revoke, not "${verb ?? ""}"`);
}

function addKey(stateDir: string, args: readonly string[], { now, print }: About): void {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      admin: SWITCH,
      viewer: SWITCH,
      models: VALUE,
      rpm: VALUE,
      concurrent: VALUE,
      "tokens-per-day": VALUE,
      "queue-share": VALUE,
      weight: VALUE,
      expires: VALUE,
      "trust-user-header": SWITCH,
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

function listKeys(stateDir: string, args: readonly string[], { print }: About): void {
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

function revokeKey(stateDir: string, args: readonly string[], { print }: About): void {
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
