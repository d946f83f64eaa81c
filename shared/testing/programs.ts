/** Hub and node as programs of their own, from source or compiled, for tests that kill processes. */
import { readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { buildStamp, compileProgram } from "../../release/compile.ts";
import { stateFolderForTest } from "./state_folder.ts";

/** From the sources with `bun`, or as the single file that `bun build --compile` makes. */
export type Build = "source" | "compiled";

export interface ProgramRun extends AsyncDisposable {
  readonly pid: number;
  /** The port it says it listens on. */
  readonly port: number;
  /** Every line it wrote to standard output so far. */
  readonly lines: readonly string[];
  /** What it wrote to standard error so far. */
  errors(): string;
  /** Sends `signal` and resolves with the exit code (128 + signal when killed by it). */
  end(signal: NodeJS.Signals): Promise<number>;
}

const ROOT = join(import.meta.dir, "../..");
/** Compiled once per test process. */
const compiled = new Map<string, Promise<string>>();

/** The path of the compiled program. */
export function compile(program: "hub" | "node"): Promise<string> {
  const known = compiled.get(program);
  if (known) return known;
  const made = (async () => {
    // Executables that are there already, `{}` standing for the program: the release tests the files it ships.
    const given = process.env.COMPILED_PROGRAMS;
    if (given) return resolve(ROOT, given.replace("{}", program));
    removeOldOnes();
    const outfile = join(tmpdir(), `ollama-${program}-${process.pid}`);
    await compileProgram({ program, outfile, stamp: await buildStamp() });
    return outfile;
  })();
  compiled.set(program, made);
  return made;
}

const OLD_MS = 3 * 3600_000;

/** `bun test` runs no code at its end, so what earlier tests compiled is removed here: over 100 MB each. */
function removeOldOnes(): void {
  for (const file of readdirSync(tmpdir())) {
    if (!/^ollama-(hub|node)-\d+$/.test(file)) continue;
    const path = join(tmpdir(), file);
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    if (age > OLD_MS) rmSync(path, { force: true });
  }
}

/**
 * Starts it in `folder` with only `environment` set, and resolves when it listens. Rejects with its error output if it ends
 * first.
 */
export async function runProgram(
  program: "hub" | "node",
  build: Build,
  environment: Record<string, string>,
  folder: string = tmpdir(),
): Promise<ProgramRun> {
  const command = build === "source" ? [process.execPath, join(ROOT, program, "main.ts")] : [await compile(program)];
  const child = Bun.spawn(command, {
    cwd: folder,
    env: {
      PATH: process.env.PATH ?? "",
      HUB_HOST: "127.0.0.1",
      NODE_HOST: "127.0.0.1",
      STATE_DIR: stateFolderForTest(),
      ...environment,
    },
    stdout: "pipe",
    stderr: "pipe",
  });
  const lines: string[] = [];
  let errors = "";
  const listening = Promise.withResolvers<number>();
  void readLines(child.stdout, (line) => {
    lines.push(line);
    const port = /"port":(\d+)/.exec(line)?.[1];
    if (port !== undefined) listening.resolve(Number(port));
  });
  void readLines(child.stderr, (line) => {
    errors += `${line}\n`;
  });
  child.exited.then((code) => listening.reject(new Error(`${program} ended with ${code}: ${errors}`)));
  const port = await listening.promise;
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    const code = await child.exited;
    return child.signalCode === null ? code : 128 + (signal === "SIGKILL" ? 9 : 15);
  };
  return {
    pid: child.pid,
    port,
    lines,
    errors: () => errors,
    end,
    async [Symbol.asyncDispose]() {
      await end("SIGKILL");
    },
  };
}

async function readLines(stream: ReadableStream<Uint8Array>, take: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of stream) {
    const parts = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) take(line);
  }
}
