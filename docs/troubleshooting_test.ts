/** What README.md's troubleshooting quotes is what the programs say: every sentence is provoked here. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import net from "node:net";
import { pino } from "pino";
import { readHubConfig } from "../hub/config.ts";
import { judgeAccess } from "../hub/policy/access.ts";
import { afterLoss, afterRestart, newcomer } from "../hub/policy/ejection.ts";
import { statusOf } from "../hub/policy/node_status.ts";
import { parseAddress } from "../shared/address.ts";
import { failureWords } from "../shared/failure_words.ts";
import { listen } from "../shared/listen.ts";
import { startFakeOllama } from "../shared/testing/fake_ollama.ts";
import type { FakeFault } from "../shared/testing/fake_ollama_faults.ts";
import { startFleet } from "../shared/testing/start_fleet.ts";
import { eventually, startTestHub, type TestHub } from "../shared/testing/start_hub.ts";
import { type StartNodeOptions, startNode } from "../shared/testing/start_node.ts";
import { section } from "./readme.ts";

/** First cells of the section's tables that are quotes, `…` standing for anything. */
const quotes: readonly string[] = section("Troubleshooting")
  .split("\n")
  .map((line) => /^\| (?:[a-z]+: )?`((?:[^`|]|\\\|){10,})` \|/.exec(line)?.[1]?.replaceAll("\\|", "|"))
  .filter((quote): quote is string => quote?.includes(" ") === true);

/** Sentences the programs said. */
const said = new Set<string>();
const log = pino(
  { level: "info" },
  { write: (line: string) => void said.add((JSON.parse(line) as { msg: string }).msg) },
);

const cleanUp = new AsyncDisposableStack();
afterAll(() => cleanUp.disposeAsync());

async function node(options: StartNodeOptions) {
  const started = await startNode({ heartbeatInterval: 1, log, ...options });
  cleanUp.defer(() => started.stop());
  return started;
}

function hub(environment: Record<string, string> = {}): TestHub {
  const started = startTestHub({ environment });
  cleanUp.defer(() => started.stop());
  return started;
}

async function ollama(): Promise<string> {
  const started = await startFakeOllama();
  cleanUp.defer(() => started.stop());
  return started.url;
}

const job = (stream = false) => ({ model: "llama3", prompt: crypto.randomUUID(), stream });

/** Writes down every sentence in the hub's answer: of all attempts, or of the last line of a stream. */
async function hear(response: Response): Promise<void> {
  const last = JSON.parse((await response.text()).trim().split("\n").at(-1) ?? "") as {
    error?: string;
    detail?: string | { errors: { message: string }[] };
  };
  if (last.error) said.add(last.error);
  if (typeof last.detail === "string") said.add(last.detail);
  else for (const { message } of last.detail?.errors ?? []) said.add(message);
}

async function explain({ url }: TestHub): Promise<void> {
  const answer = await fetch(`${url}/explain`, { method: "POST", body: '{"model":"llama3"}' });
  said.add(((await answer.json()) as { summary: string }).summary);
}

/** Waits until the node has `status` and a reason with `words`, writes that down, and asks what it means for a request. */
async function reasonOf(of: TestHub, id: string, status: string, words = ""): Promise<void> {
  const { reason } = await of.nodeThat(id, (each) => each.status === status && each.reason?.includes(words) === true);
  said.add(reason ?? "");
  await explain(of);
}

/** What a hub says to a node of a public address, as which no test can come (hub/access/public_source_test.ts: in a namespace). */
function fromElsewhere(): string {
  const { allowedHosts, allowedOrigins, trustedNetworks } = readHubConfig({});
  const access = judgeAccess(
    {
      source: parseAddress("2001:db8::20"),
      host: "hub:8000",
      browser: { origin: "", fetchSite: "", navigates: false },
      forwarded: null,
      credential: { kind: "none" },
      asked: "node",
    },
    { mode: "open", nodesClosed: false, ownName: "hub", allowedHosts, allowedOrigins, trustedNetworks },
  );
  return access.allowed ? "" : access.sentence;
}

const onTheWayToTheHub = async () => {
  const { url } = hub();
  await node({ serverUrl: "http://127.0.0.1:9" });
  const silent = net.createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  cleanUp.defer(() => void silent.close());
  await node({ serverUrl: `http://127.0.0.1:${(silent.address() as net.AddressInfo).port}` });
  await node({ serverUrl: `${url}/hub` });
  await node({ serverUrl: url.replace("http:", "https:") });
  await (await node({ serverUrl: url, nodeId: "twin" })).joined;
  await (await node({ serverUrl: url, nodeId: "twin" })).joined;
  // Whether a name is unknown, only a name server can tell, and tests may have none.
  const unknown = failureWords(Object.assign(new Error(), { code: "ENOTFOUND" }));
  said.add(`hub not reachable at http://hub:8000 (${unknown}): will keep trying`);
  said.add(`hub http://hub:8000 refuses this node: status 401: ${fromElsewhere()}`);
  await eventually(() => {
    for (const words of ["speak TLS", "no answer in time", "status 404", "status 409"])
      expect([...said].join("\n")).toContain(words);
  });
};

const states = async () => {
  const short = { HEARTBEAT_INTERVAL: "1", HEARTBEAT_TTL_SECONDS: "2", HEARTBEAT_OFFLINE_SECONDS: "60" };
  const empty = hub();
  await explain(empty);

  const without = hub(short);
  const idle = await node({ serverUrl: without.url, nodeId: "without-ollama" });
  await reasonOf(without, "without-ollama", "pending", "Ollama");
  await idle.drain();
  await reasonOf(without, "without-ollama", "offline");

  const deaf = hub({ IP_PREFERENCE: "ipv6-only" });
  await node({ serverUrl: deaf.url, nodeId: "ipv4-only", ollamaUrl: await ollama() });
  await reasonOf(deaf, "ipv4-only", "pending");

  // Its heartbeats come from 127.0.0.1, where it does not listen. At first it is asked to prove that it is there.
  const shut = hub();
  const environment = { NODE_HOST: "127.0.0.9" };
  await node({ serverUrl: shut.url, nodeId: "behind-a-firewall", ollamaUrl: await ollama(), environment });
  await eventually(async () => {
    await reasonOf(shut, "behind-a-firewall", "pending");
    expect([...said].join("\n")).toContain("behind-a-firewall was not found");
  });

  // A node nobody reaches: its heartbeats come, and nothing listens on its port.
  const closed = hub(short);
  const heartbeat = { node_id: "behind-a-router", port: 9009, models: ["llama3:latest"], agent_version: "1", slots: 1 };
  await closed.heartbeat(heartbeat);
  await hear(await closed.job(job()));
  await eventually(async () => {
    await closed.heartbeat(heartbeat);
    expect((await closed.nodes()).get("behind-a-router")?.status).toBe("degraded");
  });
  await reasonOf(closed, "behind-a-router", "degraded");
  await reasonOf(closed, "behind-a-router", "offline");
};

const jobs = async () => {
  const fleet = await startFleet({ nodes: ["a"], ollama: { models: ["mistral:latest", "llama3:latest"] } });
  cleanUp.use(fleet);
  const fails = async (fault: FakeFault, times = 1) => {
    for (let time = 0; time < times; time++) {
      fleet.ollama("a").fault(fault);
      await hear(await fleet.hub.job(job()));
    }
  };
  await fails({ kind: "outOfMemory" });
  await fails({ kind: "runnerCrash" });
  await fails({ kind: "closeBeforeResponse" }, 4);
  await reasonOf(fleet.hub, "a", "degraded");
  // On trial it is only after half a minute.
  const facts = { liveness: "fresh", intent: "serving", ollamaOk: true, dialable: true, unproven: false } as const;
  const trust = afterRestart(afterLoss(newcomer(0), "lost", 0), 0);
  said.add(statusOf({ ...facts, trust, reachable: true }).reason ?? "");

  const other = await startFleet({ nodes: ["b"], ollama: { tokensPerSecond: 5, tokens: 20 } });
  cleanUp.use(other);
  const stream = await other.hub.job(job(true));
  await other.node("b").kill();
  await hear(stream);
  await hear(await fetch(`${other.hub.url}/api/generate`, { method: "POST", body: JSON.stringify(job()) }));

  const gone = await startFleet({ nodes: ["c"], ollama: { models: ["mistral:latest"] } });
  cleanUp.use(gone);
  await explain(gone.hub);
  const generate = () => fetch(`${gone.hub.url}/api/generate`, { method: "POST", body: JSON.stringify(job()) });
  await hear(await generate());
  gone.ollama("c").setModels(["llama3:latest"]);
  await gone.hub.nodeThat("c", ({ models }) => models.includes("llama3:latest"));
  gone.ollama("c").refuse();
  await hear(await gone.hub.job(job()));
  await hear(await generate());
  await explain(gone.hub);

  const environment = { QUEUE_SIZE: "1", QUEUE_TIMEOUT: "0.5" };
  const slow = { tokensPerSecond: 5, tokens: 20 };
  const busy = await startFleet({ nodes: ["d"], slots: 1, ollama: slow, hub: { environment } });
  cleanUp.use(busy);
  await Promise.all(Array.from({ length: 3 }, async () => hear(await busy.hub.job(job(true)))));
};

const ports = async () => {
  const first = listen({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  try {
    listen({ port: first.port ?? 0, hostname: "127.0.0.1", fetch: () => new Response() });
  } catch (error) {
    said.add(error instanceof Error ? error.message : "");
  } finally {
    await first.stop(true);
  }
};

beforeAll(() => Promise.all([onTheWayToTheHub(), states(), jobs(), ports()]), 30_000);

test("the troubleshooting has quotes", () => {
  expect(quotes.length).toBeGreaterThan(20);
});

test.each(quotes.map((quote) => [quote]))("somebody says: %s", (quote) => {
  const pattern = new RegExp(`^${quote.split("…").map(RegExp.escape).join(".+")}$`);
  expect([...said].filter((sentence) => pattern.test(sentence)).length, [...said].join("\n")).toBeGreaterThan(0);
});
