// The `ollama` client of JavaScript: what models there are, moving them about, having them in memory.
import { expect, test } from "bun:test";
import { type AbortableAsyncIterator, Ollama, type ProgressResponse } from "ollama";
import { expectedText } from "../fake_ollama.ts";
import { eventually } from "../start_hub.ts";
import { chatModel, embeddingModel, forEachTarget, models, rejectionOf, tokens, visionModel } from "./targets.ts";

forEachTarget((target) => {
  const client = () => new Ollama({ host: target.url });
  const listed = async () => (await client().list()).models.map(({ name }) => name);
  const inMemory = async () => (await client().ps()).models.map(({ name }) => name);
  const tagged = (name: string) => `${name}:latest`;
  const answers = async (model: string) => {
    const answer = await client().generate({ model, prompt: `are you there, ${model}` });
    expect(answer.response).toBe(expectedText(`are you there, ${model}`, 0, tokens));
  };

  test("list names every model once, with all its details", async () => {
    const { models: list } = await client().list();
    const names = list.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(models.map(({ name }) => tagged(name))));
    expect(new Set(names).size).toBe(names.length);
    for (const entry of list) {
      expect(entry.model).toBe(entry.name);
      expect(entry.digest).toMatch(/^[0-9a-f]{64}$/);
      expect(entry.size).toBeGreaterThan(0);
      expect(Date.parse(String(entry.modified_at))).toBeGreaterThan(0);
      expect(entry.details).toMatchObject({ format: "gguf", quantization_level: "Q4_K_M" });
    }
  });

  test("show tells what a model is and can", async () => {
    const shown = await client().show({ model: visionModel });
    expect(shown.capabilities).toEqual(["completion", "vision"]);
    expect(shown.model_info).toMatchObject({ "general.architecture": "llama", "llama.context_length": 131072 });
    expect(shown.details.format).toBe("gguf");
  });

  test("ps names every model in memory once, with size, digest and the time it stays", async () => {
    const { models: running } = await client().ps();
    expect(new Set(running.map(({ name }) => name)).size).toBe(running.length);
    const entry = running.find(({ name }) => name === tagged(chatModel));
    expect(entry?.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(entry?.size).toBeGreaterThan(0);
    expect(entry?.size_vram).toBe(entry?.size ?? -1);
    expect(Date.parse(String(entry?.expires_at))).toBeGreaterThan(Date.now());
  });

  test("version is Ollama's", async () => {
    expect((await client().version()).version).toBe("0.33.0");
  });

  test("an empty chat loads the model, an empty one with keep_alive 0 unloads it", async () => {
    const unloaded = await client().chat({ model: visionModel, messages: [], keep_alive: 0 });
    expect(unloaded).toMatchObject({ model: visionModel, done: true, done_reason: "unload" });
    await eventually(async () => expect(await inMemory()).not.toContain(tagged(visionModel)));
    const loaded = await client().chat({ model: visionModel, messages: [] });
    expect(loaded).toMatchObject({ message: { role: "assistant", content: "" }, done: true, done_reason: "load" });
    await eventually(async () => expect(await inMemory()).toContain(tagged(visionModel)));
  });

  test("an empty generate loads and unloads too, also as a stream", async () => {
    const [unloaded] = await all(
      await client().generate({ model: chatModel, prompt: "", stream: true, keep_alive: 0 }),
    );
    expect(unloaded).toMatchObject({ response: "", done: true, done_reason: "unload" });
    await eventually(async () => expect(await inMemory()).not.toContain(tagged(chatModel)));
    const [loaded] = await all(
      await client().generate({ model: chatModel, prompt: "", stream: true, keep_alive: "10m" }),
    );
    expect(loaded).toMatchObject({ response: "", done: true, done_reason: "load" });
    await eventually(async () => expect(await inMemory()).toContain(tagged(chatModel)));
  });

  test("embed with nothing to embed loads the model", async () => {
    expect((await client().embed({ model: embeddingModel, input: [] })).embeddings).toEqual([]);
  });

  test("pull reports its progress and ends with one success, and the model is there at once", async () => {
    const progress = await all(await client().pull({ model: "pulled", stream: true }));
    expect(progress[0]).toEqual({ status: "pulling manifest" } as ProgressResponse);
    endsWithOneSuccess(progress);
    const layers = progress.filter(({ digest }) => digest !== undefined);
    expect(layers.length).toBeGreaterThan(1);
    const done = layers.map(({ completed = 0 }) => completed);
    expect(done).toEqual(done.toSorted((left, right) => left - right));
    expect(layers.at(-1)).toMatchObject({ completed: layers.at(-1)?.total });
    expect(await listed()).toContain("pulled:latest");
    await answers("pulled");
  });

  test("pull without a stream answers with success alone", async () => {
    expect(await client().pull({ model: "pulled-whole" })).toEqual({ status: "success" } as ProgressResponse);
    expect(await listed()).toContain("pulled-whole:latest");
  });

  test("pulling what the registry does not know throws Ollama's words", async () => {
    const message = "pull model manifest: file does not exist";
    const streamed = await rejectionOf(client().pull({ model: "unheard-of", stream: true }).then(all));
    expect(streamed).toMatchObject({ message });
    const whole = await rejectionOf(client().pull({ model: "unheard-of" }));
    expect(whole).toMatchObject({ name: "ResponseError", status_code: 500, message });
  });

  test("push reports its progress and ends with one success", async () => {
    const progress = await all(await client().push({ model: chatModel, stream: true }));
    endsWithOneSuccess(progress);
    expect(progress.map(({ status }) => status)).toContain("retrieving manifest");
    expect(await client().push({ model: chatModel })).toMatchObject({ status: "success" });
  });

  test("pushing a model that is not there throws Ollama's words", async () => {
    const failing = await rejectionOf(client().push({ model: "not-here", stream: true }).then(all));
    expect(failing).toMatchObject({ message: "file does not exist" });
  });

  test("create makes a model of another, which answers at once", async () => {
    const request = { model: "pirate", from: chatModel, system: "You are a pirate.", parameters: { temperature: 0.1 } };
    endsWithOneSuccess(await all(await client().create({ ...request, stream: true })));
    expect(await listed()).toContain("pirate:latest");
    await answers("pirate");
    expect(await client().create(request)).toMatchObject({ status: "success" });
  });

  test("create without a source is refused with Ollama's words", async () => {
    expect(await rejectionOf(client().create({ model: "of-nothing" }))).toMatchObject({
      name: "ResponseError",
      status_code: 400,
      message: "neither 'from' or 'files' was specified",
    });
  });

  test("copy and delete act at once and everywhere", async () => {
    expect(await client().copy({ source: chatModel, destination: "twin" })).toEqual({ status: "success" });
    expect(await listed()).toContain("twin:latest");
    expect((await client().show({ model: "twin" })).capabilities).toEqual(["completion", "tools"]);
    await answers("twin");
    expect(await client().delete({ model: "twin" })).toEqual({ status: "success" });
    expect(await listed()).not.toContain("twin:latest");
    const gone = { name: "ResponseError", status_code: 404, message: "model 'twin' not found" };
    expect(
      await rejectionOf(client().chat({ model: "twin", messages: [{ role: "user", content: "hi" }] })),
    ).toMatchObject(gone);
    expect(await rejectionOf(client().delete({ model: "twin" }))).toMatchObject(gone);
  });

  test("leaving a pull ends it, and the model is not there", async () => {
    for (const ollama of target.ollamas) ollama.configure({ pullMs: 600_000 });
    const stream = await client().pull({ model: "given-up", stream: true });
    const left = await rejectionOf(
      (async () => {
        for await (const { digest } of stream) if (digest !== undefined) stream.abort();
      })(),
    );
    expect(left).toMatchObject({ name: "AbortError" });
    expect(await listed()).not.toContain("given-up:latest");
  });
});

function endsWithOneSuccess(progress: ProgressResponse[]): void {
  const success = progress.map(({ status }) => status === "success");
  expect(success.filter(Boolean)).toHaveLength(1);
  expect(success.at(-1)).toBe(true);
}

async function all<T extends object>(stream: AbortableAsyncIterator<T>): Promise<T[]> {
  const parts: T[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}
