/** Everything README.md prints as a command is run here as printed, or is on a list that says where else it is. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { chmod, cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../package.json";
import { type Fleet, startFleet } from "../shared/testing/start_fleet.ts";
import { eventually } from "../shared/testing/start_hub.ts";
import { type Block, blocks, inlineCommands, readme } from "./readme.ts";
import { withSettingsTables } from "./settings_table.ts";

const ROOT = join(import.meta.dir, "..");

/** The node the examples name. */
const NODE = "gaming-pc";

/** Blocks for one of these addresses are run against a fleet; its own addresses take their place. */
const places = (fleet: Fleet): [printed: string, real: string][] => [
  ["http://localhost:8000", fleet.hub.url],
  ["http://192.168.1.10:8000", fleet.hub.url],
  ["http://192.168.1.20:8001", fleet.node(NODE).url],
  ["http://[2001:db8::20]:8001", fleet.node(NODE).url],
  ["http://localhost:11434", fleet.ollama(NODE).url],
];

function inPlace(text: string, fleet: Fleet): string {
  return places(fleet).reduce((code, [printed, real]) => code.replaceAll(printed, real), text);
}

function startOne(): Promise<Fleet> {
  return startFleet({ nodes: [NODE], ollama: { models: ["llama3:latest", "simulated:latest"] } });
}

/** Commands of blocks that are no example for a fleet, each with what is run for it. */
const STARTS: Readonly<Record<string, (command: string) => Promise<void>>> = {
  // Without `setup`, which installs under the tests' feet, and ending after the answer.
  "npm start": async () => {
    expect(packageJson.scripts.start).toBe("npm run --silent setup && bun shared/testing/demo.ts");
    const home = await mkdtemp(join(tmpdir(), "readme-"));
    // Set to nothing is as good as not set: its state is neither the home's nor that of a hub that runs here.
    const state = { STATE_DIR: "", XDG_STATE_HOME: home };
    const environment = { PORT: String(await freePort()), OLLAMA_BASE_URL: "http://127.0.0.1:9", ...state };
    const { code, output } = await run([process.execPath, "shared/testing/demo.ts", "--once"], environment);
    expect(output).toContain("Answered by node demo-");
    expect(output).toContain("two SIMULATED ones");
    expect(code).toBe(0);
    expect(await readdir(home)).toEqual([]);
    await rm(home, { recursive: true });
  },
  "npm run hub": async (command) => {
    const port = String(await freePort());
    await whileRunning(command, { PORT: port }, () =>
      eventually(async () => expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200)),
    );
  },
  "SERVER_URL=http://192.168.1.10:8000 npm run node": async (command) => {
    await using fleet = await startOne();
    const environment = { NODE_PORT: "0", NODE_ID: "printed", OLLAMA_BASE_URL: fleet.ollama(NODE).url };
    await whileRunning(inPlace(command, fleet), environment, () =>
      eventually(async () => expect((await fleet.hub.nodes()).get("printed")?.status).toBe("online")),
    );
  },
  "sudo sh install.sh hub": installsDry,
  "sudo sh install.sh node --hub http://192.168.1.10:8000": installsDry,
};

/** Commands that are run elsewhere, or cannot be run by a test: by what, or why. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  "npm test": "this is it",
  "npm run setup": ".ci/run does, before the tests: it would take away what they run on",
  "npm run build": "release/build_test.ts",
  "./dist/ollama-hub": "release/smoke_test.ts",
  "npm run --silent hub -- key add me --admin": "hub/access/keys_test.ts",
  "npm run --silent hub -- key add my-program --models 'llama3,qwen*' --rpm 60 --expires 90d":
    "hub/access/keys_test.ts",
  "SERVER_URL=http://192.168.1.10:8000 ./dist/ollama-node": "release/smoke_test.ts",
  "docker compose -f hub/docker-compose.yml up -d --build": "release/containers_test.ts",
  "SERVER_URL=http://192.168.1.10:8000 NODE_ID=gaming-pc docker compose -f node/docker-compose.yml up -d --build":
    "release/containers_test.ts",
};

/** Commands in the text that ask or change the reader's machine, which is not the tests'. */
const READERS_MACHINE = /^(sudo |systemctl |journalctl |launchctl |docker |tail \/var\/log|ufw |ping |ip -6 |ss )/;

/** Commands in the text that are run elsewhere. */
const TEXT_ELSEWHERE: Readonly<Record<string, string>> = {
  "npm start": "as a block above",
  "curl -X DELETE http://localhost:8000/nodes/NAME": "hub/trust/trusted_nodes_test.ts",
  "PORT=8123 npm start": "as a block above, which is given a port too",
  "bun install": ".ci/run does the same with npm",
  "bun test": "this is it",
};

const examples = blocks.filter(({ language, code }) => language !== "" && /http:\/\/localhost:(8000|11434)/.test(code));
const commands = blocks
  .filter((block) => block.language === "bash" && !examples.includes(block))
  .flatMap(({ code }) => code.trim().split("\n"));

test("the README has examples for curl, Python and JavaScript", () => {
  expect([...new Set(examples.map(({ language }) => language))].sort()).toEqual(["bash", "js", "python"]);
});

describe("an example of the README runs as printed:", () => {
  test.each(examples.map((example): [string, Block] => [`${example.language}, ${firstLine(example)}`, example]))(
    "%s",
    async (_, example) => {
      const folder = await mkdtemp(join(tmpdir(), "readme-"));
      const file = join(folder, example.language === "js" ? "example.mjs" : `example.${example.language}`);
      const command = commandFor(example, file);
      if (typeof command === "string") return console.log(`skipped: ${command}`);

      await using fleet = await startOne();
      await Bun.write(file, inPlace(example.code, fleet));
      await succeeds(command, fleet);
      await rm(folder, { recursive: true });
    },
  );
});

describe("a command of the README does what it says:", () => {
  test.each(commands)(
    "%s",
    async (command) => {
      const elsewhere = ELSEWHERE[command];
      if (elsewhere !== undefined) {
        const file = /^\S+_test\.ts$/.exec(elsewhere)?.[0];
        if (file) expect(existsSync(join(ROOT, file))).toBe(true);
        return;
      }
      const start = STARTS[command];
      if (!start) throw new Error(`nobody runs this command of README.md: ${command}`);
      await start(command);
      // `npm start` alone takes its seconds.
    },
    60_000,
  );
});

test("no list has a command that README.md does not print any more", () => {
  for (const command of [...Object.keys(STARTS), ...Object.keys(ELSEWHERE)]) expect(commands).toContain(command);
  for (const command of Object.keys(TEXT_ELSEWHERE)) expect(inlineCommands).toContain(command);
});

describe("a command in the README's text works:", () => {
  test.each(inlineCommands.filter((command) => !READERS_MACHINE.test(command)))("%s", async (command) => {
    if (TEXT_ELSEWHERE[command] !== undefined) return;
    const script = /^(?:npm|bun) run (?:--silent )?([\w:]+)/.exec(command)?.[1];
    if (script) return expect(Object.keys(packageJson.scripts)).toContain(script);
    const tested = /^bun test (\S+)$/.exec(command)?.[1];
    if (tested) return expect(existsSync(join(ROOT, tested))).toBe(true);
    if (!command.startsWith("curl ")) throw new Error(`nobody runs this command of README.md: ${command}`);
    if (!Bun.which("curl")) return console.log("skipped: there is no curl");
    await using fleet = await startOne();
    await succeeds(["bash", "-euo", "pipefail", "-c", inPlace(command, fleet)], fleet);
  });
});

test("the README's tables of settings are the programs' own (if not: bun docs/settings_table.ts)", () => {
  expect(readme).toBe(withSettingsTables(readme));
});

function firstLine({ code }: Block): string {
  return code.trim().split("\n")[0]?.slice(0, 60) ?? "";
}

/** A Python that has what the examples import, or null. */
function pythonWith(code: string): string | null {
  const imports = [...code.matchAll(/^import (\w+)/gm)].map(([, name]) => name).join(", ");
  for (const python of ["python3", "/usr/bin/python3"]) {
    if (Bun.which(python) && Bun.spawnSync([python, "-c", `import ${imports}`]).exitCode === 0) return python;
  }
  return null;
}

/** How to run an example, or why it cannot be run here. */
function commandFor({ language, code }: Block, file: string): string[] | string {
  switch (language) {
    case "bash":
      return Bun.which("curl") ? ["bash", "-euo", "pipefail", file] : "there is no curl";
    case "python": {
      const python = pythonWith(code);
      return python ? [python, file] : "there is no Python with the modules it imports";
    }
    case "js":
      return [Bun.which("node") ?? process.execPath, file];
    default:
      return `nobody knows how to run ${language}`;
  }
}

async function run(command: string[], environment: Record<string, string> = {}) {
  const child = Bun.spawn(command, {
    cwd: ROOT,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, NO_PROXY: "*", ...environment },
  });
  const [output, errors, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { output, errors, code };
}

/** Runs `command`, which speaks to `fleet`, and expects an answer and no error, at either end. */
async function succeeds(command: string[], fleet: Fleet): Promise<void> {
  const { output, errors, code } = await run(command);
  expect({ code, errors: code === 0 ? "" : errors }).toEqual({ code: 0, errors: "" });
  expect(output.trim()).not.toBe("");
  expect(output).not.toContain('"detail"');
  expect((await fleet.hub.logs()).filter(({ success }) => !success)).toEqual([]);
}

/** A port nobody listens on just now. */
async function freePort(): Promise<number> {
  const server = Bun.serve({ port: 0, fetch: () => new Response() });
  const { port } = server;
  await server.stop(true);
  return port ?? 0;
}

/** Runs a printed line that does not end by itself for as long as `wait` takes, then ends it and what it started. */
async function whileRunning(
  line: string,
  environment: Record<string, string>,
  wait: () => Promise<unknown>,
): Promise<void> {
  if (!Bun.which("npm")) return console.log("skipped: there is no npm");
  const child = Bun.spawn(["bash", "-c", line], {
    cwd: ROOT,
    detached: true,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
    env: { ...process.env, HUB_HOST: "127.0.0.1", NODE_HOST: "127.0.0.1", DRAIN_TIMEOUT: "1", ...environment },
  });
  try {
    await wait();
  } finally {
    // npm does not pass signals on: the whole group is told.
    process.kill(-child.pid, "SIGTERM");
    await child.exited;
  }
}

/** `install.sh` in a clone that was built, told to say what it would do: shared/testing/install does it. */
async function installsDry(command: string): Promise<void> {
  await using fleet = await startOne();
  const clone = await mkdtemp(join(tmpdir(), "readme-"));
  try {
    await cp(join(ROOT, "install.sh"), join(clone, "install.sh"));
    for (const program of ["ollama-hub", "ollama-node"]) {
      const file = join(clone, "dist", program);
      await Bun.write(file, `#!/bin/sh\necho '${program} 0.0.0'\n`);
      await chmod(file, 0o755);
    }
    const words = inPlace(command, fleet)
      .replace("sudo ", "")
      .replace("install.sh", join(clone, "install.sh"))
      .split(" ");
    const { output, errors, code } = await run([...words, "--dry-run"]);
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(output).toContain(`would install it as /usr/local/bin/ollama-${words[2]}`);
  } finally {
    await rm(clone, { recursive: true });
  }
}
