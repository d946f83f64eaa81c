/** Models that run at a cloud service: refused unless the operator allows them, by whatever name and on every route. */

import { expect, test } from "bun:test";
import { zstdCompressSync } from "node:zlib";
import { modelKey } from "../../shared/model_name.ts";
import { jsonResponse, startFakeNode } from "../../shared/testing/fake_node.ts";
import { type Fleet, startFleet } from "../../shared/testing/start_fleet.ts";
import { startTestHub } from "../../shared/testing/start_hub.ts";
import { askFamily, FAMILIES, JOBS } from "../testing/families.ts";

const REFUSAL = "ollama cloud is disabled: remote model is unavailable";
const CLOUD = ["gpt-oss:120b-cloud", "gpt-oss:cloud", "GPT-OSS:120B-Cloud", "nobody-has:cloud"];
const everywhere = [...FAMILIES, JOBS];
const INFERENCE = /generate|chat|embed|show|completions|responses|messages|transcriptions/;

const reached = (fleet: Fleet) => fleet.ollama("a").seen.filter(({ path }) => INFERENCE.test(path));

test("a name that says cloud is refused with 403 in the shape of every family, and reaches no node", async () => {
  await using fleet = await startFleet({ nodes: ["a"], ollama: { models: ["llama3", ...CLOUD.slice(0, 2)] } });
  for (const family of everywhere) {
    for (const model of CLOUD) {
      const answer = await askFamily(fleet.hub.url, family, { model });
      expect([family.path, answer.status, family.errorIn(await answer.json())]).toEqual([family.path, 403, REFUSAL]);
    }
  }
  expect(reached(fleet)).toEqual([]);
  expect((await fleet.hub.logs())[0]).toMatchObject({ status_code: 403, success: false, attempts: [] });
});

test.each<
  [
    what: string,
    path: string,
    headers: Record<string, string>,
    body: (json: string) => string | Uint8Array<ArrayBuffer>,
  ]
>([
  ["something behind the JSON", "/api/generate", {}, (json) => `${json} x`],
  ["a second object", "/api/generate", {}, (json) => `${json}{"model":"llama3"}`],
  ["another case of the field", "/api/generate", {}, (json) => json.replace('"model"', '"MODEL"')],
  ["an innocent model before it", "/api/generate", {}, (json) => json.replace("{", '{"Model":"llama3",')],
  ["the label of a compressed body", "/api/generate", { "content-encoding": "zstd" }, (json) => json],
  ["the label of a form", "/api/chat", { "content-type": "multipart/form-data; boundary=x" }, (json) => json],
  [
    "the label of a form on /v1",
    "/v1/chat/completions",
    { "content-type": "multipart/form-data; boundary=x" },
    (json) => json,
  ],
  [
    "a compressed body",
    "/v1/chat/completions",
    { "content-encoding": "zstd" },
    (json) => new Uint8Array(zstdCompressSync(json)),
  ],
  ["a megabyte of blanks", "/api/generate", {}, (json) => " ".repeat(1_000_000) + json],
  [
    "a request to unload it",
    "/api/generate",
    {},
    (json) => json.replace("{", '{"keep_alive":0,').replace(/"prompt":"x",?/, ""),
  ],
])("a cloud model behind %s does not pass either", async (_, path, headers, body) => {
  await using fleet = await startFleet({ nodes: ["a"], ollama: { models: ["llama3", "gpt-oss:120b-cloud"] } });
  const json = JSON.stringify({ prompt: "x", model: "gpt-oss:120b-cloud", messages: [{ role: "user", content: "x" }] });
  const answer = await fetch(fleet.hub.url + path, { method: "POST", headers, body: body(json) });
  expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining(REFUSAL)]);
  expect(reached(fleet)).toEqual([]);
});

test("a form that names a cloud model is refused", async () => {
  await using fleet = await startFleet({ nodes: ["a"] });
  const form = new FormData();
  form.append("model", "whisper:cloud");
  form.append("model", "llama3");
  form.append("file", new Blob(["x"]), "x.wav");
  const answer = await fetch(`${fleet.hub.url}/v1/audio/transcriptions`, { method: "POST", body: form });
  expect([answer.status, await answer.json()]).toMatchObject([403, { error: { message: REFUSAL } }]);
});

/** A hub with a node whose Ollama says that `mine` runs elsewhere, whatever it is called. */
async function withRemoteModel(environment: Record<string, string> = {}) {
  const node = startFakeNode({
    nodeId: "a",
    onJob: (socket) => void socket.end(jsonResponse({ error: "a teapot" }, 418)),
  });
  const hub = startTestHub({ environment });
  const entry = { name: "mine:latest", digest: "x", size: 1, modified_at: "2026-01-01T00:00:00Z" };
  const tags = [{ ...entry, remote_host: "https://ollama.com", remote_model: "gpt-oss" }];
  await hub.heartbeat({ ...node.heartbeat(["mine:latest"]), tags, capabilities: ["execute", "ollama"] });
  return {
    hub,
    node,
    key: modelKey("mine"),
    [Symbol.asyncDispose]: () => hub.stop().then(() => node[Symbol.dispose]()),
  };
}

test("a model whose entry says that it runs elsewhere is refused, whatever it was renamed to", async () => {
  await using remote = await withRemoteModel();
  for (const family of everywhere) {
    for (const model of ["mine", "MINE:latest", "library/mine"]) {
      const answer = await askFamily(remote.hub.url, family, { model });
      expect([family.path, answer.status, family.errorIn(await answer.json())]).toEqual([family.path, 403, REFUSAL]);
    }
  }
  expect(remote.node.jobs).toBe(0);
});

test("with ALLOW_CLOUD=1 both are passed on", async () => {
  await using remote = await withRemoteModel({ ALLOW_CLOUD: "1" });
  for (const family of everywhere) {
    expect([family.path, (await askFamily(remote.hub.url, family, { model: "mine" })).status]).toEqual([
      family.path,
      418,
    ]);
  }
  expect(remote.node.jobs).toBe(everywhere.length);
  await using fleet = await startFleet({
    nodes: ["a"],
    ollama: { models: ["gpt-oss:120b-cloud"] },
    hub: { environment: { ALLOW_CLOUD: "1" } },
  });
  // The stand-in has its own cloud off: that it is the one to say so shows that the request reached it.
  await askFamily(fleet.hub.url, FAMILIES[0] ?? JOBS, { model: "gpt-oss:120b-cloud" });
  expect(reached(fleet)).toHaveLength(1);
});

test("a model that is only called a little like one is served", async () => {
  await using fleet = await startFleet({ nodes: ["a"], ollama: { models: ["my-cloud:latest", "x:cloud-8b"] } });
  for (const model of ["my-cloud", "x:cloud-8b"]) {
    expect((await fleet.hub.job({ model, prompt: "x", stream: false })).status).toBe(200);
  }
});
