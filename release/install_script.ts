/** install.sh as a release ships it: with the version, the place and the checksum it may trust. */

export interface Release {
  readonly version: string;
  /** owner/name on GitHub. */
  readonly repository: string;
  /** SHA-256 of the release's SHA256SUMS. */
  readonly sumsSha256: string;
}

/** `script` with its release block filled in. Throws when the script is not as expected. */
export function fillInstallScript(script: string, release: Release): string {
  const values = {
    VERSION: safe(release.version, /^\d+\.\d+\.\d+[0-9A-Za-z.+-]*$/),
    REPOSITORY: safe(release.repository, /^[A-Za-z0-9-]+\/[A-Za-z0-9._-]+$/),
    SHA256_SHA256SUMS: safe(release.sumsSha256, /^[0-9a-f]{64}$/),
  };
  let filled = script;
  for (const [name, value] of Object.entries(values)) {
    const line = new RegExp(`^${name}=''$`, "gm");
    if ([...filled.matchAll(line)].length !== 1) throw new Error(`install.sh must have exactly one line ${name}=''`);
    filled = filled.replace(line, `${name}='${value}'`);
  }
  return filled;
}

/** It is going to be shell code. */
function safe(value: string, pattern: RegExp): string {
  if (!pattern.test(value)) throw new Error(`${JSON.stringify(value)} cannot stand in install.sh`);
  return value;
}
