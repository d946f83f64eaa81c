/** Starts programs, each on its processor, and ends every one of them, also when the bench itself is ended. */
import { closeSync, openSync } from "node:fs";
import { allowedProcessors, withChildren } from "./process_figures.ts";

export interface Program {
  readonly pid: number;
  /** Those of the program and of what it has started. */
  pids(): number[];
  /** Everything it writes, where it was started with `talks`. */
  readonly output: ReadableStream<Uint8Array> | null;
  /** Sends one line to its input, where it was started with `talks`. */
  say(line: string): void;
  /** Resolves with its exit code. */
  readonly exited: Promise<number>;
  /** Ends it, by force if it does not go. */
  end(): Promise<void>;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** File for what it writes. */
  readonly log?: string;
  /** It is spoken with over its input and output. */
  readonly talks?: boolean;
}

/** Under test, or the two that test: on two processors they do not take each other's time. */
export type Role = "under test" | "tester";

const PROCESSORS = Bun.which("taskset") === null ? [] : allowedProcessors();
/** Why nothing is pinned, or null where it is. */
export const NOT_PINNED =
  PROCESSORS.length >= 2
    ? null
    : `nothing is pinned to a processor: ${PROCESSORS.length === 1 ? "there is only one" : "taskset is missing"}`;

/** Descriptors: two for each of 5,000 streams. Who may not have as many gets as many as there are. */
const WITH_DESCRIPTORS = 'ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -H -n)"; exec "$@"';
const PATIENCE_MS = 3_000;
const running = new Set<Program>();

/** Starts `command` where its role belongs. `exec` all the way, so that the process is the program itself. */
export function start(command: readonly string[], role: Role, options: StartOptions = {}): Program {
  const processor = role === "under test" ? PROCESSORS[0] : PROCESSORS[1];
  const pinned = NOT_PINNED === null ? ["taskset", "-c", String(processor), ...command] : command;
  const log = options.log === undefined ? null : openSync(options.log, "a");
  const child = Bun.spawn(["sh", "-c", WITH_DESCRIPTORS, "sh", ...pinned], {
    env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "/", ...options.env },
    stdin: options.talks ? "pipe" : "ignore",
    stdout: options.talks ? "pipe" : (log ?? "ignore"),
    stderr: log ?? "inherit",
  });
  if (log !== null) closeSync(log);
  const program: Program = {
    pid: child.pid,
    pids: () => withChildren(child.pid),
    output: child.stdout instanceof ReadableStream ? child.stdout : null,
    say(line) {
      if (typeof child.stdin !== "object") throw new Error("it was not started to be spoken with");
      child.stdin.write(`${line}\n`);
      child.stdin.flush();
    },
    exited: child.exited,
    async end() {
      if (child.exitCode !== null) return;
      const family = program.pids();
      child.kill("SIGTERM");
      if (await Promise.race([child.exited.then(() => false), Bun.sleep(PATIENCE_MS).then(() => true)])) kill(family);
      await child.exited;
    },
  };
  running.add(program);
  child.exited.then(() => running.delete(program));
  return program;
}

/** From now on nothing outlives this process, however it ends, unless it is killed itself. */
export function endAllAtExit(): void {
  process.on("exit", () => {
    for (const program of running) kill(program.pids());
  });
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.on(signal, () => process.exit(code));
  }
}

function kill(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Gone already.
    }
  }
}

/** Ports below those that a kernel gives away: nobody gets one in the moment before it is used. */
const FIRST_PORT = 10_000;
const LAST_PORT = 32_000;

/** A port that nobody listens on now. */
export function freePort(): number {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    try {
      Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop(true);
      return port;
    } catch {
      // Taken: another one.
    }
  }
}

/** Milliseconds from now until `url` answers with 200. Rejects when `program` ends before or takes too long. */
export async function untilAnswered(url: string, program: Program, limitMs = 20_000): Promise<number> {
  const began = performance.now();
  let ended = false;
  void program.exited.then(() => {
    ended = true;
  });
  while (!ended && performance.now() - began < limitMs) {
    const status = await fetch(url, { signal: AbortSignal.timeout(limitMs), proxy: false, keepalive: false }).then(
      async (response) => {
        await response.arrayBuffer();
        return response.status;
      },
      () => 0,
    );
    if (status === 200) return performance.now() - began;
    await Bun.sleep(1);
  }
  throw new Error(`${url} did not answer${ended ? ": the program ended" : ""}`);
}
