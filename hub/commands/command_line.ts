/** The commands of `ollama-hub`: handing out and taking back what lets callers and nodes in. */
import { messageOf } from "../../shared/errors.ts";
import { ConfigError, type Environment } from "../../shared/settings.ts";
import { readHubConfig } from "../config.ts";
import { Mistake } from "./command_words.ts";
import { identityCommand } from "./identity_command.ts";
import { keyCommand } from "./key_command.ts";
import { nodeCommand } from "./node_command.ts";
import { INSTALLED, type Service, withServiceState } from "./service_state.ts";
import { tokenCommand } from "./token_command.ts";

/** What `--help` says of them. */
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
    const config = readHubConfig(withServiceState(about.environment, about.service ?? INSTALLED));
    const [what, verb, ...rest] = args;
    const folder = { stateDir: config.stateDir, mode: config.join };
    if (what === "key") keyCommand(verb, rest, config.stateDir, about);
    else if (what === "token") tokenCommand(verb, rest, folder, about);
    else if (what === "node") nodeCommand(verb, rest, folder, about);
    else identityCommand(verb, rest, config.stateDir, about);
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
