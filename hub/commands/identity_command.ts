/** `ollama-hub identity …`: by which key this hub is known. */
import { rotateIdentity } from "../../shared/identity.ts";
import { type About, Mistake } from "./command_words.ts";

/** Gives the hub another key, which its nodes follow to because the old one signs for it. */
export function identityCommand(
  verb: string | undefined,
  args: readonly string[],
  stateDir: string,
  { print }: About,
): void {
  if (verb !== "rotate" || args.length > 0) throw new Mistake(`ollama-hub identity rotate, not "${verb ?? ""}"`);
  const { identity } = rotateIdentity(stateDir, "hub");
  print(`The hub's key is ${identity.id} from its next start on: restart it now. Its nodes follow by themselves.`);
  print("Join tokens made so far name the old key: make new ones (ollama-hub token create).");
}
