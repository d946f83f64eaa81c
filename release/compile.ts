/** Compiling a program into one file. The story test and the release go through here, so what is tested is what ships. */
import { join } from "node:path";
import { ROOT } from "./lockfile.ts";
import { run } from "./run.ts";
import type { Runtime } from "./runtime.ts";
import type { ProgramName, Target } from "./targets.ts";

/** Where an executable comes from; `--version` prints it. */
export interface BuildStamp {
  /** Abbreviated commit, with `+changes` when the tree had any; "unknown" outside of a clone. */
  readonly commit: string;
  /** Day of the commit, UTC, and not of the build, so that the same commit makes the same file. */
  readonly date: string;
}

export interface CompileOptions {
  readonly program: ProgramName;
  readonly outfile: string;
  readonly stamp: BuildStamp;
  /** Another machine than this one. */
  readonly cross?: { readonly target: Target; readonly runtime: Runtime };
}

/** Compiles `program` with everything inside. */
export async function compileProgram({ program, outfile, stamp, cross }: CompileOptions): Promise<void> {
  const flags = [
    "--compile",
    "--minify",
    "--bytecode",
    // Without it, bytecode fails on a top-level await.
    "--format=esm",
    // An executable does what its environment says, and not what lies about in the folder it is started in.
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    "--no-compile-autoload-tsconfig",
    "--no-compile-autoload-package-json",
    `--define=BUILD_COMMIT=${JSON.stringify(stamp.commit)}`,
    `--define=BUILD_DATE=${JSON.stringify(stamp.date)}`,
    ...(cross ? [`--target=${cross.target.bun}`, `--compile-executable-path=${cross.runtime.path}`] : []),
    `--outfile=${outfile}`,
  ];
  await run([process.execPath, "build", join(program, "main.ts"), ...flags], { cwd: ROOT });
}

/** The stamp of the tree as it is. BUILD_COMMIT and BUILD_DATE come first: a container has no `.git`. */
export async function buildStamp(): Promise<BuildStamp> {
  const given = { commit: process.env.BUILD_COMMIT, date: process.env.BUILD_DATE };
  if (given.commit && given.date) return { commit: given.commit.slice(0, 12), date: given.date.slice(0, 10) };
  try {
    const format = ["-1", "--abbrev=12", "--date=format-local:%Y-%m-%d", "--format=%h %cd"];
    const [commit = "", date = ""] = (await run(["git", "log", ...format], { env: { TZ: "UTC" } })).trim().split(" ");
    const changes = (await run(["git", "status", "--porcelain"])).trim() === "" ? "" : "+changes";
    return { commit: commit + changes, date };
  } catch {
    return { commit: "unknown", date: new Date().toISOString().slice(0, 10) };
  }
}
