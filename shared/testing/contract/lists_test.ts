/** The contract of the routes that tell what there is: health, version, tags, ps, show, models (1.1, 1.6-1.8). */
import { expect, test } from "bun:test";
import { bare, headersOf, native, openaiRefusal } from "./answer.ts";
import { onEveryTarget, requestBytes, type Target } from "./target.ts";
import { DIGEST, EXAMPLE, LLAMA, MODIFIED_AT } from "./wire_examples.ts";

const DETAILS =
  '{"parent_model":"","format":"gguf","family":"llama","families":["llama"],"parameter_size":"3.2B","quantization_level":"Q4_K_M"';
const health = { status: "200 OK", headers: { "content-type": "text/plain; charset=utf-8" } };

/** The models of a list, undecoded otherwise. */
async function modelsOf(target: Target, path: "/api/tags" | "/api/ps"): Promise<Record<string, unknown>[]> {
  return JSON.parse((await target.exchange(requestBytes("GET", path))).body).models;
}

onEveryTarget("health", { ollama: EXAMPLE }, (target) => {
  test("the root says that Ollama is running (4.9b)", async () => {
    expect(await target.call("GET", "/")).toEqual({ ...health, body: "Ollama is running" });
    expect(await target.call("HEAD", "/")).toEqual({ ...health, body: "" });
    const cli = { Accept: "application/json", "Content-Type": "application/json", "User-Agent": "ollama/0.33.0" };
    expect(await target.call("HEAD", "/", cli)).toEqual({ ...health, body: "" });
    expect(await target.call("GET", "/", { Accept: "*/*" })).toEqual({ ...health, body: "Ollama is running" });
    const { "content-length": length = "17" } = headersOf(await target.exchange(requestBytes("HEAD", "/")));
    expect(length).toBe("17");
  });

  test("the version is that of Ollama (4.9)", async () => {
    expect(await target.call("GET", "/api/version")).toEqual(native("200 OK", '{"version":"0.33.0"}'));
    expect(await target.call("HEAD", "/api/version")).toEqual(native("200 OK", ""));
  });

  test("the status says that there is no cloud", async () => {
    expect(await target.call("GET", "/api/status")).toEqual(
      native("200 OK", '{"cloud":{"disabled":true,"source":"env"}}'),
    );
  });

  test("there are no recommendations", async () => {
    expect(await target.call("GET", "/api/experimental/model-recommendations")).toEqual(
      native("200 OK", '{"recommendations":[]}'),
    );
  });
});

onEveryTarget("one model", { ollama: { models: [LLAMA] } }, (target) => {
  test("tags describes it (4.7)", async () => {
    expect(await target.call("GET", "/api/tags")).toEqual(
      native(
        "200 OK",
        `{"models":[{"name":"llama3.2:latest","model":"llama3.2:latest","modified_at":"T","size":2019393189,"digest":"${DIGEST}","details":${DETAILS},"context_length":131072,"embedding_length":3072},"capabilities":["completion","tools"]}]}`,
      ),
    );
    const [model] = await modelsOf(target, "/api/tags");
    expect(Date.parse(String(model?.modified_at))).toBe(MODIFIED_AT);
    expect(await target.call("HEAD", "/api/tags")).toEqual(native("200 OK", ""));
  });

  test("ps tells how it is in memory, until for ever if asked (4.8)", async () => {
    const expected = native(
      "200 OK",
      `{"models":[{"name":"llama3.2:latest","model":"llama3.2:latest","size":2019393189,"digest":"${DIGEST}","details":${DETAILS}},"expires_at":"T","size_vram":2019393189,"context_length":4096}]}`,
    );
    expect(await target.call("GET", "/api/ps")).toEqual(expected);
    const minutes = (Date.parse(String((await modelsOf(target, "/api/ps"))[0]?.expires_at)) - Date.now()) / 60_000;
    expect(minutes).toBeGreaterThan(3);
    expect(minutes).toBeLessThan(6);
  });

  test("/v1/models lists it with its tag (4.20)", async () => {
    const entry = '"object":"model","created":1,"owned_by":"library"}';
    expect(await target.call("GET", "/v1/models")).toEqual(
      bare("200 OK", `{"object":"list","data":[{"id":"llama3.2:latest",${entry}]}\n`),
    );
    for (const name of ["llama3.2", "llama3.2:latest", "LLAMA3.2", "llama3.2%3Alatest"]) {
      expect(await target.call("GET", `/v1/models/${name}`)).toEqual(
        bare("200 OK", `{"id":"${decodeURIComponent(name)}",${entry}\n`),
      );
    }
  });

  test("created is the second of its last change", async () => {
    const list = JSON.parse((await target.exchange(requestBytes("GET", "/v1/models"))).body);
    expect(list.data[0].created).toBe(Math.floor(MODIFIED_AT / 1000));
    const one = JSON.parse((await target.exchange(requestBytes("GET", "/v1/models/llama3.2"))).body);
    expect(one.created).toBe(Math.floor(MODIFIED_AT / 1000));
  });

  test("/v1/models/:model of an unknown one is an error object, and a name with a slash no route", async () => {
    const answer = await target.call("GET", "/v1/models/nope");
    const message = JSON.parse(answer.body).error?.message;
    expect(message).toMatch(/^model 'nope(:latest)?' not found$/);
    expect(answer).toEqual(openaiRefusal("404 Not Found", "not_found_error", message));
    for (const path of ["/v1/models/library/llama3.2", "/v1/models/library%2Fllama3.2"]) {
      expect(await target.call("GET", path)).toMatchObject({ status: "404 Not Found", body: "404 page not found" });
    }
  });

  test("show describes it, keys in Ollama's order, brackets escaped (4.23)", async () => {
    const answer = await target.post("/api/show", { model: "llama3.2" });
    expect(answer).toMatchObject({ status: "200 OK", headers: native("", "").headers });
    const shown = JSON.parse(answer.body);
    expect(Object.keys(shown)).toEqual([
      "license",
      "modelfile",
      "parameters",
      "template",
      "details",
      "model_info",
      "tensors",
      "capabilities",
      "modified_at",
    ]);
    expect(answer.body).toContain(`,"details":${DETAILS}},"model_info":{"general.architecture":"llama",`);
    expect(answer.body).toContain('"parameters":"stop                           \\"\\u003c|eot_id|\\u003e\\""');
    expect(answer.body).toContain('"tokenizer.ggml.merges":null,"tokenizer.ggml.tokens":null},"tensors":[{"name":"');
    expect(answer.body).toEndWith(',"capabilities":["completion","tools"],"modified_at":"T"}');
  });

  test("show takes name for model, any case, and what the command line sends", async () => {
    const answer = await target.post("/api/show", { model: "llama3.2" });
    for (const body of [{ name: "llama3.2" }, { model: "", name: "llama3.2" }, { Model: "Llama3.2:LATEST" }]) {
      expect(await target.post("/api/show", body)).toEqual(answer);
    }
    expect(await target.post("/api/show", { model: "llama3.2", verbose: true, unknown: 1 })).toEqual(answer);
  });

  test("show obeys the User-Agent of Copilot", async () => {
    const show = async (agent: string) =>
      JSON.parse((await target.post("/api/show", { model: "llama3.2:latest" }, { "User-Agent": agent })).body)
        .model_info["general.basename"];
    expect(await show("GitHubCopilotChat/0.30")).toBe("llama3.2:latest");
    expect(await show("curl/8.5.0")).toBeUndefined();
  });
});

onEveryTarget("several models", { ollama: { ...EXAMPLE, loaded: ["plain"] } }, (target) => {
  test("tags lists the newest first", async () => {
    expect((await modelsOf(target, "/api/tags")).map(({ name }) => name)).toEqual([
      "llama3.2:latest",
      "all-minilm:latest",
      "qwen3:latest",
      "plain:latest",
    ]);
  });

  test("ps lists only what is in memory", async () => {
    expect((await modelsOf(target, "/api/ps")).map(({ name }) => name)).toEqual(["plain:latest"]);
  });

  test("a model that embeds has the capability alone", async () => {
    const models = await modelsOf(target, "/api/tags");
    expect(models.find(({ name }) => name === "all-minilm:latest")?.capabilities).toEqual(["embedding"]);
  });
});

onEveryTarget("no models", { ollama: { models: [] } }, (target) => {
  test("the lists are empty (4.7b)", async () => {
    expect(await target.call("GET", "/api/tags")).toEqual(native("200 OK", '{"models":[]}'));
    expect(await target.call("GET", "/api/ps")).toEqual(native("200 OK", '{"models":[]}'));
  });

  test("/v1/models has null for data; the hub has an empty list, which more clients understand (4.20b)", async () => {
    const data = target.viaHub ? "[]" : "null";
    expect(await target.call("GET", "/v1/models")).toEqual(bare("200 OK", `{"object":"list","data":${data}}\n`));
  });

  test("no model is found", async () => {
    expect(await target.post("/api/show", { model: "llama3.2" })).toEqual(
      native("404 Not Found", `{"error":"model 'llama3.2:latest' not found"}`),
    );
    expect(await target.post("/api/chat", { model: "llama3.2", messages: [] })).toEqual(
      native("404 Not Found", `{"error":"model 'llama3.2' not found"}`),
    );
  });

  test("health and version are as ever", async () => {
    expect(await target.call("GET", "/")).toEqual({ ...health, body: "Ollama is running" });
    expect(await target.call("GET", "/api/version")).toEqual(native("200 OK", '{"version":"0.33.0"}'));
  });
});
