import { afterEach, describe, expect, test } from "bun:test";
import { createFleetFetch } from "../shared/fleet_fetch.ts";
import { startFakeOllama } from "../shared/testing/fake_ollama.ts";
import { createOllamaClient } from "./ollama.ts";
import { onDisk } from "./testing/models.ts";

const toEnd: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0)) await end();
});

describe("createOllamaClient", () => {
  test("reads the version, the models on disk and those in memory", async () => {
    const fake = await startFakeOllama({ version: "0.12.6", models: ["a:1", "b:2"], loaded: ["b:2"] });
    toEnd.push(fake.stop);
    const ollama = createOllamaClient(fake.url, createFleetFetch());
    expect(await ollama.version()).toBe("0.12.6");
    expect((await ollama.tags()).map(({ name }) => name).sort()).toEqual(["a:1", "b:2"]);
    expect((await ollama.ps()).map(({ name }) => name)).toEqual(["b:2"]);
  });

  test("keeps every field of an entry, also those it does not know, and drops entries that are none", async () => {
    const entry = { ...onDisk("a"), details: { family: "llama" }, future: [1] };
    const models = [entry, { name: "" }, { name: "b" }, 3];
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => Response.json({ models }) });
    toEnd.push(() => server.stop(true));
    const ollama = createOllamaClient(`http://127.0.0.1:${server.port}`, createFleetFetch());
    expect(await ollama.tags()).toEqual([entry]);
  });

  test.each([
    ["an error status", () => new Response("no", { status: 500 }), "answered with status 500"],
    ["another program's JSON", () => Response.json({ hello: "world" }), "did not answer as Ollama does"],
    ["a web page", () => new Response("<h1>hello</h1>"), ""],
  ])("%s is no sign of life", async (_name, answer, words) => {
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer });
    toEnd.push(() => server.stop(true));
    const ollama = createOllamaClient(`http://127.0.0.1:${server.port}`, createFleetFetch());
    await expect(ollama.version()).rejects.toThrow(words);
  });

  test("a list of null is an empty list", async () => {
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => Response.json({ models: null }) });
    toEnd.push(() => server.stop(true));
    expect(await createOllamaClient(`http://127.0.0.1:${server.port}`, createFleetFetch()).tags()).toEqual([]);
  });
});
