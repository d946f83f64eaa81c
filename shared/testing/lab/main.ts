/** `bun run lab`: plays the scenarios in a network namespace of its own, prints the scorecard and writes the document. */
import { cpus, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { VERSION } from "../../version.ts";
import { netLabAvailable, openNetLab } from "../net_lab.ts";
import { openFirewall } from "./firewall.ts";
import type { Lab, Length } from "./scenario.ts";
import { SCENARIOS } from "./scenarios/all.ts";
import { brokenPromises, documentOf, type Played, textTable } from "./scorecard.ts";
import { seededRandom } from "./seeded_random.ts";

const ROOT = join(import.meta.dir, "../../..");
const DOCUMENT = join(ROOT, "docs/reliability.md");
/** Nodes an arena may have; each has an IPv6 address of its own in the namespace. */
const MOST_NODES = 9;
/** The length of the long run's scenarios as written in them. */
const LONG_MINUTES = 60;
const HELP = `bun run lab [--short | --minutes N] [--seed S] [--only name,…] [--output FILE]

  --short      for CI: at most 4 minutes. Without it and --minutes: about 10.
  --minutes N  the long run, about N minutes
  --seed S     repeats the choices of an earlier run
  --only       ${SCENARIOS.map(({ name }) => name).join(", ")}
  --output     where the document goes; default docs/reliability.md, with --only nowhere

Ends with 1 when a promise of safety was broken: lost, silent, mixed, hung, executed too often, left running.
A figure that missed its target alone does not: on a busy machine that says little.`;

const { values: flags } = parseArgs({
  options: {
    short: { type: "boolean" },
    minutes: { type: "string" },
    seed: { type: "string" },
    only: { type: "string" },
    output: { type: "string" },
    help: { type: "boolean", short: "h" },
    /** Set by this program for itself: where it runs. */
    inside: { type: "string" },
  },
});

if (flags.help) console.log(HELP);
else if (flags.inside === undefined) process.exitCode = await enclose();
else process.exitCode = await play(flags.inside === "namespace");

/** Runs this program again where the scenarios can play, and clears up after it, however it ends. */
async function enclose(): Promise<number> {
  const reason = netLabAvailable();
  const lab = reason === null ? openNetLab() : null;
  const space = lab?.space("arena");
  for (let index = 1; index <= MOST_NODES; index++) {
    space?.ip("addr", "add", `fd77::${index}/128`, "dev", "lo", "nodad");
    space?.ip("addr", "add", `10.77.0.${index}/32`, "dev", "lo");
  }
  if (reason !== null) console.log(`No network namespace: ${reason}. What works on loopback is run.`);
  const where = space === undefined ? [] : ["ip", "netns", "exec", space.name];
  const words = ["--inside", space === undefined ? "loopback" : "namespace"];
  words.push("--seed", flags.seed ?? String(Math.floor(Math.random() * 1e9)));
  if (flags.short) words.push("--short");
  for (const name of ["minutes", "only", "output"] as const)
    words.push(...(flags[name] ? [`--${name}`, flags[name]] : []));
  const child = Bun.spawn([...where, process.execPath, import.meta.path, ...words], {
    // Bun runs 256 fetches at once otherwise and lets the clients of an overload wait in line unseen.
    env: { ...process.env, BUN_CONFIG_MAX_HTTP_REQUESTS: "65535" },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const end = () => child.kill("SIGTERM");
  process.on("SIGINT", end);
  process.on("SIGTERM", end);
  const code = await child.exited;
  await lab?.[Symbol.asyncDispose]();
  return code;
}

/** Plays the scenarios that were asked for; the exit code. */
async function play(namespace: boolean): Promise<number> {
  const minutes = flags.minutes === undefined ? null : Number(flags.minutes);
  const length: Length = flags.short ? "short" : minutes === null ? "usual" : "long";
  const seed = Number(flags.seed);
  const firewall = namespace ? openFirewall() : null;
  const lab: Lab = {
    seed,
    length,
    ground: { namespace, random: seededRandom(seed).fork("proxies").next },
    firewall,
    random: (name) => seededRandom(seed).fork(name),
    pick(short, usual, long) {
      if (length !== "long") return length === "short" ? short : usual;
      return Math.max(short, Math.round((long * (minutes ?? LONG_MINUTES)) / LONG_MINUTES));
    },
    say: (text) => console.log(text),
  };
  const names = flags.only?.split(",");
  const wanted = SCENARIOS.filter(({ name }) => names === undefined || names.includes(name));
  if (wanted.length === 0 || Number.isNaN(seed) || Number.isNaN(minutes ?? 0)) {
    console.error(HELP);
    return 2;
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
  console.log(`Seed ${seed}, ${length}.`);
  const played: Played[] = [];
  let broken = false;
  for (const scenario of wanted) {
    const from = performance.now();
    const took = () => (performance.now() - from) / 1000;
    if (scenario.needsNamespace !== null && !namespace) {
      played.push({ scenario, took: 0, findings: null, skipped: scenario.needsNamespace });
      console.log(`${scenario.name}: not run, ${scenario.needsNamespace}`);
      continue;
    }
    console.log(`${scenario.name}: ${scenario.title} …`);
    try {
      const findings = await scenario.run(lab);
      played.push({ scenario, took: took(), findings, skipped: null });
      console.log(
        `  ${findings.operations} operations, ${findings.violations.length} violations, ${took().toFixed(0)} s`,
      );
      for (const note of findings.notes) console.log(`  ${note}`);
      for (const { breach, operation, detail } of findings.violations.slice(0, 10)) {
        console.log(`  ${breach} ${operation}: ${detail}`);
      }
    } catch (error) {
      broken = true;
      const skipped = `the lab itself failed: ${error instanceof Error ? error.message : error}`;
      played.push({ scenario, took: took(), findings: null, skipped: skipped.replaceAll("\n", " ").slice(0, 500) });
      console.error(error);
    }
    await firewall?.[Symbol.asyncDispose]();
  }
  console.log(`\n${textTable(played)}\n`);
  const output = flags.output ?? (flags.only === undefined ? DOCUMENT : null);
  if (output !== null) {
    await Bun.write(output, documentOf(played, circumstances(seed, length, namespace)));
    console.log(`Written to ${output}`);
  }
  const violations = brokenPromises(played);
  console.log(`${violations} broken promises of safety.`);
  return violations > 0 || broken ? 1 : 0;
}

function circumstances(seed: number, length: Length, namespace: boolean) {
  const git = (...words: string[]) =>
    Bun.spawnSync(["git", "-C", ROOT, ...words])
      .stdout.toString()
      .trim();
  const changed =
    git("status", "--porcelain", "--", "hub", "node", "shared", ":!shared/testing/lab") === ""
      ? ""
      : " with uncommitted changes";
  const [cpu] = cpus();
  const flag = flags.minutes === undefined ? (length === "short" ? " --short" : "") : ` --minutes ${flags.minutes}`;
  return {
    commit: `${git("rev-parse", "--short=12", "HEAD") || "unknown"}${changed}`,
    date: new Date().toISOString(),
    seed,
    length: flags.minutes === undefined ? length : `${flags.minutes} minutes`,
    command: `bun run lab${flag} --seed ${seed}`,
    machine: `${cpus().length} × ${cpu?.model ?? "unknown"}, ${Math.round(totalmem() / 1e9)} GB, ${type()} ${release()}`,
    versions: `Ollama Connector ${VERSION}, Bun ${Bun.version} (${Bun.revision.slice(0, 9)})`,
    ground: namespace
      ? "a network namespace with a firewall of its own; hub, agents, stand-ins and clients share the machine"
      : "loopback, without a firewall",
  };
}
