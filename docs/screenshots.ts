/** `bun docs/screenshots.ts`: starts a fleet to look at, gives it a minute's work, and writes docs/screenshots/*.png. */
import { chmod, mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { noBrowser, openBrowser, reads, type TestBrowser, type Theme } from "../shared/testing/browser.ts";
import { type FakeModel, type FakeOllama, startFakeOllama } from "../shared/testing/fake_ollama.ts";
import { runProgram } from "../shared/testing/programs.ts";
import { eventually, type NodeJson } from "../shared/testing/start_hub.ts";

const FOLDER = join(import.meta.dir, "screenshots");
/** How long requests come before the pictures are taken, so that the charts have something to show. */
const WORK_MS = Number(process.env.WORK_SECONDS ?? 75) * 1000;
/** Bytes of one picture: pages that show them shall not be slow to open. */
const LARGEST = 300_000;
const HAS_IPV6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));

interface Machine {
  readonly id: string;
  readonly models: readonly string[];
  readonly loaded: readonly string[];
  readonly slots: number;
  readonly tokensPerSecond: number;
  /** A line of nvidia-smi: name, % busy, MiB used, MiB in all. */
  readonly gpu?: string;
}

/** As they are in Ollama's library. */
const MODELS: Readonly<Record<string, Omit<FakeModel, "name">>> = {
  "llama3.2:3b": { size: 2.02e9, parameterSize: "3.2B", quantization: "Q4_K_M" },
  "qwen2.5:14b": { size: 8.99e9, parameterSize: "14.8B", quantization: "Q4_K_M" },
  "phi4:14b": { size: 9.05e9, parameterSize: "14.7B", quantization: "Q4_K_M" },
  "nomic-embed-text:latest": { size: 2.74e8, parameterSize: "137M", quantization: "F16", embedding: true },
};

const MACHINES: readonly Machine[] = [
  {
    id: "gaming-pc",
    models: ["llama3.2:3b", "qwen2.5:14b", "nomic-embed-text:latest"],
    loaded: ["llama3.2:3b"],
    slots: 4,
    tokensPerSecond: 60,
    gpu: "NVIDIA GeForce RTX 4090, 72, 11380, 24564",
  },
  {
    id: "workstation",
    models: ["llama3.2:3b", "qwen2.5:14b", "phi4:14b"],
    loaded: ["qwen2.5:14b"],
    slots: 2,
    tokensPerSecond: 35,
    gpu: "NVIDIA RTX A5000, 41, 9840, 24564",
  },
  { id: "office-mini", models: ["llama3.2:3b"], loaded: ["llama3.2:3b"], slots: 2, tokensPerSecond: 18 },
  { id: "old-laptop", models: ["llama3.2:3b"], loaded: [], slots: 1, tokensPerSecond: 8 },
  {
    id: "attic",
    models: ["qwen2.5:14b"],
    loaded: [],
    slots: 2,
    tokensPerSecond: 20,
    gpu: "NVIDIA GeForce GTX 1080 Ti, 0, 512, 11264",
  },
];

/** Programs and folders that end with the script, whatever happens. */
const stack = new AsyncDisposableStack();

/** Starts a machine with its Ollama and its agent, which joins `hub`. */
async function startMachine(machine: Machine, hub: string, index: number): Promise<FakeOllama> {
  const { id, models, loaded, slots, tokensPerSecond, gpu } = machine;
  const ollama = await startFakeOllama({
    models: models.map((name) => ({
      name,
      ...MODELS[name],
      // A download of another day: the same name, another digest.
      ...(id === "old-laptop" ? { digest: "c0ffee".padEnd(64, "0") } : {}),
    })),
    loaded: [...loaded],
    parallel: slots,
    tokensPerSecond,
    firstTokenMs: 4000 / tokensPerSecond,
    tokens: 90,
    loadMs: 1500,
  });
  stack.defer(() => ollama.stop());
  const tools = await mkdtemp(join(tmpdir(), "screenshots-"));
  stack.defer(() => rm(tools, { recursive: true }));
  if (gpu !== undefined) {
    await Bun.write(join(tools, "nvidia-smi"), `#!/bin/sh\necho '${gpu}'\n`);
    await chmod(join(tools, "nvidia-smi"), 0o755);
  }
  const agent = await runProgram("node", "source", {
    PATH: `${tools}:${process.env.PATH}`,
    NODE_ID: id,
    NODE_HOST: HAS_IPV6 ? "::" : "127.0.0.1",
    NODE_PORT: "0",
    NODE_SLOTS: String(slots),
    SERVER_URL: hub,
    OLLAMA_BASE_URL: ollama.url,
    HEARTBEAT_INTERVAL: "5",
    ADVERTISE_IPV4: `127.0.0.${index + 10}`,
    ADVERTISE_IPV6: HAS_IPV6 ? "::1" : "none",
  });
  stack.use(agent);
  return ollama;
}

/** Resolves with what the hub says of its nodes once `ready` holds. */
const nodesThat = (hub: string, ready: (nodes: NodeJson[]) => boolean): Promise<NodeJson[]> =>
  eventually(async () => {
    const nodes = (await (await fetch(`${hub}/nodes`)).json()) as NodeJson[];
    if (!ready(nodes)) throw new Error(`the fleet is not ready: ${JSON.stringify(nodes)}`);
    return nodes;
  });

let asked = 0;

/** Asks for an answer and reads it to its end, or until the script ends. */
async function ask(
  hub: string,
  path: string,
  model: string,
  prompt: string,
  more: { node?: string; tokens?: number } = {},
): Promise<void> {
  // Each question is another: the same one again would go on a conversation, with the manifest that answered it first.
  asked++;
  prompt = `${prompt} (Question ${asked}.)`;
  const input =
    path === "/jobs" || path === "/api/generate" ? { prompt } : { messages: [{ role: "user", content: prompt }] };
  const length = path.startsWith("/v1")
    ? { max_tokens: more.tokens ?? 90, stream: true, stream_options: { include_usage: true } }
    : { options: { num_predict: more.tokens ?? 90 } };
  const headers = {
    "content-type": "application/json",
    ...(more.node === undefined ? {} : { "x-node-id": more.node }),
  };
  const body = JSON.stringify({ model, ...input, ...length });
  const response = await fetch(hub + path, { method: "POST", headers, body });
  await response.text();
}

const QUESTIONS = ["Why is the sky blue?", "Name three rivers.", "Write a haiku about snow.", "What is a monad?"];
const ROUTES = ["/api/chat", "/jobs", "/v1/chat/completions", "/api/generate"];

/** Four people with questions, until told to stop. */
async function work(hub: string, until: number): Promise<void> {
  const person = async (number: number) => {
    for (let turn = number; performance.now() < until; turn++) {
      const model = turn % 4 === 3 ? "qwen2.5:14b" : "llama3.2:3b";
      await ask(hub, ROUTES[turn % ROUTES.length] ?? "/jobs", model, QUESTIONS[turn % QUESTIONS.length] ?? "");
      await Bun.sleep(300 * number);
    }
  };
  await Promise.all([0, 1, 2, 3].map(person));
}

/** Pictures of one page in both themes, 1280 px wide. */
async function picture(
  browser: TestBrowser,
  url: string,
  name: string,
  height: number,
  ready: (page: Page) => Promise<unknown>,
): Promise<void> {
  for (const theme of ["light", "dark"] as const satisfies readonly Theme[]) {
    await take(browser, url, `${name}-${theme}`, { width: 1280, height, system: theme }, ready);
  }
}

async function take(
  browser: TestBrowser,
  url: string,
  name: string,
  size: { width: number; height: number; system: Theme },
  ready: (page: Page) => Promise<unknown>,
): Promise<void> {
  await using view = await browser.open(url, size);
  await reads(view.page.locator("#connection"), "Live");
  await ready(view.page);
  await view.page.evaluate("document.fonts.ready.then(() => scrollTo(0, 0))");
  const path = join(FOLDER, `${name}.png`);
  await view.page.screenshot({ path, animations: "disabled" });
  const { size: bytes } = await stat(path);
  console.log(`${path} ${Math.round(bytes / 1000)} kB`);
  if (bytes > LARGEST) throw new Error(`${name}.png has more than ${LARGEST / 1000} kB: take less of the page`);
}

async function main(): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  const program = await runProgram("hub", "source", {
    PORT: "0",
    HUB_HOST: HAS_IPV6 ? "::" : "127.0.0.1",
    HEARTBEAT_INTERVAL: "5",
  });
  stack.use(program);
  const hub = `http://localhost:${program.port}`;
  const joinAt = HAS_IPV6 ? `http://[::1]:${program.port}` : hub;
  const ollamas = await Promise.all(MACHINES.map((machine, index) => startMachine(machine, joinAt, index)));
  await nodesThat(hub, (nodes) => nodes.filter(({ models }) => models.length > 0).length === MACHINES.length);

  console.log(`the fleet works for ${WORK_MS / 1000} s`);
  await work(hub, performance.now() + WORK_MS);
  // One machine breaks for good: what is sent there goes on elsewhere, until it gets no more. And a model nobody has.
  const attic = ollamas[MACHINES.findIndex(({ id }) => id === "attic")];
  attic?.fault({ kind: "status", status: 500, message: "CUDA error: device lost", times: Number.POSITIVE_INFINITY });
  await ask(hub, "/v1/chat/completions", "mixtral:8x7b", "Hello");
  // More than the others have slots for, or none would come to it.
  const many = Array.from({ length: 12 }, (_, index) => `${QUESTIONS[index % QUESTIONS.length]} ${index}`);
  await Promise.all(many.map((question) => ask(hub, "/api/chat", "qwen2.5:14b", question)));
  await nodesThat(hub, (nodes) => {
    const isOut = nodes.some(({ node_id, status }) => node_id === "attic" && status === "degraded");
    if (!isOut) void ask(hub, "/api/chat", "qwen2.5:14b", crypto.randomUUID(), { node: "attic" });
    return isOut;
  });
  await work(hub, performance.now() + 3_000);

  // These run while the pictures are taken.
  const running = Array.from({ length: 7 }, (_, index) =>
    ask(
      hub,
      ROUTES[index % 4] ?? "/jobs",
      index % 3 === 2 ? "qwen2.5:14b" : "llama3.2:3b",
      QUESTIONS[index % 4] ?? "",
      { tokens: 5000 },
    ),
  );
  void Promise.allSettled(running);
  const browser = stack.use(await openBrowser());
  const busy = async (page: Page) => {
    await reads(page.locator("#totals"), /Active jobs [1-9]/);
    await reads(page.locator("#running"), "llama3.2");
    await page.locator("#charts canvas").first().waitFor();
  };
  await picture(browser, hub, "fleet", 1500, busy);
  await take(browser, hub, "fleet-phone", { width: 360, height: 1400, system: "light" }, busy);
  await picture(browser, `${hub}/static/logs.html`, "logs", 1000, async (page) => {
    const failed = page.locator("tr.request", { hasText: "attic" }).filter({ hasText: "→" }).first();
    await failed.locator(".opener").click();
    await reads(page.locator("tr.whole"), "Why this node");
  });
  await picture(browser, `${hub}/static/explain.html?path=%2Fapi%2Fchat&model=llama3.2%3A3b`, "explain", 900, (page) =>
    reads(page.locator("#answer"), "What is compared"),
  );
  browser.verify();
}

if (noBrowser !== null) process.exit(1);
try {
  await main();
} finally {
  await stack.disposeAsync();
}
process.exit(0);
