/** TLS between hub, nodes and callers, over real sockets: pinned by the node's own word, renewed while it works. */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createFleetFetch } from "../../shared/fleet_fetch.ts";
import { silentLogger } from "../../shared/log.ts";
import {
  HUB_CERTIFICATE,
  NODE_CERTIFICATE,
  OTHER_CERTIFICATE,
  type TestCertificate,
} from "../../shared/testing/certificates.ts";
import { startFakeOllama } from "../../shared/testing/fake_ollama.ts";
import { runProgram } from "../../shared/testing/programs.ts";
import { eventually } from "../../shared/testing/start_hub.ts";
import { startNode } from "../../shared/testing/start_node.ts";
import { emptyStateFolder, stateFolderForTest } from "../../shared/testing/state_folder.ts";
import { readHubConfig } from "../config.ts";
import { startHub } from "../hub.ts";

const toEnd: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0).reverse()) await end();
});

/** Writes `certificate` to files, and gives the variables that name them. */
function filesOf({ cert, key }: TestCertificate, folder = emptyStateFolder()) {
  mkdirSync(folder, { recursive: true });
  const variables = { TLS_CERT: join(folder, "cert.pem"), TLS_KEY: join(folder, "key.pem") };
  writeFileSync(variables.TLS_CERT, cert);
  writeFileSync(variables.TLS_KEY, key);
  return { folder, variables };
}

/** A hub that speaks https, and how its callers ask it. */
function secureHub(more: Record<string, string> = {}) {
  const { variables, folder } = filesOf(HUB_CERTIFICATE);
  const environment = { PORT: "0", HUB_HOST: "127.0.0.1", STATE_DIR: stateFolderForTest(), ...variables, ...more };
  const hub = startHub(readHubConfig(environment), { log: silentLogger });
  toEnd.push(hub.stop);
  const url = `https://127.0.0.1:${hub.server.port}`;
  const client = createFleetFetch({ authority: HUB_CERTIFICATE.cert });
  const ask = (path: string, body?: unknown) =>
    client(url + path, {
      signal: AbortSignal.timeout(5_000),
      fresh: true,
      ...(body === undefined ? {} : { method: "POST" as const, body: JSON.stringify(body) }),
    });
  return { hub, url, ask, caFile: variables.TLS_CERT, folder };
}

const BODY = { model: "llama3", prompt: "why", options: { num_predict: 3 }, stream: false };

const BROKEN = "-----BEGIN CERTIFICATE-----\nMIIBbroken\n-----END CERTIFICATE-----\n";

/** What the hub at `ask` says of node a, once it is online. */
const online = (ask: (path: string) => Promise<Response>) =>
  eventually(async () => {
    const node = (await (await ask("/nodes/a")).json()) as { status: string; models: string[] };
    if (node.status !== "online" || node.models.length === 0) throw new Error(JSON.stringify(node));
    return node;
  });

describe("with TLS on both", () => {
  test("prompts go to the node over https, to its own certificate only, also when that was renewed", async () => {
    const ollama = await startFakeOllama({ models: ["llama3:latest"] });
    toEnd.push(ollama.stop);
    const { url, ask, caFile } = secureHub();
    const { variables, folder } = filesOf(NODE_CERTIFICATE);
    const environment = { ...variables, HUB_CA: caFile, SERVER_URL: url };
    await using node = await runProgram("node", "source", {
      NODE_ID: "a",
      NODE_PORT: "0",
      OLLAMA_BASE_URL: ollama.url,
      ADVERTISE_IPV4: "127.0.0.1",
      ADVERTISE_IPV6: "none",
      ...environment,
    });
    await online(ask);
    expect((await ask("/jobs", BODY)).status).toBe(200);
    expect((await ask("/api/tags")).status).toBe(200);
    const plain = fetch(`http://127.0.0.1:${node.port}/health`).then(({ status }) => status);
    expect(await plain.catch(() => "no http")).not.toBe(200);

    filesOf(OTHER_CERTIFICATE, folder);
    process.kill(node.pid, "SIGHUP");
    await eventually(() => expect(node.lines.join("\n")).toContain("the certificate was read anew"));
    await eventually(async () => {
      const answer = await createFleetFetch()(`https://127.0.0.1:${node.port}/health`, {
        cert: OTHER_CERTIFICATE.cert,
        fresh: true,
        signal: AbortSignal.timeout(1_000),
      });
      expect(answer.status).toBe(200);
    });
    await eventually(async () => expect((await ask("/jobs", BODY)).status).toBe(200));
  });

  test("a node's certificate may be renewed twice within a second", async () => {
    const ollama = await startFakeOllama({ models: ["llama3:latest"] });
    const { url, ask, caFile } = secureHub();
    const { variables, folder } = filesOf(NODE_CERTIFICATE);
    const environment = { ...variables, HUB_CA: caFile };
    const node = await startNode({ nodeId: "a", serverUrl: url, ollamaUrl: ollama.url, environment });
    toEnd.push(ollama.stop, node.stop);
    await online(ask);
    expect((await ask("/jobs", BODY)).status).toBe(200);
    for (const renewed of [OTHER_CERTIFICATE, HUB_CERTIFICATE]) {
      filesOf(renewed, folder);
      node.reload();
      await Bun.sleep(100);
    }
    await eventually(async () => expect((await ask("/jobs", BODY)).status).toBe(200));
  });

  test("a node that does not know the hub's certificate does not speak to it", async () => {
    const { url, hub } = secureHub();
    const node = await startNode({ nodeId: "a", serverUrl: url });
    toEnd.push(node.stop);
    await Bun.sleep(300);
    expect([...hub.registry.all()]).toEqual([]);
  });

  test("a renewed certificate of the hub serves new connections, and one that is broken changes nothing", async () => {
    const { hub, ask, folder } = secureHub();
    expect((await ask("/healthz")).status).toBe(200);
    writeFileSync(join(folder, "cert.pem"), "broken");
    hub.reload?.();
    expect((await ask("/healthz")).status).toBe(200);
    filesOf(OTHER_CERTIFICATE, folder);
    hub.reload?.();
    await expect(ask("/healthz")).rejects.toThrow();
    const renewed = createFleetFetch({ authority: OTHER_CERTIFICATE.cert });
    const answer = await renewed(`https://127.0.0.1:${hub.server.port}/healthz`, {
      fresh: true,
      signal: AbortSignal.timeout(5_000),
    });
    expect(answer.status).toBe(200);
  });

  test.each([
    ["broken in its second certificate", `${HUB_CERTIFICATE.cert}${BROKEN}`],
    ["cut off in its second certificate", `${HUB_CERTIFICATE.cert}${HUB_CERTIFICATE.cert.slice(0, 200)}`],
  ])("a chain that is %s leaves the certificate as it was, and a whole one is taken", async (_, chain) => {
    const { hub, ask, folder } = secureHub();
    writeFileSync(join(folder, "cert.pem"), chain);
    hub.reload?.();
    expect((await ask("/healthz")).status).toBe(200);
    writeFileSync(join(folder, "cert.pem"), HUB_CERTIFICATE.cert + OTHER_CERTIFICATE.cert);
    hub.reload?.();
    expect((await ask("/healthz")).status).toBe(200);
  });

  test("TLS_CLIENT_CA lets in only who shows a certificate of it", async () => {
    const ca = filesOf(NODE_CERTIFICATE);
    const { url, ask } = secureHub({ TLS_CLIENT_CA: ca.variables.TLS_CERT });
    await expect(ask("/healthz")).rejects.toThrow();
    const shown = (certificate: TestCertificate) =>
      createFleetFetch({ authority: HUB_CERTIFICATE.cert, ownCert: () => certificate })(`${url}/healthz`, {
        fresh: true,
        signal: AbortSignal.timeout(5_000),
      });
    expect((await shown(NODE_CERTIFICATE)).status).toBe(200);
    await expect(shown(OTHER_CERTIFICATE)).rejects.toThrow();
  });
});

test.each([
  [{ TLS_CERT: "/nowhere/cert.pem" }, "TLS_CERT is set alone"],
  [{ TLS_KEY: "/nowhere/key.pem" }, "TLS_KEY is set alone"],
  [{ TLS_CLIENT_CA: "/nowhere/ca.pem" }, "TLS_CLIENT_CA is set without TLS_CERT"],
])("%p cannot work", (environment, words) => {
  expect(() => readHubConfig(environment)).toThrow(words);
});

test("files that do not fit are named when the hub starts", () => {
  const start = (environment: Record<string, string>) =>
    startHub(readHubConfig({ PORT: "0", HUB_HOST: "127.0.0.1", STATE_DIR: stateFolderForTest(), ...environment }), {
      log: silentLogger,
    });
  const { variables } = filesOf({ cert: HUB_CERTIFICATE.cert, key: NODE_CERTIFICATE.key });
  expect(() => start(variables)).toThrow("is not the key of the certificate");
  const chain = filesOf({ ...HUB_CERTIFICATE, cert: HUB_CERTIFICATE.cert + BROKEN });
  expect(() => start(chain.variables)).toThrow("certificate 2 in it is broken");
  expect(() => start({ TLS_CERT: "/nowhere/cert.pem", TLS_KEY: "/nowhere/key.pem" })).toThrow(
    "TLS_CERT=/nowhere/cert.pem cannot be read",
  );
});
