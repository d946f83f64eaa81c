import { afterEach, describe, expect, test } from "bun:test";
import { Agent, request } from "node:http";
import { expectedText, startFakeOllama } from "../shared/testing/fake_ollama.ts";
import { stateFolderForTest } from "../shared/testing/state_folder.ts";
import { VERSION } from "../shared/version.ts";
import { wholeText } from "./testing/node_with_ollama.ts";
import { startStubHub } from "./testing/stub_hub.ts";
import { until } from "./testing/until.ts";

const main = `${import.meta.dir}/main.ts`;
const toEnd: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0)) await end();
});

/** The program as a person starts it, with nothing of this process's environment but what it needs to run. */
function run(environment: Record<string, string>, ...flags: string[]) {
  const { PATH = "", HOME = "" } = Bun.env;
  const child = Bun.spawn([process.execPath, main, ...flags], {
    env: { PATH, HOME, STATE_DIR: stateFolderForTest(), ...environment },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  toEnd.push(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  return child;
}

async function output(child: ReturnType<typeof run>) {
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { out, err, code };
}

/** POST through node:http: this process's own fetch stops at 256 requests at a time. */
function post(agent: Agent, port: number, body: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path: "/execute", method: "POST", agent };
    const sent = request(options, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        text += chunk;
      });
      answer.on("end", () => resolve(text));
      answer.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(JSON.stringify(body));
  });
}

describe("the node as a program", () => {
  test("--version, --help and --check-config answer and end", async () => {
    expect(await output(run({}, "--version"))).toMatchObject({ out: `ollama-node ${VERSION}\n`, code: 0 });
    const help = await output(run({}, "--help"));
    expect(help.out).toContain("OLLAMA_BASE_URL");
    expect(help.code).toBe(0);
    expect((await output(run({}, "--check-config"))).code).toBe(0);
  });

  test("a configuration that cannot work stops the start with a sentence", async () => {
    const { err, code } = await output(run({ NODE_PORT: "many" }));
    expect(err).toContain("NODE_PORT=many is not a whole number from 0 to 65535");
    expect(code).toBe(2);
  });

  test("a port that is taken stops the start with what to do", async () => {
    const taken = Bun.serve({ port: 0, hostname: "::", fetch: () => new Response() });
    toEnd.push(() => taken.stop(true));
    const { err, code } = await output(run({ NODE_PORT: String(taken.port) }));
    expect(err).toContain(`port ${taken.port} is in use`);
    expect(code).toBe(1);
  });

  test("600 streams at once do not wait for each other, and SIGTERM lets them finish", async () => {
    const streams = 600;
    const hub = startStubHub();
    // Every stream waits for its first token until all are there: one that had to queue would be missed.
    const ollama = await startFakeOllama({ parallel: streams, firstTokenMs: 3000, tokensPerSecond: 20 });
    const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });
    const child = run({
      SERVER_URL: hub.url,
      OLLAMA_BASE_URL: ollama.url,
      NODE_ID: "many",
      NODE_PORT: "0",
      NODE_SLOTS: String(streams),
      // Of the hub, which has no key, it warns.
      LOG_LEVEL: "ERROR",
    });
    toEnd.push(hub.stop, ollama.stop, async () => agent.destroy());
    const log = output(child);
    await until("the node has joined", () => hub.heartbeats.length > 0);
    const port = hub.heartbeats[0]?.port ?? 0;

    const answers = Array.from({ length: streams }, (_, seed) =>
      post(agent, port, { model: "llama3", prompt: "why", options: { seed, num_predict: 20 } }),
    );
    await until("all are at Ollama at the same time", () => ollama.counters.running === streams, 10_000);
    child.kill("SIGTERM");
    const texts = await Promise.all(answers);
    texts.forEach((text, seed) => {
      expect(wholeText(text)).toBe(expectedText("why", seed, 20));
    });
    expect(await log).toEqual({ out: "", err: "", code: 0 });
    // In this order; that a model was loaded meanwhile may have been worth a heartbeat, too.
    expect([...new Set(hub.heartbeats.map(({ intent }) => intent))]).toEqual(["serving", "draining", "left"]);
  }, 30_000);
});
