/** The contract of the routes that change what there is: pull, push, create, copy, delete, blobs (1.9-1.12). */
import { expect, test } from "bun:test";
import { eventually } from "../start_hub.ts";
import { type Answer, bare, empty, ndjson, refusal } from "./answer.ts";
import { bodyBytes, chunkedBytes, onEveryTarget, type Target } from "./target.ts";
import { LLAMA } from "./wire_examples.ts";

const OPTIONS = { ollama: { models: [LLAMA], registry: ["qwen3:8b"] }, fresh: true };
const BAD_REQUEST = "400 Bad Request";
const SUCCESS = '{"status":"success"}';
const done = bare("200 OK", SUCCESS);
const NOT_IN_REGISTRY = '{"error":"pull model manifest: file does not exist"}';

const sha256 = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest("hex");
const remove = (target: Target, body: unknown) => target.send(bodyBytes("DELETE", "/api/delete", body));

/** Waits until exactly these models are listed, in any order. */
function lists(target: Target, ...names: string[]): Promise<void> {
  return eventually(async () => {
    const { models } = JSON.parse((await target.call("GET", "/api/tags")).body) as { models: { name: string }[] };
    expect(models.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
  });
}

function linesOf(answer: Answer): string[] {
  expect(answer).toMatchObject({ status: "200 OK", headers: { "content-type": "application/x-ndjson" } });
  expect(answer.body).toEndWith("\n");
  return answer.body.slice(0, -1).split("\n");
}

/** Lines of one layer; the first without `completed`, the last complete, none going back. */
function expectLayer(lines: readonly string[], verb: string): void {
  const [first = "", last = ""] = [lines[0], lines.at(-1)];
  expect(first).toMatch(
    new RegExp(`^\\{"status":"${verb} ([0-9a-f]{12})","digest":"sha256:\\1[0-9a-f]{52}","total":\\d+\\}$`),
  );
  const total = /"total":(\d+)\}$/.exec(first)?.[1];
  const counted = lines.slice(1).map((line) => {
    expect(line).toStartWith(`${first.slice(0, -1)},"completed":`);
    return Number(/"completed":(\d+)\}$/.exec(line)?.[1]);
  });
  expect(counted).toEqual(counted.toSorted((left, right) => left - right));
  expect(last).toEndWith(`,"completed":${total}}`);
}

onEveryTarget("pull", OPTIONS, (target) => {
  test("a pull tells its layers, ends with one success, and the model is there (4.21)", async () => {
    const lines = linesOf(await target.post("/api/pull", { model: "qwen3:8b", username: "", password: "" }));
    expect(lines[0]).toBe('{"status":"pulling manifest"}');
    expectLayer(lines.slice(1, -3), "pulling");
    expect(lines.slice(-3)).toEqual(['{"status":"verifying sha256 digest"}', '{"status":"writing manifest"}', SUCCESS]);
    await lists(target, "llama3.2:latest", "qwen3:8b");
  });

  test("a pull of what is there has one line for its layer", async () => {
    const digest = sha256("layer of llama3.2");
    const layer = `{"status":"pulling ${digest.slice(0, 12)}","digest":"sha256:${digest}","total":2019393189,"completed":2019393189}`;
    expect(await target.post("/api/pull", { name: "llama3.2" })).toEqual(
      ndjson(
        '{"status":"pulling manifest"}',
        layer,
        '{"status":"verifying sha256 digest"}',
        '{"status":"writing manifest"}',
        SUCCESS,
      ),
    );
  });

  test("a pull of what the registry lacks is 200 with an error line, or 500 (4.21b, 4.21c)", async () => {
    const streamed = ndjson('{"status":"pulling manifest"}', NOT_IN_REGISTRY);
    expect(await target.post("/api/pull", { model: "nope" })).toEqual(streamed);
    expect(await target.post("/api/pull", { model: "", name: "nope", stream: true })).toEqual(streamed);
    const whole = bare("500 Internal Server Error", NOT_IN_REGISTRY);
    expect(await target.post("/api/pull", { model: "nope", stream: false })).toEqual(whole);
    await lists(target, "llama3.2:latest");
  });

  test("a pull without a stream says success (4.21d)", async () => {
    expect(await target.post("/api/pull", { model: "qwen3:8b", stream: false })).toEqual(done);
    await lists(target, "llama3.2:latest", "qwen3:8b");
  });

  test("a pull of no name or a malformed one is refused", async () => {
    for (const body of [{}, { model: "" }, { model: "a//b" }, { name: ":x" }]) {
      expect(await target.post("/api/pull", body)).toEqual(refusal(BAD_REQUEST, "invalid model name"));
    }
    expect(await target.post("/api/pull", "{")).toEqual(refusal(BAD_REQUEST, "unexpected EOF"));
  });
});

onEveryTarget("push", OPTIONS, (target) => {
  test("a push tells its layers and ends with one success", async () => {
    for (const body of [{ model: "llama3.2" }, { name: "llama3.2", insecure: false }]) {
      const lines = linesOf(await target.post("/api/push", body));
      expect(lines[0]).toBe('{"status":"retrieving manifest"}');
      expectLayer(lines.slice(1, -2), "pushing");
      expect(lines.slice(-2)).toEqual(['{"status":"pushing manifest"}', SUCCESS]);
    }
    expect(await target.post("/api/push", { model: "llama3.2", stream: false })).toEqual(done);
  });

  test("a push of what is not there is 200 with an error line", async () => {
    const lines = linesOf(await target.post("/api/push", { model: "nope" }));
    expect(lines.slice(0, -1)).toEqual([
      '{"status":"retrieving manifest"}',
      '{"status":"couldn\'t retrieve manifest"}',
    ]);
    expect(Object.keys(JSON.parse(lines[2] ?? ""))).toEqual(["error"]);
    expect(lines[2]).toMatch(/file does not exist|no such file/);
    const whole = await target.post("/api/push", { model: "nope", stream: false });
    expect(whole).toEqual(bare("500 Internal Server Error", lines[2] ?? ""));
  });

  test("a push without a name is refused", async () => {
    expect(await target.post("/api/push", {})).toEqual(refusal(BAD_REQUEST, "model is required"));
  });
});

onEveryTarget("create", OPTIONS, (target) => {
  const layerLine = (digest: string) => `{"status":"using existing layer sha256:${digest}"}`;
  const NEW_LAYER = expect.stringMatching(/^\{"status":"creating new layer sha256:[0-9a-f]{64}"\}$/);
  const LAST = ['{"status":"writing manifest"}', SUCCESS];

  test("a model is made from another one", async () => {
    const lines = linesOf(await target.post("/api/create", { model: "mine", from: "llama3.2", system: "Be kind." }));
    expect(lines).toEqual([layerLine(sha256("layer of llama3.2:latest")), NEW_LAYER, ...LAST]);
    await lists(target, "llama3.2:latest", "mine:latest");
    expect(await target.post("/api/create", { name: "own", from: "llama3.2", stream: false })).toEqual(done);
    await lists(target, "llama3.2:latest", "mine:latest", "own:latest");
  });

  test("a model is made from a file that was uploaded (4.22)", async () => {
    const digest = `sha256:${sha256("GGUF")}`;
    expect(await target.post(`/api/blobs/${digest}`, "GGUF")).toEqual(empty("201 Created"));
    const lines = linesOf(await target.post("/api/create", { model: "mine", files: { "m.gguf": digest } }));
    expect(lines).toEqual(['{"status":"parsing GGUF"}', layerLine(sha256("GGUF")), NEW_LAYER, ...LAST]);
    await lists(target, "llama3.2:latest", "mine:latest");
  });

  test("what it is made from is pulled when it is missing", async () => {
    const lines = linesOf(await target.post("/api/create", { model: "mine", from: "qwen3:8b" }));
    expect(lines[0]).toBe('{"status":"pulling manifest"}');
    expect(lines.filter((line) => line === SUCCESS)).toEqual([SUCCESS]);
    expect(lines.at(-1)).toBe(SUCCESS);
    await lists(target, "llama3.2:latest", "mine:latest", "qwen3:8b");
  });

  test("what cannot be made is refused before the first line", async () => {
    const digest = `sha256:${"0".repeat(64)}`;
    for (const [body, error] of [
      [{ from: "llama3.2" }, "invalid model name"],
      [{ model: "a//b", from: "llama3.2" }, "invalid model name"],
      [{ model: "x" }, "neither 'from' or 'files' was specified"],
      [{ model: "x", files: { "/etc/passwd": digest } }, "file path must be relative"],
      [{ model: "x", files: { "../x": digest } }, "file path must be relative"],
      [{ model: "x", files: { "x.gguf": "sha256:0" } }, "invalid digest format"],
    ] as const) {
      expect(await target.post("/api/create", body)).toEqual(refusal(BAD_REQUEST, error));
    }
  });
});

onEveryTarget("copy and delete", OPTIONS, (target) => {
  test("a copy is a second name for the same model, a delete takes a name away (4.24)", async () => {
    expect(await target.post("/api/copy", { source: "llama3.2", destination: "twin" })).toEqual(empty("200 OK"));
    await lists(target, "llama3.2:latest", "twin:latest");
    const { models } = JSON.parse((await target.call("GET", "/api/tags")).body) as { models: { digest: string }[] };
    expect(models[0]?.digest).toBe(models[1]?.digest ?? "");
    expect(await remove(target, { model: "twin" })).toEqual(empty("200 OK"));
    await lists(target, "llama3.2:latest");
    expect(await remove(target, { model: "", name: "LLAMA3.2:latest" })).toEqual(empty("200 OK"));
    await lists(target);
  });

  test("a copy is refused for names that are none, and for a source that is not there", async () => {
    const bad = (error: string) => refusal(BAD_REQUEST, error);
    const copy = (source: string, destination: string) => target.post("/api/copy", { source, destination });
    expect(await copy("a//b", "x")).toEqual(bad('source "a//b" is invalid'));
    expect(await copy("llama3.2", ":x")).toEqual(bad('destination ":x" is invalid'));
    expect(await copy("", "")).toEqual(bad('source "" is invalid'));
    expect(await copy("nope", "")).toEqual(bad('destination "" is invalid'));
    expect(await copy("nope", "x")).toEqual(refusal("404 Not Found", 'model "nope" not found'));
  });

  test("a delete is refused for no name, a malformed one, and one that is not there", async () => {
    expect(await remove(target, {})).toEqual(refusal(BAD_REQUEST, "model is required"));
    expect(await remove(target, { model: "a//b" })).toEqual(refusal(BAD_REQUEST, 'name "a//b" is invalid'));
    expect(await remove(target, { model: "nope" })).toEqual(refusal("404 Not Found", "model 'nope' not found"));
    expect(await remove(target, "hello")).toEqual(
      refusal(BAD_REQUEST, "invalid character 'h' looking for beginning of value"),
    );
  });
});

onEveryTarget("blobs", OPTIONS, (target) => {
  const content = "GGUF \u00e9\u2028 and so on";
  const digest = sha256(content);

  test("a blob is stored once, whichever way its digest is written (4.24b)", async () => {
    expect(await target.call("HEAD", `/api/blobs/sha256:${digest}`)).toEqual(empty("404 Not Found"));
    const json = { "Content-Type": "application/json" };
    expect(await target.post(`/api/blobs/sha256:${digest}`, content, json)).toEqual(empty("201 Created"));
    expect(await target.post(`/api/blobs/sha256-${digest}`, content)).toEqual(empty("200 OK"));
    expect(await target.call("HEAD", `/api/blobs/sha256:${digest}`)).toEqual(empty("200 OK"));
    expect(await target.call("HEAD", `/api/blobs/sha256-${digest}`)).toEqual(empty("200 OK"));
  });

  test("a blob may come in chunks and without a byte", async () => {
    const upload = chunkedBytes(`/api/blobs/sha256:${digest}`, [content.slice(0, 5), content.slice(5)]);
    expect(await target.send(upload)).toEqual(empty("201 Created"));
    expect(await target.post(`/api/blobs/sha256:${sha256("")}`, "")).toEqual(empty("201 Created"));
  });

  test("a digest that is none, or another one than that of the bytes, is refused", async () => {
    const invalid = refusal(BAD_REQUEST, "invalid digest format");
    for (const bad of ["nonsense", "sha256:0", `md5:${digest}`]) {
      expect(await target.post(`/api/blobs/${bad}`, content)).toEqual(invalid);
      expect((await target.call("HEAD", `/api/blobs/${bad}`)).status).toBe(BAD_REQUEST);
    }
    const other = "0".repeat(64);
    expect(await target.post(`/api/blobs/sha256:${other}`, content)).toEqual(
      refusal(BAD_REQUEST, `digest mismatch, expected "sha256:${other}", got "sha256:${digest}"`),
    );
    expect(await target.call("HEAD", `/api/blobs/sha256:${other}`)).toEqual(empty("404 Not Found"));
  });
});
