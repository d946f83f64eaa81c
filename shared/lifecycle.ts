/** What hub and node have in common as programs: flags, the fetch limit, start, drain on a signal, exit codes. */
import { messageOf } from "./errors.ts";
import { type HealthTarget, whatIsWrong } from "./healthcheck.ts";
import type { Logger } from "./log.ts";
import { ConfigError, type Environment } from "./settings.ts";

/** A running hub or node. */
export interface Running {
  /** Stops taking work, lets running work finish within the grace time, then resolves. */
  drain(): Promise<void>;
  /** Ends everything now. */
  stop(): Promise<void>;
  /** Reads anew what may change while it runs. Where there is none, SIGHUP ends the program as it ends any other. */
  reload?: (() => void) | undefined;
}

export interface Program<Config> {
  readonly name: string;
  /** Printed for --version. */
  readonly version: string;
  /** Printed for --help. */
  help(): string;
  /** What --healthcheck asks. Throws as readTls does. */
  healthTarget(config: Config): HealthTarget;
  /** Throws ConfigError. */
  configure(environment: Environment): Config;
  /** Further options it takes, such as `--accept-hub`. */
  readonly options?: readonly string[];
  /** `given` are those of `options` that are on the command line. Throws an Error whose message says what to do. */
  start(config: Config, given: ReadonlySet<string>): Promise<Running & { readonly log: Logger }>;
}

/** The oldest Bun on which aborts, truncation and back-pressure work as this system needs. */
const OLDEST_BUN = "1.4.5";

/**
 * Bun's fetch runs 256 requests at once and lets the next ones wait without a word, health checks included. The limit is
 * read from this variable before the first line of JavaScript runs, and a value above 65535 is ignored.
 */
const FETCH_LIMIT_VARIABLE = "BUN_CONFIG_MAX_HTTP_REQUESTS";
const FETCH_LIMIT = "65535";

const FLAGS = ["--help", "-h", "--version", "-v", "--check-config", "--healthcheck"];

/** Runs `program` until it is told to stop. The only code that reads the command line and ends the process. */
export async function runProgram<Config>(program: Program<Config>): Promise<void> {
  const flags = process.argv.slice(2);
  const known = [...FLAGS, ...(program.options ?? [])];
  const unknown = flags.find((flag) => !known.includes(flag));
  if (unknown !== undefined) fail(`unknown option ${unknown}: try --help`, 2);
  if (flags.includes("--help") || flags.includes("-h")) return say(program.help());
  if (flags.includes("--version") || flags.includes("-v")) return say(`${program.name} ${program.version}`);
  if (Bun.semver.order(Bun.version, OLDEST_BUN) < 0) {
    fail(`Bun ${Bun.version} is too old, ${OLDEST_BUN} or newer is needed: older ones lose the ends of streams`, 2);
  }

  const config = configureOrExit(program);
  if (flags.includes("--check-config")) return say("configuration is valid");
  if (flags.includes("--healthcheck")) {
    const wrong = await whatIsWrong(program.healthTarget(config));
    return wrong === null ? say("healthy") : fail(wrong, 1);
  }
  raiseFetchLimit();

  const running = await program.start(config, new Set(flags)).catch((error: unknown) => {
    return fail(messageOf(error), 1);
  });
  process.on("unhandledRejection", (reason) => running.log.error({ err: reason }, "unhandled rejection"));
  process.on("uncaughtException", (error) => {
    running.log.fatal({ err: error }, "uncaught exception, stopping");
    process.exit(1);
  });
  stopOnSignal(running);
}

function configureOrExit<Config>(program: Program<Config>): Config {
  try {
    return program.configure(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return fail(`the configuration cannot work:\n${error.problems.map((problem) => `  ${problem}`).join("\n")}`, 2);
  }
}

/**
 * Milliseconds in which further signals are the same wish: one Ctrl-C reaches a program twice when its parent, such as
 * `bun run`, passes on what the terminal sends to the whole group anyway.
 */
const SAME_WISH_MS = 500;

/** The first SIGTERM or SIGINT drains, a later one ends at once. */
function stopOnSignal(running: Running & { readonly log: Logger }): void {
  let drainingSince: number | null = null;
  const onSignal = async (signal: NodeJS.Signals) => {
    if (drainingSince !== null) {
      if (performance.now() - drainingSince < SAME_WISH_MS) return;
      running.log.warn({ signal }, "second signal, stopping now");
      await running.stop();
      process.exit(1);
    }
    drainingSince = performance.now();
    running.log.info({ signal }, "draining");
    await running.drain();
    running.log.info("stopped");
    process.exit(0);
  };
  const { reload } = running;
  if (reload) process.on("SIGHUP", reload);
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
}

/** Starts this program again in place, same process id, with the fetch limit in its environment, if it is not there. */
function raiseFetchLimit(): void {
  if (process.env[FETCH_LIMIT_VARIABLE] !== undefined || process.platform === "win32") return;
  const environment = { ...process.env, [FETCH_LIMIT_VARIABLE]: FETCH_LIMIT };
  // A compiled program has no script argument; its main module lives in Bun's virtual file system.
  const compiled = Bun.main.startsWith("/$bunfs");
  const rest = compiled ? process.argv.slice(2) : [...process.execArgv, ...process.argv.slice(1)];
  process.execve?.(process.execPath, [process.execPath, ...rest], environment);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function fail(message: string, code: number): never {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}
