/** The hub as a program. */
import { systemClock } from "../shared/clock.ts";
import { localTarget } from "../shared/healthcheck.ts";
import { runProgram } from "../shared/lifecycle.ts";
import { createLogger } from "../shared/log.ts";
import { PATHS } from "../shared/protocol.ts";
import { settingsHelp } from "../shared/settings.ts";
import { VERSION, VERSION_AND_BUILD } from "../shared/version.ts";
import { COMMAND_HELP, isCommand, runCommand } from "./commands/command_line.ts";
import { HUB_SETTINGS, type HubConfig, readHubConfig } from "./config.ts";
import { startHub } from "./hub.ts";

const command = process.argv.slice(2);
if (isCommand(command)) {
  const print = (text: string) => void process.stdout.write(`${text}\n`);
  const complain = (text: string) => void process.stderr.write(`${text}\n`);
  process.exit(runCommand(command, { environment: process.env, now: systemClock.wall, print, complain }));
}

await runProgram<HubConfig>({
  name: "ollama-hub",
  version: VERSION_AND_BUILD,
  help: () =>
    `ollama-hub ${VERSION}: one address for several machines with Ollama\n\n` +
    "  ollama-hub                 listen and serve\n" +
    "  ollama-hub --check-config  read the configuration, say whether it can work, and end\n" +
    "  ollama-hub --healthcheck   ask the hub that runs here whether it is well: 0 when it is, else 1\n" +
    "  ollama-hub --version       print the version\n" +
    `${COMMAND_HELP}\n` +
    `Configuration, from the environment:\n${settingsHelp(HUB_SETTINGS)}`,
  configure: readHubConfig,
  healthTarget: (config) => localTarget(config, config, PATHS.healthz),
  async start(config) {
    const log = createLogger("hub", config.logLevel, process.stdout.isTTY);
    // A container's limit where there is one, else what the machine has.
    const hub = startHub(config, { log, memory: process.constrainedMemory() });
    const { port } = hub.server;
    log.info(
      { version: VERSION, port, host: config.host },
      `dashboard and API: ${config.tlsCert === null ? "http" : "https"}://localhost:${port}`,
    );
    return { ...hub, log };
  },
});
