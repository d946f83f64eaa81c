/** `ollama-hub token …`: handing out and taking back what lets new machines join as nodes. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadIdentity } from "../../shared/identity.ts";
import { createJoinTokens, type JoinTokens, NEW_TOKEN } from "../trust/join_tokens.ts";
import { type About, aligned, expiryOf, type Folder, Mistake, numberOf, onlyOne, VALUE } from "./command_words.ts";

/** Makes a token, lists the tokens of `folder`, or revokes one. */
export function tokenCommand(verb: string | undefined, args: readonly string[], folder: Folder, about: About): void {
  if (verb === "create") return createToken(args, folder, about);
  if (verb === "list") return listTokens(args, folder, about);
  if (verb === "revoke") return revokeToken(args, folder, about);
  throw new Mistake(`ollama-hub token create, list or revoke, not "${verb ?? ""}"`);
}

function createToken(args: readonly string[], folder: Folder, { print, now }: About): void {
  const options = { uses: VALUE, ttl: VALUE, node: VALUE };
  const { values } = parseArgs({ args: [...args], options });
  const ttlMs = values.ttl === undefined ? NEW_TOKEN.ttlMs : expiryOf(values.ttl, now()).getTime() - now().getTime();
  const uses = numberOf(values.uses) ?? NEW_TOKEN.uses;
  if (!Number.isInteger(uses) || uses < 1) throw new Mistake("--uses wants a whole number above 0");
  const { token: shown, info } = tokensOf(folder, now).create({ uses, ttlMs, node: values.node ?? null });
  print(`JOIN_TOKEN=${shown}\n`);
  const who = info.node === null ? `${info.uses} ${info.uses === 1 ? "node" : "nodes"}` : `node ${info.node} only`;
  print(`Token ${info.id}, shown this once, good for ${who}, until ${info.expires}. Start a new node with that line.`);
  print(
    `What is kept of it is in ${folder.stateDir}: it is a token of the hub that has this STATE_DIR, and of no other.`,
  );
}

function listTokens(args: readonly string[], folder: Folder, { print, now }: About): void {
  if (args.length > 0) throw new Mistake("token list takes nothing");
  const rows = tokensOf(folder, now)
    .list()
    .map((each) => [each.id, each.node ?? "any", String(each.uses), each.expires]);
  print(rows.length === 0 ? "There are no tokens." : aligned([["ID", "NODE", "USES", "EXPIRES"], ...rows]));
}

function revokeToken(args: readonly string[], folder: Folder, { print, now }: About): void {
  const id = onlyOne(args, "token revoke wants one ID");
  if (!tokensOf(folder, now).revoke(id)) throw new Error(`there is no token ${id}: see ollama-hub token list`);
  print(`Token ${id} is revoked. Nodes that joined with it stay.`);
}

function tokensOf({ stateDir, mode }: Folder, wall: () => Date): JoinTokens {
  // A token carries the hub's key: made beside a new one, it would be good for no hub.
  if (!existsSync(join(stateDir, "hub.key"))) {
    throw new Error(
      `no hub has run with this STATE_DIR, ${stateDir}: start the hub first, or name its folder (STATE_DIR=/its/folder)`,
    );
  }
  return createJoinTokens({ stateDir, hubId: loadIdentity(stateDir, "hub").id, mode, wall });
}
