/** `ollama-hub node …`: whose names are known here, and having one forgotten. */
import { keyId, loadIdentity } from "../../shared/identity.ts";
import { createJoinTokens } from "../trust/join_tokens.ts";
import { type Binding, changeBindings, noteForgotten, readBindings } from "../trust/node_bindings.ts";
import { type About, aligned, type Folder, Mistake, onlyOne } from "./command_words.ts";

/** Lists the names that belong to a key, or has one forgotten; a hub that runs notices within a second. */
export function nodeCommand(verb: string | undefined, args: readonly string[], folder: Folder, about: About): void {
  if (verb === "list") {
    if (args.length > 0) throw new Mistake("node list takes nothing");
    return about.print(tableOf(readBindings(folder.stateDir)));
  }
  if (verb !== "forget") throw new Mistake(`ollama-hub node list or forget, not "${verb ?? ""}"`);
  const name = onlyOne(args, "node forget wants one NAME");
  forget(folder.stateDir, name, about.now());
  about.print(`The key of node ${name} is forgotten: a hub that runs notices within a second.`);
  about.print(
    isClosed(folder, about)
      ? "The next machine that comes by that name with a join token has it. The old one needs a token made from now on."
      : "The next machine that comes by that name has it, the old one too if it still runs: stop that first.",
  );
}

function tableOf(bindings: ReadonlyMap<string, Binding>): string {
  if (bindings.size === 0) return "No node has come with a key yet.";
  const rows = [...bindings].map(([id, { key, kept, seen }]) => [id, keyId(key), seen, kept ? "yes" : "while it runs"]);
  return aligned([["NAME", "KEY", "LAST SEEN", "KEPT"], ...rows]);
}

function forget(stateDir: string, name: string, at: Date): void {
  changeBindings(stateDir, () => {
    const bindings = readBindings(stateDir);
    const known = bindings.get(name);
    if (known === undefined) throw new Error(`no key is known of a node ${name}: see ollama-hub node list`);
    // First, so that a hub which sees the name gone sees this as well.
    noteForgotten(stateDir, known.key, at);
    bindings.delete(name);
    return bindings;
  });
}

function isClosed({ stateDir, mode }: Folder, { now }: About): boolean {
  return createJoinTokens({ stateDir, hubId: loadIdentity(stateDir, "hub").id, mode, wall: now }).isClosed();
}
