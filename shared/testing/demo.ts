/** `npm start`: a hub and nodes on this machine, and one request through them. Simulates Ollama where there is none. */
import { join } from "node:path";
import { createFleetFetch } from "../fleet_fetch.ts";
import { startFakeOllama } from "./fake_ollama.ts";
import { emptyStateFolder } from "./state_folder.ts";

const OLLAMA = process.env.OLLAMA_BASE_URL ?? "http://127.0.0.1:11434";
const PORT = process.env.PORT ?? "8000";
const HUB = `http://localhost:${PORT}`;
const SIMULATED = "simulated";
const ROOT = join(import.meta.dir, "../..");

/** What hub and nodes learn of each other in a demo is forgotten with it, unless it was told where to keep it. */
const STATE_DIR = process.env.STATE_DIR?.trim() || emptyStateFolder();

/** Milliseconds in which hub and nodes have to be up. */
const START_MS = 15_000;

// A proxy in the environment has no place between programs on one machine.
const fetch = createFleetFetch();
const children: Bun.Subprocess[] = [];

/** The models of the Ollama on this machine, or null where none answers. */
async function localModels(): Promise<string[] | null> {
  try {
    const response = await fetch(`${OLLAMA}/api/tags`, { signal: AbortSignal.timeout(2000) });
    const { models } = (await response.json()) as { models: { name: string }[] };
    return models.map(({ name }) => name);
  } catch {
    return null;
  }
}

/** What the simulated Ollama says, word by word: nobody shall take it for a model. */
function simulatedWords(prompt: string): string[] {
  const before = "This is a simulated answer: no Ollama runs on this machine, so nothing thought about";
  const after =
    "But every word you see was sent by itself, from a stand-in Ollama through a node and the hub to you, " +
    "and with a real Ollama it goes the same way.";
  const subject = prompt.length > 60 ? `${prompt.slice(0, 60)}…` : prompt;
  return [...before.split(/(?= )/), ` “${subject}”.`, ...` ${after}`.split(/(?= )/)];
}

function startChild(program: "hub" | "node", environment: Record<string, string>): Bun.Subprocess {
  const child = Bun.spawn([process.execPath, join(ROOT, program, "main.ts")], {
    env: { LOG_LEVEL: "WARNING", ...process.env, ...environment, STATE_DIR },
    stdout: "inherit",
    stderr: "inherit",
  });
  children.push(child);
  return child;
}

function startNode(id: string, ollamaUrl: string): Bun.Subprocess {
  return startChild("node", { NODE_ID: id, NODE_PORT: "0", SERVER_URL: HUB, OLLAMA_BASE_URL: ollamaUrl });
}

/** Waits until `ready` of what the hub answers at `path`; ends the demo when the hub ends, or takes too long. */
async function hubSays(path: string, ready: (answer: unknown) => boolean): Promise<void> {
  const giveUpAt = performance.now() + START_MS;
  let why = "it did not start";
  while (hub.exitCode === null && performance.now() < giveUpAt) {
    try {
      const response = await fetch(HUB + path, { signal: AbortSignal.timeout(2000) });
      if (ready(await response.json())) return;
      why = "not every node has joined it";
    } catch (error) {
      why = String(error);
    }
    await Bun.sleep(50);
  }
  console.error(`The demo could not start: the hub at ${HUB} is not ready (${why}).`);
  await stopAll();
  process.exit(1);
}

async function answers(url: string): Promise<boolean> {
  return fetch(url, { signal: AbortSignal.timeout(1000) }).then(
    () => true,
    () => false,
  );
}

/** The text in one line of an answer. */
function textOf(line: string): string {
  const { response, error } = JSON.parse(line) as { response?: string; error?: string };
  return error ?? response ?? "";
}

/** True when at least `count` nodes are online with a model. */
function areOnline(nodes: unknown, count: number): boolean {
  const list = nodes as { status: string; models: string[] }[];
  return list.filter(({ status, models }) => status === "online" && models.length > 0).length >= count;
}

async function stopAll(): Promise<void> {
  for (const child of children) child.kill("SIGTERM");
  await Promise.all(children.map((child) => child.exited));
}

const models = await localModels();
if (models?.length === 0) {
  console.log(`Ollama runs at ${OLLAMA} but has no models yet. Get one first, for example: ollama pull qwen2.5:0.5b`);
  process.exit(1);
}

// Ctrl-C in a terminal reaches the children as well; they take both signals for one.
process.on("SIGINT", endAll);
process.on("SIGTERM", endAll);
async function endAll(): Promise<never> {
  console.log("\nStopping…");
  await stopAll();
  process.exit(0);
}

// Somebody else's hub there would get the demo's nodes into its fleet, the simulated ones too.
if (await answers(HUB)) {
  console.error(`Something answers at ${HUB} already. Stop it, or take another port: PORT=8123 npm start`);
  process.exit(1);
}
const hub = startChild("hub", { PORT });
await hubSays("/healthz", () => true);
const nodes: Bun.Subprocess[] = [];
if (models) {
  nodes.push(startNode("this-machine", OLLAMA));
} else {
  for (const id of ["demo-a", "demo-b"]) {
    const ollama = await startFakeOllama({
      models: [SIMULATED],
      tokensPerSecond: 8,
      tokens: simulatedWords("").length,
      speak: (prompt, _seed, index) => simulatedWords(prompt)[index] ?? "",
    });
    nodes.push(startNode(id, ollama.url));
  }
}

await hubSays("/nodes", (list) => areOnline(list, nodes.length));

const model = models?.[0] ?? SIMULATED;
const body = JSON.stringify({ model, prompt: "Why is the sky blue?" });
const headers = { "content-type": "application/json" };

console.log(
  models
    ? `\nUsing the Ollama on this machine: model ${model}.`
    : `\nNo Ollama answers at ${OLLAMA}, so two SIMULATED ones stand in, behind two real nodes. The model is called "${SIMULATED}".`,
);
console.log(`\nDashboard:  ${HUB}/`);
console.log(`For any program that speaks to Ollama:  OLLAMA_HOST=${HUB}  (OpenAI: ${HUB}/v1, all routes: ${HUB}/docs)`);
console.log(`\n$ curl -N ${HUB}/jobs -H 'Content-Type: application/json' -d '${body}'`);
const answer = await fetch(`${HUB}/jobs`, { method: "POST", headers, body, signal: AbortSignal.timeout(600_000) });
let [lines, words] = ["", 0];
const decoder = new TextDecoder();
for await (const piece of answer.body ?? []) {
  const parts = (lines + decoder.decode(piece, { stream: true })).split("\n");
  lines = parts.pop() ?? "";
  for (const line of parts) {
    // The first lines as they are, the rest as the text in them.
    if (words++ < 3) console.log(line);
    else process.stdout.write(textOf(line));
  }
}
console.log(`\n\nAnswered by node ${answer.headers.get("x-node-id")}, status ${answer.status}.`);

if (process.argv.includes("--once")) await endAll();
console.log(`
The hub and its nodes go on running. Send the same line from another terminal, or open ${HUB}/`);
if (nodes.length > 1) {
  console.log("Kill the node that answers and watch the stream end with an error line; then ask again:");
  for (const [index, { pid }] of nodes.entries()) console.log(`  demo-${"ab"[index]}: kill -9 ${pid}`);
}
console.log("Ctrl-C ends everything.");
