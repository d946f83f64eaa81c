import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fillInstallScript } from "./install_script.ts";
import { type Lockfile, type Manifest, ROOT, readLockfile, readManifest, readText } from "./lockfile.ts";
import { changelogEntry, dependencyProblems, installProblems, versionProblems, workflowProblems } from "./project.ts";

const manifest: Manifest = {
  name: "a",
  version: "1.2.3",
  scripts: {},
  dependencies: { zod: "4.0.0" },
  devDependencies: {},
};
const root = { version: "1.2.3" };
const lock: Lockfile = {
  version: "1.2.3",
  packages: { "": root, "node_modules/zod": { version: "4.0.0", integrity: "sha512-x" } },
};
const changelog = "# Changelog\n\n## Unreleased\n\n- new\n\n## 1.2.3 (2026-01-02)\n\n- old\n\n## [1.2.2]\n\n- older\n";

test("this repository can be released, but for a tag's own entry in the changelog", () => {
  const workflows = readdirSync(join(ROOT, ".github/workflows")).map((file) => `.github/workflows/${file}`);
  expect(workflows.length).toBe(2);
  const files = [".ci/run", "Dockerfile.hub", "Dockerfile.node", ...workflows];
  expect([
    ...versionProblems(readManifest(), readLockfile(), readText("CHANGELOG.md"), null),
    ...dependencyProblems(readManifest(), readLockfile()),
    ...Object.entries(readManifest().scripts).flatMap(([name, text]) => installProblems(name, text)),
    ...files.flatMap((file) => installProblems(file, readText(file))),
    ...workflows.flatMap((file) => workflowProblems(file, readText(file))),
  ]).toEqual([]);
});

describe("version and changelog", () => {
  test("an entry is found by its heading, with brackets or a date", () => {
    expect(["Unreleased", "1.2.3", "1.2.2", "1.2"].map((version) => changelogEntry(changelog, version))).toEqual([
      "- new",
      "- old",
      "- older",
      "",
    ]);
  });

  test("a release needs its own entry; before it, one that is called Unreleased will do", () => {
    expect(versionProblems(manifest, lock, changelog, "v1.2.3")).toEqual([]);
    expect(versionProblems(manifest, lock, "## Unreleased\n\n- new\n", null)).toEqual([]);
    expect(versionProblems(manifest, lock, "## Unreleased\n\n- new\n", "v1.2.3")).toEqual([
      'CHANGELOG.md has nothing under "## 1.2.3"',
    ]);
    expect(versionProblems(manifest, lock, "## Unreleased\n\n## 1.2.3\n", null)).toHaveLength(1);
  });

  test("tag, package.json and package-lock.json say the same", () => {
    expect(versionProblems(manifest, { ...lock, version: "1.2.2" }, changelog, "v1.2.4")).toEqual([
      "package.json says 1.2.3, package-lock.json says 1.2.2",
      "the tag is v1.2.4, package.json says 1.2.3",
    ]);
  });
});

test("dependencies: no range, no missing checksum, not too many, no trusted scripts", () => {
  expect(dependencyProblems(manifest, lock)).toEqual([]);
  const many = { zod: "^4.0.0", a: "1.0.0", b: "1.0.0", c: "1.0.0", d: "1.0.0", e: "1.0.0", f: "1.0.0" };
  const trusting: Manifest & { trustedDependencies: string[] } = {
    ...manifest,
    dependencies: many,
    trustedDependencies: ["a"],
  };
  const unchecked = { ...lock, packages: { "": root, "node_modules/zod": { version: "4.0.0" } } };
  expect(dependencyProblems(trusting, unchecked)).toEqual([
    "package.json: zod has no exact version: ^4.0.0",
    "package-lock.json has no checksum of node_modules/zod",
    "6 runtime dependencies besides hono, zod, @hono/zod-validator, pino: a, b, c, d, e, f",
    "package.json lets install scripts run: trustedDependencies",
  ]);
});

test("installations with scripts on or past the lock file are found", () => {
  expect(installProblems("x", "# npm ci\nnpm ci --ignore-scripts\napt-get install npm\n")).toEqual([]);
  expect(installProblems("x", "run: npm ci\nrun: npm install left-pad\n")).toEqual([
    "x runs install scripts: run: npm ci",
    "x installs past the lock file: run: npm install left-pad",
  ]);
  for (const line of [
    "bun install",
    "bun add a",
    "bunx a",
    "npx -y a",
    "pnpm i",
    "pnpm install",
    "pnpm dlx a",
    "yarn add a",
  ])
    expect(installProblems("x", `${line}\n`)).toEqual([`x installs past the lock file: ${line}`]);
  expect(installProblems("x", "node node_modules/bun/install.js\nbun run build\nbun x.ts\n")).toEqual([]);
});

test("workflows that trust a tag, ask for too much or run strangers' words are found", () => {
  const good = `permissions: {}\njobs:\n  a:\n    steps:\n      - uses: a/b@${"0".repeat(40)} # v1.2.3\n      - uses: ./c\n`;
  expect(workflowProblems("w", good)).toEqual([]);
  const bad = `on: pull_request_target\njobs:\n  a:\n    steps:\n      - uses: a/b@v1\n      - uses: a/b@${"0".repeat(40)}\n      - run: |\n          echo hi\n          echo \${{ github.event.title }}\n`;
  expect(workflowProblems("w", bad)).toEqual([
    "w: a/b@v1 is not pinned by its commit",
    `w: a/b@${"0".repeat(40)} does not say which version that is`,
    "w sets no permissions for the whole workflow",
    "w runs strangers' code with a token: pull_request_target",
    "w puts an expression into a script: echo hi",
  ]);
  const hidden = `permissions: {}\njobs:\n  a:\n    permissions: write-all\n    steps:\n      - uses: a/github-script@${"0".repeat(40)} # v1.2.3\n        with:\n          script: |\n            run("\${{ github.event.title }}")\n`;
  expect(workflowProblems("w", hidden)).toEqual([
    "w asks for all permissions in its job a",
    `w puts an expression into a script: run("\${{ github.event.title }}")`,
  ]);
});

describe("install.sh of a release", () => {
  const release = { version: "1.2.3", repository: "owner/name", sumsSha256: "a".repeat(64) };

  test("has the block filled in and nothing else changed", () => {
    const script = readText("install.sh");
    const filled = fillInstallScript(script, release).split("\n");
    const changed = filled.filter((line, index) => line !== script.split("\n")[index]);
    expect(changed).toEqual(["VERSION='1.2.3'", "REPOSITORY='owner/name'", `SHA256_SHA256SUMS='${"a".repeat(64)}'`]);
  });

  test("takes no value that could be a command, and no script that is another", () => {
    const script = readText("install.sh");
    expect(() => fillInstallScript(script, { ...release, repository: "o/n'; rm -rf /; '" })).toThrow("cannot stand");
    expect(() => fillInstallScript(script, { ...release, version: "1.2.3\n" })).toThrow("cannot stand");
    expect(() => fillInstallScript(script.replace("VERSION=''", "VERSION='1'"), release)).toThrow("exactly one line");
  });
});
