import { expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VERSION } from "../shared/version.ts";
import { build } from "./build.ts";
import { lockedPackage, readLockfile } from "./lockfile.ts";
import { makeSbom, type Sbom } from "./sbom.ts";
import { wrongSums } from "./sha256sums.ts";
import { executableName, TARGETS, targetNamed } from "./targets.ts";

test("a build replaces what an earlier one left, keeps what is somebody else's, and writes checksums", async () => {
  const outdir = await mkdtemp(join(tmpdir(), "ollama-connector-dist-"));
  try {
    for (const file of ["ollama-hub-linux-x64", "ollama-node", "SHA256SUMS", "notes.txt"])
      await Bun.write(join(outdir, file), "old");
    await build({ targets: [], programs: ["hub"], outdir });
    expect((await readdir(outdir)).toSorted()).toEqual(["SHA256SUMS", "notes.txt", "ollama-hub"]);
    expect(await wrongSums(outdir)).toEqual([]);
    await Bun.write(join(outdir, "notes.txt"), "changed");
    expect(await wrongSums(outdir)).toEqual(["notes.txt has another checksum"]);
  } finally {
    await rm(outdir, { recursive: true, force: true });
  }
}, 30_000);

test("the names are those that install.sh asks for, and package-lock.json has every runtime's checksum", async () => {
  expect(TARGETS.map((target) => executableName("hub", target))).toEqual([
    "ollama-hub-linux-x64",
    "ollama-hub-linux-arm64",
    "ollama-hub-linux-x64-musl",
    "ollama-hub-linux-arm64-musl",
    "ollama-hub-darwin-x64",
    "ollama-hub-darwin-arm64",
    "ollama-hub-windows-x64.exe",
  ]);
  for (const target of TARGETS) expect(lockedPackage(target.package).version).toBe(lockedPackage("bun").version);
  expect(Object.keys(readLockfile().packages).filter((path) => path.endsWith("-baseline"))).toEqual([]);
  expect(targetNamed("linux-amd64").name).toBe("linux-x64");
  expect(() => targetNamed("plan9-x64")).toThrow("there is no target plan9-x64: there are linux-x64,");
});

test("the bill of materials has what is inside, Bun too, and is the same each time", async () => {
  const text = await makeSbom("2026-01-02");
  const sbom: Sbom = JSON.parse(text);
  expect(sbom).toMatchObject({ bomFormat: "CycloneDX", metadata: { component: { name: "ollama-connector" } } });
  const names = sbom.components.map(({ name }) => name);
  for (const name of ["bun", "hono", "zod", "pino"]) expect(names).toContain(name);
  for (const { ref, dependsOn } of sbom.dependencies)
    for (const on of [ref, ...dependsOn])
      expect([`ollama-connector@${VERSION}`, ...sbom.components.map((each) => each["bom-ref"])]).toContain(on);
  for (const name of ["typescript", "playwright-core"]) expect(names).not.toContain(name);
  expect(await makeSbom("2026-01-02")).toBe(text);
}, 30_000);
