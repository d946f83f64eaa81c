/** The executables, as they ship: alone in a folder that tries to mislead them. COMPILED_PROGRAMS names those to test. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HUB_SETTINGS } from "../hub/config.ts";
import { nodeSettings } from "../node/config.ts";
import { describeSettings } from "../shared/settings.ts";
import { expectedText, startFakeOllama } from "../shared/testing/fake_ollama.ts";
import { compile, runProgram } from "../shared/testing/programs.ts";
import { readStream } from "../shared/testing/read_stream.ts";
import { eventually } from "../shared/testing/start_hub.ts";
import { VERSION } from "../shared/version.ts";
import type { ProgramName } from "./targets.ts";

let folder = "";

beforeAll(async () => {
  await Promise.all([compile("hub"), compile("node")]);
  folder = await mkdtemp(join(tmpdir(), "ollama-connector-smoke-"));
  await Bun.write(join(folder, ".env"), "PORT=1\nNODE_PORT=1\nLOG_LEVEL=nonsense\nBUN_CONFIG_MAX_HTTP_REQUESTS=1\n");
  await Bun.write(join(folder, "bunfig.toml"), 'preload = ["./crash.js"]\n');
  await Bun.write(join(folder, "crash.js"), 'console.error("preloaded"); process.exit(9);\n');
  await Bun.write(join(folder, "package.json"), "{ this is no JSON");
  await Bun.write(join(folder, "tsconfig.json"), "{ nor is this");
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

async function say(program: ProgramName, flag: string, environment: Record<string, string> = {}) {
  const child = Bun.spawn([await compile(program), flag], {
    cwd: folder,
    env: environment,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, errors, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { out, errors, code };
}

test.each<ProgramName>(["hub", "node"])("ollama-%s says its version, commit and day", async (program) => {
  const { out, errors, code } = await say(program, "--version");
  expect({ errors, code }).toEqual({ errors: "", code: 0 });
  expect(out).toStartWith(`ollama-${program} ${VERSION} (`);
  expect(out).toMatch(/ \(([0-9a-f]{12}(\+changes)?|unknown), 20\d\d-\d\d-\d\d\)\n$/);
});

test.each([
  ["hub" as const, describeSettings(HUB_SETTINGS)],
  ["node" as const, nodeSettings()],
])("ollama-%s --help names every variable and every option", async (program, settings) => {
  const { out, code } = await say(program, "--help");
  expect(code).toBe(0);
  for (const [variable, , doc] of settings) {
    expect(out).toMatch(new RegExp(`^  ${variable}\\b`, "m"));
    expect(out).toContain(doc);
  }
  for (const option of ["--check-config", "--healthcheck", "--version"]) expect(out).toContain(option);
});

test("hub and node: joined, a streamed job, the dashboard with all it loads, healthy, stopped", async () => {
  const ollama = await startFakeOllama({ tokens: 20, tokensPerSecond: 100 });
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => ollama.stop());
  await using hub = await runProgram("hub", "compiled", { PORT: "0" }, folder);
  const url = `http://127.0.0.1:${hub.port}`;
  const nodeEnvironment = {
    NODE_ID: "smoke",
    NODE_PORT: "0",
    SERVER_URL: url,
    OLLAMA_BASE_URL: ollama.url,
    ADVERTISE_IPV4: "127.0.0.1",
    ADVERTISE_IPV6: "none",
  };
  await using node = await runProgram("node", "compiled", nodeEnvironment, folder);
  await eventually(async () => expect(await (await fetch(`${url}/nodes`)).text()).toContain('"llama3'));

  let pieces = 0;
  const job = { method: "POST", body: JSON.stringify({ model: "llama3", prompt: "smoke" }) };
  const answer = await readStream(await fetch(`${url}/jobs`, job), () => pieces++);
  expect(answer).toMatchObject({ status: 200, text: expectedText("smoke", 0, 20), errors: [], dones: 1 });

  const page = await fetch(`${url}/`, { headers: { accept: "text/html" } });
  expect(page.headers.get("content-type")).toStartWith("text/html");
  const html = await page.text();
  const assets = [...html.matchAll(/(?:src|href)="(\/static\/[^"]+\.(?:js|css|svg))"/g)].map(([, path]) => path);
  expect(assets.length).toBeGreaterThan(1);
  for (const path of assets) {
    const asset = await fetch(`${url}${path}`);
    expect([path, asset.status, (await asset.text()).length > 0]).toEqual([path, 200, true]);
  }
  expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: "ok" });

  const ask = { hub: { PORT: String(hub.port) }, node: { NODE_PORT: String(node.port) } };
  for (const program of ["hub", "node"] as const) {
    const listening = { ...ask[program], HUB_HOST: "127.0.0.1", NODE_HOST: "127.0.0.1" };
    expect(await say(program, "--healthcheck", listening)).toEqual({ out: "healthy\n", errors: "", code: 0 });
  }
  expect(await node.end("SIGTERM")).toBe(0);
  expect(await hub.end("SIGTERM")).toBe(0);
  expect(hub.errors() + node.errors()).toBe("");
  for (const program of ["hub", "node"] as const) {
    expect(await say(program, "--healthcheck", ask[program])).toMatchObject({
      code: 1,
      errors: expect.stringContaining("did not answer"),
    });
  }
}, 30_000);
