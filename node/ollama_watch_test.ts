import { describe, expect, test } from "bun:test";
import { silentLogger } from "../shared/log.ts";
import type { DiskModel, LoadedModel } from "../shared/ollama_models.ts";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import { createOllamaWatch } from "./ollama_watch.ts";
import { inMemory, onDisk } from "./testing/models.ts";

const refused = () => Object.assign(new Error("refused"), { code: "ECONNREFUSED" });

interface Answers {
  version: string | Error;
  tags: DiskModel[] | Error;
  ps: () => Promise<LoadedModel[]>;
}

/** An Ollama whose answers a test sets; an Error is thrown. */
function start(answers: Answers) {
  const give = async <T>(answer: T | Error): Promise<T> => {
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const asked = { tags: 0, ps: 0 };
  const ollama = {
    version: () => give(answers.version),
    tags: () => {
      asked.tags += 1;
      return give(answers.tags);
    },
    ps: () => {
      asked.ps += 1;
      return answers.ps();
    },
  };
  const clock = fakeClock();
  let changes = 0;
  const loading = { is: false };
  const watch = createOllamaWatch({
    ollama,
    url: "http://ollama",
    intervalMs: 5000,
    isLoading: () => loading.is,
    clock,
    log: silentLogger,
    onChange: () => {
      changes += 1;
    },
  });
  return { answers, asked, clock, loading, watch, changes: () => changes };
}

const up = (): Answers => ({ version: "0.12.6", tags: [onDisk("a")], ps: async () => [inMemory("a")] });

describe("createOllamaWatch", () => {
  test("an Ollama that answers is known after the first look, what is in memory a little later", async () => {
    const { watch, clock } = start(up());
    expect(watch.state).toEqual({ ok: false, version: null, tags: [], ps: [], models: [], loaded: [] });
    await watch.start();
    await clock.advance(0);
    const lists = { tags: [onDisk("a")], ps: [inMemory("a")] };
    expect(watch.state).toEqual({ ok: true, version: "0.12.6", ...lists, models: ["a"], loaded: ["a"] });
  });

  test("an Ollama that appears later is seen at the next look", async () => {
    const { watch, clock, answers, changes } = start({ ...up(), version: refused() });
    await watch.start();
    expect(watch.state.ok).toBe(false);
    expect(changes()).toBe(0);
    answers.version = "0.12.6";
    await clock.advance(5000);
    expect(watch.state).toMatchObject({ ok: true, models: ["a"] });
    expect(changes()).toBeGreaterThan(0);
  });

  test("an Ollama that went away offers no model any more", async () => {
    const { watch, clock, answers } = start(up());
    await watch.start();
    answers.version = refused();
    await clock.advance(5000);
    expect(watch.state).toEqual({ ok: false, version: "0.12.6", tags: [], ps: [], models: [], loaded: [] });
  });

  test("one slow answer is forgiven, two in a row are not", async () => {
    const { watch, clock, answers } = start(up());
    await watch.start();
    answers.version = new DOMException("slow", "TimeoutError");
    await clock.advance(5000);
    expect(watch.state).toMatchObject({ ok: true, models: ["a"] });
    await clock.advance(5000);
    expect(watch.state.ok).toBe(false);
  });

  test("a refused request marks it away at once, an answered one makes the node look at once", async () => {
    const { watch, clock, changes } = start(up());
    await watch.start();
    await clock.advance(0);
    const before = changes();
    watch.refused();
    expect(watch.state.ok).toBe(false);
    expect(changes()).toBe(before + 1);
    watch.answered("a");
    await clock.advance(0);
    expect(watch.state).toMatchObject({ ok: true, models: ["a"] });
  });

  test("a list of models that cannot be read keeps the last one", async () => {
    const { watch, clock, answers } = start(up());
    await watch.start();
    answers.tags = new Error("status 500");
    await clock.advance(5000);
    expect(watch.state).toMatchObject({ ok: true, models: ["a"] });
  });

  test("a hanging ps delays nothing and keeps the last list", async () => {
    const { watch, clock, answers, asked } = start(up());
    await watch.start();
    await clock.advance(0);
    const before = asked.ps;
    answers.ps = () => new Promise(() => {});
    answers.tags = [onDisk("a"), onDisk("b")];
    await clock.advance(10_000);
    expect(watch.state).toMatchObject({ ok: true, models: ["a", "b"], loaded: ["a"] });
    expect(asked.ps).toBe(before + 1);
  });

  test("nothing is reported when nothing changed", async () => {
    const { watch, clock, changes } = start(up());
    await watch.start();
    await clock.advance(0);
    const before = changes();
    await clock.advance(60_000);
    expect(changes()).toBe(before);
  });

  test.each<[string, Partial<Answers>, number]>([
    ["times and sizes", { tags: [onDisk("a", { size: 9, modified_at: "2027" })] }, 0],
    ["when a model is unloaded", { ps: async () => [inMemory("a", { expires_at: "2027", size_vram: 1 })] }, 0],
    ["the digest of a model on disk", { tags: [onDisk("a", { digest: "another" })] }, 1],
    ["the digest of a model in memory", { ps: async () => [inMemory("a", { digest: "another" })] }, 1],
    ["what is in memory", { ps: async () => [] }, 1],
    ["the version", { version: "0.13.0" }, 1],
  ])("a change of %s is known at the next look, and is news or not", async (_name, change, news) => {
    const { watch, clock, answers, changes } = start(up());
    await watch.start();
    await clock.advance(0);
    const before = changes();
    Object.assign(answers, change);
    await clock.advance(5000);
    expect(changes() - before).toBe(news);
    const { tags, ps } = answers;
    expect(watch.state).toMatchObject({ tags, ps: await ps(), version: answers.version });
  });

  test("while a model is being loaded what is in memory is read every half second, and only that", async () => {
    const { watch, clock, loading, asked } = start(up());
    await watch.start();
    await clock.advance(0);
    expect(asked).toEqual({ tags: 1, ps: 1 });
    await clock.advance(2000);
    expect(asked).toEqual({ tags: 1, ps: 1 });
    loading.is = true;
    await clock.advance(2000);
    expect(asked).toEqual({ tags: 1, ps: 5 });
    loading.is = false;
    await clock.advance(900);
    expect(asked).toEqual({ tags: 1, ps: 5 });
  });

  test("an answer for a model that was not in memory makes the node look there, another one does not", async () => {
    const { watch, clock, answers, asked } = start({ ...up(), tags: [onDisk("a:latest"), onDisk("b")] });
    await watch.start();
    await clock.advance(0);
    for (const model of ["a", "A:latest", ""]) watch.answered(model);
    await clock.advance(0);
    expect(asked.ps).toBe(1);
    answers.ps = async () => [inMemory("a"), inMemory("b")];
    watch.answered("b");
    await clock.advance(0);
    expect(watch.state.loaded).toEqual(["a", "b"]);
    expect(asked).toEqual({ tags: 1, ps: 2 });
  });

  test("after the models were changed it looks again, also when a look was under way just then", async () => {
    const { watch, clock, answers, asked } = start(up());
    await watch.start();
    await clock.advance(0);
    const slow = Promise.withResolvers<DiskModel[]>();
    answers.tags = slow.promise as unknown as DiskModel[];
    await clock.advance(5000);
    expect(asked.tags).toBe(2);
    watch.managed();
    watch.managed();
    answers.tags = [onDisk("a"), onDisk("b")];
    slow.resolve([onDisk("a")]);
    await clock.advance(0);
    expect(watch.state.models).toEqual(["a", "b"]);
    expect(asked.tags).toBe(3);
  });

  test("a stopped watch leaves no timer", async () => {
    const { watch, clock } = start(up());
    await watch.start();
    watch.stop();
    await clock.advance(5000);
    expect(clock.pending).toBe(0);
  });
});
