/** The contract with two nodes behind the hub: one Ollama with the models of both (reference 5.1, 5.2). */
import { expect, test } from "bun:test";
import { postBytes } from "../fake_ollama_wire.ts";
import { eventually } from "../start_hub.ts";
import { empty, headersOf, native, refusal } from "./answer.ts";
import { bodyBytes, requestBytes, type Target, throughTheHub } from "./target.ts";
import { EXAMPLE, LLAMA, MESSAGES, MODIFIED_AT, PROMPT } from "./wire_examples.ts";

const OPTIONS = {
  ollama: EXAMPLE,
  nodes: ["a", "b"],
  ollamas: {
    a: {
      models: [
        { name: "only-a", modifiedAt: MODIFIED_AT - 5000 },
        { ...LLAMA, modifiedAt: MODIFIED_AT - 9000 },
      ],
      version: "0.32.1",
    },
    b: { models: [LLAMA, { name: "only-b", modifiedAt: MODIFIED_AT - 1000 }] },
  },
};

interface Row {
  name: string;
  modified_at: string;
  digest: string;
}

async function rows(target: Target, path: string): Promise<Row[]> {
  return JSON.parse((await target.exchange(requestBytes("GET", path))).body).models;
}

/** Waits until exactly these models are listed, in any order. */
function lists(target: Target, ...names: string[]): Promise<void> {
  return eventually(async () => {
    expect((await rows(target, "/api/tags")).map(({ name }) => name).toSorted()).toEqual(names.toSorted());
  });
}

throughTheHub("the models of two nodes", OPTIONS, (target) => {
  test("tags lists every model once, newest first, with the newest date", async () => {
    const models = await rows(target, "/api/tags");
    expect(models.map(({ name }) => name)).toEqual(["llama3.2:latest", "only-b:latest", "only-a:latest"]);
    expect(Date.parse(models[0]?.modified_at ?? "")).toBe(MODIFIED_AT);
    for (const { digest } of models) expect(digest).toMatch(/^[0-9a-f]{64}$/);
  });

  test("/v1/models lists every model once, in the same order", async () => {
    const { data } = JSON.parse((await target.exchange(requestBytes("GET", "/v1/models"))).body);
    expect(data.map(({ id }: { id: string }) => id)).toEqual(["llama3.2:latest", "only-b:latest", "only-a:latest"]);
    expect(data[0].created).toBe(Math.floor(MODIFIED_AT / 1000));
  });

  test("ps lists every model in memory once, latest end first", async () => {
    const models = await rows(target, "/api/ps");
    expect(models.map(({ name }) => name).toSorted()).toEqual(["llama3.2:latest", "only-a:latest", "only-b:latest"]);
    const ends = models.map((model) => Date.parse((model as unknown as { expires_at: string }).expires_at));
    expect(ends).toEqual(ends.toSorted((left, right) => right - left));
  });

  test("the version is the lowest", async () => {
    expect(await target.call("GET", "/api/version")).toEqual(native("200 OK", '{"version":"0.32.1"}'));
  });

  for (const node of ["a", "b"]) {
    test(`what only ${node} has is served and described by ${node}`, async () => {
      const body = { model: `only-${node}`, messages: MESSAGES, prompt: PROMPT, input: "x" };
      for (const path of ["/api/chat", "/api/generate", "/v1/chat/completions", "/v1/responses"]) {
        const wire = await target.exchange(postBytes(path, body));
        expect([path, wire.head.slice(9, 15)]).toEqual([path, "200 OK"]);
        expect(headersOf(wire)["x-node-id"]).toBe(node);
      }
      expect((await target.post("/api/show", { model: `only-${node}` })).status).toBe("200 OK");
      expect((await target.call("GET", `/v1/models/only-${node}`)).status).toBe("200 OK");
    });
  }

  test("what nobody has is not found", async () => {
    expect(await target.post("/api/chat", { model: "nope", messages: MESSAGES })).toEqual(
      refusal("404 Not Found", "model 'nope' not found"),
    );
    expect(await target.post("/api/show", { model: "nope" })).toEqual(
      refusal("404 Not Found", "model 'nope:latest' not found"),
    );
  });
});

throughTheHub("changes on two nodes", { ...OPTIONS, fresh: true }, (target) => {
  test("an unload reaches every node that has the model in memory", async () => {
    const answer = await target.post("/api/generate", { model: "llama3.2", keep_alive: 0 });
    expect(answer.body).toContain('"done_reason":"unload"');
    await eventually(async () => {
      expect((await rows(target, "/api/ps")).map(({ name }) => name).toSorted()).toEqual([
        "only-a:latest",
        "only-b:latest",
      ]);
    });
  });

  test("a delete takes the model off every node that has it", async () => {
    const remove = (model: string) => target.send(bodyBytes("DELETE", "/api/delete", { model }));
    expect(await remove("llama3.2")).toEqual(empty("200 OK"));
    await lists(target, "only-a:latest", "only-b:latest");
    expect(await remove("only-b")).toEqual(empty("200 OK"));
    await lists(target, "only-a:latest");
    expect(await remove("only-b")).toEqual(refusal("404 Not Found", "model 'only-b' not found"));
  });

  test("a copy is made where the source is", async () => {
    const copy = (source: string, destination: string) => target.post("/api/copy", { source, destination });
    expect(await copy("only-a", "twin")).toEqual(empty("200 OK"));
    await lists(target, "llama3.2:latest", "only-a:latest", "only-b:latest", "twin:latest");
    expect(await copy("nope", "x")).toEqual(refusal("404 Not Found", 'model "nope" not found'));
  });

  test("a pull starts once and succeeds once, last", async () => {
    const lines = (await target.post("/api/pull", { model: "qwen3" })).body.split("\n");
    expect(lines[0]).toBe('{"status":"pulling manifest"}');
    expect(lines.slice(-2)).toEqual(['{"status":"success"}', ""]);
    for (const status of ["pulling manifest", "verifying sha256 digest", "writing manifest", "success"]) {
      expect(lines.filter((line) => line === `{"status":"${status}"}`)).toHaveLength(1);
    }
    const completed = lines.flatMap((line) => /"completed":(\d+)/.exec(line)?.[1] ?? []).map(Number);
    expect(completed).toEqual(completed.toSorted((left, right) => left - right));
    await lists(target, "llama3.2:latest", "only-a:latest", "only-b:latest", "qwen3:latest");
  });

  test("a blob is there once it is everywhere it has to be, and a model can be made of it", async () => {
    const digest = `sha256:${new Bun.CryptoHasher("sha256").update("GGUF").digest("hex")}`;
    expect(await target.call("HEAD", `/api/blobs/${digest}`)).toEqual(empty("404 Not Found"));
    expect(await target.post(`/api/blobs/${digest}`, "GGUF")).toEqual(empty("201 Created"));
    expect(await target.call("HEAD", `/api/blobs/${digest}`)).toEqual(empty("200 OK"));
    expect(await target.post(`/api/blobs/${digest}`, "GGUF")).toEqual(empty("200 OK"));
    const made = await target.post("/api/create", { model: "mine", files: { "m.gguf": digest } });
    expect(made.body).toEndWith('{"status":"writing manifest"}\n{"status":"success"}\n');
    await lists(target, "llama3.2:latest", "mine:latest", "only-a:latest", "only-b:latest");
  });
});
