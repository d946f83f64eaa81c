/** `bun run build`: the executables, for this machine or for all of them. */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildStamp, compileProgram } from "./compile.ts";
import { lockedPackage, ROOT } from "./lockfile.ts";
import { fetchRuntime } from "./runtime.ts";
import { makeSbom } from "./sbom.ts";
import { SHA256SUMS, writeSums } from "./sha256sums.ts";
import { executableName, PROGRAMS, type ProgramName, TARGETS, type Target, targetNamed } from "./targets.ts";

const SBOM = "sbom.cdx.json";

const USAGE = `Builds the executables into dist/, with SHA256SUMS.

  bun run build                            ollama-hub and ollama-node for this machine
  bun run build --all                      for every machine there is, with ${SBOM}
  bun run build --target linux-arm64-musl  for that one; more than once for more
  --program hub|node                       only that program
  --outdir DIR                             there instead of dist/

Targets: ${TARGETS.map(({ name }) => name).join(", ")}.
The runtimes for other machines come from the npm registry, or from npm's cache.`;

export interface BuildOptions {
  /** Empty: this machine. */
  readonly targets: readonly Target[];
  readonly programs: readonly ProgramName[];
  readonly outdir: string;
  readonly sbom?: boolean;
  readonly say?: (sentence: string) => void;
}

/** Builds, and resolves with the paths of the executables. What an earlier build left in `outdir` goes. */
export async function build({ targets, programs, outdir, sbom, say = () => {} }: BuildOptions): Promise<string[]> {
  const stamp = await buildStamp();
  await mkdir(outdir, { recursive: true });
  for (const file of await readdir(outdir)) if (isOurs(file)) await rm(join(outdir, file), { force: true });
  const made: string[] = [];
  const compile = async (program: ProgramName, cross: Parameters<typeof compileProgram>[0]["cross"]) => {
    const outfile = join(outdir, executableName(program, cross?.target ?? null));
    const began = performance.now();
    await compileProgram({ program, outfile, stamp, ...(cross ? { cross } : {}) });
    const { size } = await stat(outfile);
    made.push(outfile);
    say(`${outfile}  ${Math.round(size / 1e6)} MB  ${((performance.now() - began) / 1000).toFixed(1)} s`);
  };
  if (targets.length === 0) for (const program of programs) await compile(program, undefined);
  else demandLockedBun();
  for (const target of targets) {
    await using runtime = await fetchRuntime(target);
    for (const program of programs) await compile(program, { target, runtime });
  }
  if (sbom) await Bun.write(join(outdir, SBOM), await makeSbom(stamp.date));
  await writeSums(outdir);
  return made;
}

/** Does a file in dist/ come from a build? */
function isOurs(file: string): boolean {
  return /^ollama-(hub|node)(-|\.exe$|$)/.test(file) || [SHA256SUMS, SBOM, "install.sh"].includes(file);
}

/** The bundler and the runtime it packs have to be the same version, or the bytecode is of no use. */
function demandLockedBun(): void {
  const { version } = lockedPackage("bun");
  if (Bun.version === version) return;
  throw new Error(`this is Bun ${Bun.version} and package-lock.json has ${version}: use node_modules/.bin/bun`);
}

if (import.meta.main) {
  try {
    const { values } = parseArgs({
      options: {
        all: { type: "boolean" },
        target: { type: "string", multiple: true },
        program: { type: "string", multiple: true },
        outdir: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
    if (values.help) console.log(USAGE);
    else {
      const targets = values.all ? TARGETS : (values.target ?? []).map(targetNamed);
      const programs = PROGRAMS.filter((each) => values.program?.includes(each) ?? true);
      if (programs.length === 0) throw new Error("--program is hub or node");
      const outdir = resolve(ROOT, values.outdir ?? "dist");
      await build({ targets, programs, outdir, sbom: values.all ?? false, say: console.log });
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
