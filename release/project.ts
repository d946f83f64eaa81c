/** What has to be true of the repository for a release, as functions from its files to sentences about what is wrong. */
import type { Lockfile, Manifest } from "./lockfile.ts";

/** Beyond these four, each runtime dependency needs a reason (docs/architecture.md). */
const CORE = ["hono", "zod", "@hono/zod-validator", "pino"];
const MOST_OTHERS = 5;

/** Version and changelog; `tag` is set when this very commit is released. */
export function versionProblems(manifest: Manifest, lock: Lockfile, changelog: string, tag: string | null): string[] {
  const { version } = manifest;
  const problems: string[] = [];
  for (const found of [lock.version, lock.packages[""]?.version])
    if (found !== version) problems.push(`package.json says ${version}, package-lock.json says ${found}`);
  if (tag !== null && tag !== `v${version}`) problems.push(`the tag is ${tag}, package.json says ${version}`);
  const wanted = tag === null ? [version, "Unreleased"] : [version];
  if (!wanted.some((heading) => changelogEntry(changelog, heading) !== ""))
    problems.push(`CHANGELOG.md has nothing under "## ${wanted.join('" or "## ')}"`);
  return problems;
}

/** What stands under the heading of `version`, with or without a date behind it. */
export function changelogEntry(changelog: string, version: string): string {
  const sections = changelog.split(/^## /m).slice(1);
  const found = sections.find((section) => section.split(/\s/, 1)[0]?.replace(/^\[|\]$/g, "") === version);
  return found?.split("\n").slice(1).join("\n").trim() ?? "";
}

/** Exact versions, a checksum for each package, and few of them at run time. */
export function dependencyProblems(manifest: Manifest, lock: Lockfile): string[] {
  const problems: string[] = [];
  for (const [name, range] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }))
    if (!/^\d+\.\d+\.\d+/.test(range)) problems.push(`package.json: ${name} has no exact version: ${range}`);
  for (const [path, { integrity }] of Object.entries(lock.packages))
    if (path !== "" && !integrity) problems.push(`package-lock.json has no checksum of ${path}`);
  const others = Object.keys(manifest.dependencies).filter((name) => !CORE.includes(name));
  if (others.length > MOST_OTHERS)
    problems.push(`${others.length} runtime dependencies besides ${CORE.join(", ")}: ${others.join(", ")}`);
  if ("trustedDependencies" in manifest) problems.push("package.json lets install scripts run: trustedDependencies");
  return problems;
}

/** Every installation in `text`, a script or workflow, that runs install scripts or does not keep to the lock file. */
export function installProblems(file: string, text: string): string[] {
  const problems: string[] = [];
  for (const raw of text.split("\n")) {
    const line = raw.replace(/#.*$/, "");
    if (/\b(?:(?:p?npm|yarn|bun) (?:install|i|add|dlx|x|exec)|npx|bunx)\b(?!\.)/.test(line))
      problems.push(`${file} installs past the lock file: ${line.trim()}`);
    if (/\bnpm ci\b/.test(line) && !line.includes("--ignore-scripts"))
      problems.push(`${file} runs install scripts: ${line.trim()}`);
  }
  return problems;
}

interface Job {
  readonly permissions?: unknown;
  readonly steps?: readonly { readonly run?: string; readonly with?: Readonly<Record<string, unknown>> }[];
}

/** A workflow that trusts a name that may move, or whose token may do more than its jobs ask for. */
export function workflowProblems(file: string, text: string): string[] {
  const problems: string[] = [];
  for (const [, action = "", comment = ""] of text.matchAll(/\buses:\s*(\S+)(.*)$/gm)) {
    if (action.startsWith("./")) continue;
    if (!/@[0-9a-f]{40}$/.test(action)) problems.push(`${file}: ${action} is not pinned by its commit`);
    else if (!/#\s*v\d/.test(comment)) problems.push(`${file}: ${action} does not say which version that is`);
  }
  if (!/^permissions:/m.test(text)) problems.push(`${file} sets no permissions for the whole workflow`);
  if (/^permissions:\s*write-all/m.test(text)) problems.push(`${file} asks for all permissions`);
  if (/\bpull_request_target\b/.test(text))
    problems.push(`${file} runs strangers' code with a token: pull_request_target`);
  const { jobs = {} } = Bun.YAML.parse(text) as { jobs?: Record<string, Job> };
  for (const [name, { permissions, steps = [] }] of Object.entries(jobs)) {
    if (permissions === "write-all") problems.push(`${file} asks for all permissions in its job ${name}`);
    // What a stranger named so could be a command; the environment is the way for values.
    for (const script of steps.flatMap((step) => [step.run ?? "", String(step.with?.script ?? "")]))
      if (script.includes("${{")) problems.push(`${file} puts an expression into a script: ${script.split("\n")[0]}`);
  }
  return problems;
}
