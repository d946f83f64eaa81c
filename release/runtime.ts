/** The Bun that goes into an executable for another machine: from the npm registry, or npm's cache when that is closed. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockedPackage } from "./lockfile.ts";
import { run } from "./run.ts";
import type { Target } from "./targets.ts";

export interface Runtime extends AsyncDisposable {
  /** The Bun executable. */
  readonly path: string;
}

/**
 * Fetches the runtime of `target` and compares it with the checksum in package-lock.json: what goes into an executable is
 * what was reviewed, wherever it came from. `bun build --target` alone would download it unchecked.
 */
export async function fetchRuntime(target: Target): Promise<Runtime> {
  const { version, integrity } = lockedPackage(target.package);
  const folder = await mkdtemp(join(tmpdir(), "ollama-connector-runtime-"));
  const dispose = () => rm(folder, { recursive: true, force: true });
  try {
    const pack = ["npm", "pack", "--silent", "--prefer-offline", `--pack-destination=${folder}`];
    await run([...pack, `${target.package}@${version}`]).catch((error: unknown) => {
      const why = "neither the npm registry nor npm's cache gives it; without it: this machine's executables only";
      throw new Error(
        `cannot fetch ${target.package}@${version}: ${why} (bun run build, release:check --this-machine)`,
        {
          cause: error,
        },
      );
    });
    const archive = (await readdir(folder)).find((file) => file.endsWith(".tgz"));
    if (!archive) throw new Error(`npm pack brought nothing for ${target.package}`);
    const file = join(folder, archive);
    const found = await integrityOf(file);
    if (found !== integrity) {
      throw new Error(
        `${target.package}@${version} is not what package-lock.json has: expected ${integrity}, received ${found}`,
      );
    }
    await run(["tar", "-xzf", file, "-C", folder]);
    await rm(file);
    return { path: join(folder, `package/bin/bun${target.suffix}`), [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Of a file, as lock files write it. */
async function integrityOf(path: string): Promise<string> {
  const hash = new Bun.CryptoHasher("sha512");
  for await (const piece of Bun.file(path).stream()) hash.update(piece);
  return `sha512-${hash.digest("base64")}`;
}
