/** What must hold on every family of routes: errors in its shape, failover before the first byte, what the log keeps. */
import { expect, test } from "bun:test";
import { zstdCompressSync } from "node:zlib";
import { startFleet } from "../../shared/testing/start_fleet.ts";
import { askFamily, FAMILIES, type Family, GENERATING, JOBS } from "../testing/families.ts";

const EMBEDDING = { name: "embed", embedding: true };
const MODELS = { models: ["llama3", EMBEDDING] };
const modelOf = ({ path }: Family) => (path.includes("embed") ? "embed" : "llama3");

/** In memory on `a` only, so that of two idle nodes `a` is asked first. */
const A_FIRST = { ollama: { ...MODELS, loaded: [] }, ollamas: { a: { ...MODELS, loaded: ["llama3", "embed"] } } };

const NOT_FOUND: Readonly<Record<string, string>> = {
  "/api/embed": 'model "nope" not found, try pulling it first',
  "/api/embeddings": 'model "nope" not found, try pulling it first',
  "/v1/embeddings": 'model "nope" not found, try pulling it first',
  "/api/show": "model 'nope:latest' not found",
};

test("a model that no node has is refused in the words of each route, and no node is asked for an answer", async () => {
  await using fleet = await startFleet();
  for (const family of FAMILIES) {
    const answer = await askFamily(fleet.hub.url, family, { model: "nope" });
    const said = [family.path, answer.status, family.errorIn(await answer.json()), answer.headers.get("x-attempts")];
    expect(said).toEqual([family.path, 404, NOT_FOUND[family.path] ?? "model 'nope' not found", "0"]);
  }
  const jobs = await askFamily(fleet.hub.url, JOBS, { model: "nope" });
  expect([jobs.status, await jobs.json()]).toEqual([503, { detail: "No healthy nodes available for requested model" }]);
  expect(fleet.ollama("a").counters.executions + fleet.ollama("b").counters.executions).toBe(0);
});

test("a body that is too large is refused with 413 in the shape of each family, with a length or in chunks", async () => {
  await using fleet = await startFleet({ nodes: ["a"], hub: { environment: { MAX_BODY_MB: "1" } } });
  const large = new Uint8Array(1_500_000).fill(65);
  for (const family of [...FAMILIES, JOBS]) {
    for (const body of [large, new Blob([large]).stream()]) {
      const answer = await fetch(fleet.hub.url + family.path, { method: "POST", body });
      expect([family.path, answer.status]).toEqual([family.path, 413]);
      expect(family.errorIn(await answer.json())).toBe("The body is larger than 1 MB (MAX_BODY_MB)");
    }
  }
  expect(
    fleet
      .ollama("a")
      .seen.filter(({ path }) => path !== "/api/tags" && /api|v1/.test(path) && !/ps|version/.test(path)),
  ).toEqual([]);
  const logged = await fleet.hub.logs();
  expect(new Set(logged.map(({ status_code }) => status_code))).toEqual(new Set([413]));
});

test.each(["status 500", "reset", "switched off"])(
  "every family survives a first node with %s before the first byte, streamed and whole",
  async (fault) => {
    for (const family of [...FAMILIES.filter(({ path }) => path !== "/api/show"), JOBS]) {
      for (const stream of family.path.includes("embed") ? [false] : [false, true]) {
        // Each time another one: a node that has failed is not asked first again, and retries have a budget.
        await using fleet = await startFleet(A_FIRST);
        if (fault === "switched off") await fleet.node("a").kill();
        if (fault === "status 500") fleet.ollama("a").fault({ kind: "status", status: 500 });
        if (fault === "reset") fleet.ollama("a").fault({ kind: "resetBeforeResponse" });
        const answer = await askFamily(fleet.hub.url, family, { model: modelOf(family), more: { stream } });
        const { status, headers } = answer;
        expect([family.path, stream, status, headers.get("x-node-id"), headers.get("x-attempts")]).toEqual([
          family.path,
          stream,
          200,
          "b",
          "2",
        ]);
        expect((await answer.bytes()).length).toBeGreaterThan(20);
      }
    }
  },
);

test("a request that says nothing of a model gets Ollama's own words, in the shape of its family", async () => {
  await using fleet = await startFleet({ nodes: ["a"], ollama: MODELS });
  for (const family of FAMILIES) {
    for (const more of [
      { model: undefined },
      { model: "a//b" },
      { model: 7 },
      { model: { toString: 1 } },
      { model: "\ud800" },
    ]) {
      const hubs = await askFamily(fleet.hub.url, family, { more });
      const direct = await askFamily(fleet.ollama("a").url, family, { more });
      const [said, words] = [family.errorIn(await hubs.json()), family.errorIn(await direct.json())];
      expect([family.path, hubs.status, said]).toEqual([family.path, direct.status, words]);
      expect(said).toBeString();
    }
  }
  expect((await fleet.hub.nodes()).get("a")).toMatchObject({ failure_count: 0, status: "online" });
  expect((await fleet.hub.job({ model: "llama3", prompt: "x", stream: false })).status).toBe(200);
});

test("a name in place of the model does not make the fleet forget that it has the model", async () => {
  await using fleet = await startFleet();
  for (const family of GENERATING)
    await askFamily(fleet.hub.url, family, { more: { model: undefined, name: "llama3" } });
  const answer = await fleet.hub.job({ model: "llama3", prompt: "x", stream: false });
  expect(answer.status).toBe(200);
});

test("names that are no names, of any length, harm no node", async () => {
  await using fleet = await startFleet({ nodes: ["a"] });
  const names = [
    "a".repeat(1_000_000),
    `${" ".repeat(100_000)}llama3`,
    `${"x".repeat(100_000)}://registry.ollama.ai/library/llama3`,
  ];
  for (const family of GENERATING) {
    for (const [index, model] of names.entries()) {
      const answer = await askFamily(fleet.hub.url, family, { model });
      expect([family.path, index, answer.status]).toEqual([family.path, index, index === 0 ? 400 : 200]);
      await answer.body?.cancel();
    }
  }
  expect((await fleet.hub.nodes()).get("a")).toMatchObject({ failure_count: 0, status: "online" });
  for (const { model } of await fleet.hub.logs()) expect(model?.length).toBeLessThan(600);
});

test("nesting beyond all sense is Ollama's matter", async () => {
  await using fleet = await startFleet({ nodes: ["a"] });
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  const body = `{"model":"llama3","stream":false,"messages":[{"role":"user","content":${deep}}]}`;
  for (const path of ["/api/chat", "/v1/chat/completions"]) {
    expect((await fetch(fleet.hub.url + path, { method: "POST", body })).status).toBeLessThan(500);
  }
});

test("LOG_PROMPTS=0 keeps what was asked out of the log, on every family", async () => {
  await using fleet = await startFleet({ nodes: ["a"], ollama: MODELS, hub: { environment: { LOG_PROMPTS: "0" } } });
  for (const family of [...FAMILIES, JOBS]) {
    const answer = await askFamily(fleet.hub.url, family, { model: modelOf(family) });
    expect([family.path, answer.status]).toEqual([family.path, 200]);
    await answer.text();
  }
  const logged = await fleet.hub.logs();
  expect(logged).toHaveLength(FAMILIES.length + 1);
  for (const record of logged) {
    expect(JSON.stringify(record)).not.toContain("secret");
    expect(record.request_json).toMatchObject({ model: expect.stringMatching(/llama3|embed/) });
  }
});

test("by default the log has what was asked", async () => {
  await using fleet = await startFleet({ nodes: ["a"], ollama: MODELS });
  for (const family of [...FAMILIES, JOBS])
    await (await askFamily(fleet.hub.url, family, { model: modelOf(family) })).text();
  const kept = (await fleet.hub.logs()).filter((record) => JSON.stringify(record.request_json).includes("secret"));
  expect(kept).toHaveLength(FAMILIES.length);
});

test("a compressed body on /v1 is routed by what is in it and reaches Ollama as it came", async () => {
  await using fleet = await startFleet({ ollamas: { a: { models: ["other"] }, b: { models: ["llama3"] } } });
  for (const { path, body } of GENERATING.filter((family) => family.path.startsWith("/v1/"))) {
    const compressed = zstdCompressSync(JSON.stringify({ model: "llama3", ...body }));
    const answer = await fetch(fleet.hub.url + path, {
      method: "POST",
      headers: { "Content-Encoding": "zstd" },
      body: compressed,
    });
    expect([path, answer.status, answer.headers.get("x-node-id")]).toEqual([path, 200, "b"]);
    await answer.text();
  }
  expect((await fleet.hub.logs())[0]).toMatchObject({ model: "llama3" });
});

test("a transcription is routed by the model in its form", async () => {
  await using fleet = await startFleet({ ollamas: { a: { models: ["other"] }, b: { models: ["llama3"] } } });
  const send = (model: string) => {
    const form = new FormData();
    form.append("file", new Blob([new Uint8Array(100_000)]), "speech.wav");
    form.append("model", model);
    return fetch(`${fleet.hub.url}/v1/audio/transcriptions`, { method: "POST", body: form });
  };
  for (const [model, node] of [
    ["llama3", "b"],
    ["other", "a"],
  ] as const) {
    const answer = await send(model);
    expect([answer.status, answer.headers.get("x-node-id")]).toEqual([200, node]);
    expect(await answer.json()).toEqual({ text: expect.any(String) });
  }
  const unknown = await send("nope");
  expect([unknown.status, await unknown.json()]).toMatchObject([
    404,
    { error: { message: "model 'nope' not found", type: "not_found_error" } },
  ]);
});

test("a query goes with the request to Ollama, and to the right route", async () => {
  await using fleet = await startFleet({ nodes: ["a"], ollama: MODELS });
  for (const { path, body } of FAMILIES) {
    const answer = await fetch(`${fleet.hub.url}${path}?ts=17&x=%2F..%2F`, {
      method: "POST",
      body: JSON.stringify({ model: modelOf({ path } as Family), ...body }),
    });
    expect([path, answer.status]).toEqual([path, 200]);
    await answer.text();
  }
  const seen = fleet.ollama("a").seen.filter(({ path }) => FAMILIES.some((family) => path.startsWith(family.path)));
  expect(seen.length).toBeGreaterThanOrEqual(FAMILIES.length);
});
