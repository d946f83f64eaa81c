/** The node as a program: environment → configuration → agent → drain on a signal. */
import { runProgram } from "../shared/lifecycle.ts";
import { createLogger } from "../shared/log.ts";
import { VERSION } from "../shared/version.ts";
import { startAgent } from "./agent.ts";
import { nodeHelp, parseNodeConfig } from "./config.ts";

await runProgram({
  name: "ollama-node",
  version: VERSION,
  help: nodeHelp,
  configure: (environment) => parseNodeConfig(environment),
  options: ["--accept-hub"],
  start: async (config, given) => {
    const log = createLogger("ollama-node", config.logLevel, process.stdout.isTTY === true);
    return startAgent(config, { version: VERSION, log, acceptHub: given.has("--accept-hub") });
  },
});
