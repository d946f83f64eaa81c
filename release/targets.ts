/** The machines an executable is built for, and the Bun package that has the runtime for each. */

export interface Target {
  /** As in the executables' names and in `install.sh`: os-processor, with `-musl` for Alpine and its like. */
  readonly name: string;
  /** The package of the npm registry whose Bun is put into the executable. */
  readonly package: string;
  /** What `bun build --target` calls it. */
  readonly bun: string;
  /** End of the executable's name. */
  readonly suffix: "" | ".exe";
}

/**
 * There is one x64 build per system, and it runs on old processors too: in Bun 1.4.5 the packages `bun-…-x64` and
 * `bun-…-x64-baseline` have the same executable, byte for byte, on Linux (both C libraries), macOS and Windows. It needs
 * SSE4.2 (2008) and no AVX: measured, hub and node start and serve on an emulated Nehalem. A Bun that names baseline
 * packages again makes `build_test.ts` fail; then they are the ones to take here.
 */
const target = (name: string, bunName: string = name, suffix: Target["suffix"] = ""): Target => ({
  name,
  package: `@oven/bun-${bunName}`,
  bun: `bun-${name}`,
  suffix,
});

export const TARGETS: readonly Target[] = [
  target("linux-x64"),
  target("linux-arm64", "linux-aarch64"),
  target("linux-x64-musl"),
  target("linux-arm64-musl", "linux-aarch64-musl"),
  target("darwin-x64"),
  target("darwin-arm64", "darwin-aarch64"),
  target("windows-x64", "windows-x64", ".exe"),
];

/** The target called `name`, in which Docker's word for x64 is understood as well. Throws when there is none. */
export function targetNamed(name: string): Target {
  const found = TARGETS.find((each) => each.name === name.replace(/-amd64\b/, "-x64"));
  if (found) return found;
  throw new Error(`there is no target ${name}: there are ${TARGETS.map((each) => each.name).join(", ")}`);
}

export const PROGRAMS = ["hub", "node"] as const;
export type ProgramName = (typeof PROGRAMS)[number];

/** The file name of `program` for `target`, or for this machine. */
export function executableName(program: ProgramName, target: Target | null): string {
  if (target) return `ollama-${program}-${target.name}${target.suffix}`;
  return `ollama-${program}${process.platform === "win32" ? ".exe" : ""}`;
}
