/** What package.json and package-lock.json say, as the release needs it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const ROOT: string = join(import.meta.dir, "..");

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

export interface LockedPackage {
  readonly version: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: boolean;
}

export interface Lockfile {
  readonly version: string;
  /** By path, such as `node_modules/zod`; the project itself is under the empty path. */
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

export const readText = (path: string): string => readFileSync(join(ROOT, path), "utf8");
export const readManifest = (): Manifest => JSON.parse(readText("package.json"));
export const readLockfile = (): Lockfile => JSON.parse(readText("package-lock.json"));

/** The locked entry of `name`, whose version and checksum bind. Throws when there is none. */
export function lockedPackage(name: string): LockedPackage & { readonly integrity: string } {
  const entry = readLockfile().packages[`node_modules/${name}`];
  if (!entry?.integrity) throw new Error(`package-lock.json has no checksum of ${name}`);
  return { ...entry, integrity: entry.integrity };
}
