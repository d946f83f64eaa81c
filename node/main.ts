/** The node as a program: environment → configuration → agent → drain on a signal. */
import { localTarget } from "../shared/healthcheck.ts";
import { runProgram } from "../shared/lifecycle.ts";
import { createLogger } from "../shared/log.ts";
import { PATHS } from "../shared/protocol.ts";
import { VERSION, VERSION_AND_BUILD } from "../shared/version.ts";
import { startAgent } from "./agent.ts";
import { nodeHelp, parseNodeConfig } from "./config.ts";

await runProgram({
  name: "ollama-node",
  version: VERSION_AND_BUILD,
  help: nodeHelp,
  configure: (environment) => parseNodeConfig(environment),
  healthTarget: (config) => localTarget(config, config.tls, PATHS.health),
  options: ["--accept-hub"],
  start: async (config, given) => {
    const log = createLogger("ollama-node", config.logLevel, process.stdout.isTTY === true);
    return startAgent(config, { version: VERSION, log, acceptHub: given.has("--accept-hub") });
  },
});
