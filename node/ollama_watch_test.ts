import { describe, expect, test } from "bun:test";
import { silentLogger } from "../shared/log.ts";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import type { OllamaClient } from "./ollama.ts";
import { createOllamaWatch } from "./ollama_watch.ts";

const refused = () => Object.assign(new Error("refused"), { code: "ECONNREFUSED" });

/** An Ollama whose answers a test sets; an Error is thrown. */
function start(answers: { version: string | Error; models: string[] | Error; loaded: () => Promise<string[]> }) {
  const give = async <T>(answer: T | Error): Promise<T> => {
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const ollama: OllamaClient = {
    version: () => give(answers.version),
    models: () => give(answers.models),
    loaded: () => answers.loaded(),
    generate: () => Promise.reject(new Error("not used")),
  };
  const clock = fakeClock();
  let changes = 0;
  const watch = createOllamaWatch({
    ollama,
    url: "http://ollama",
    intervalMs: 5000,
    clock,
    log: silentLogger,
    onChange: () => {
      changes += 1;
    },
  });
  return { answers, clock, watch, changes: () => changes };
}

const up = () => ({ version: "0.12.6", models: ["a"], loaded: async () => ["a"] });

describe("createOllamaWatch", () => {
  test("an Ollama that answers is known after the first look, what is in memory a little later", async () => {
    const { watch, clock } = start(up());
    expect(watch.state).toEqual({ ok: false, version: null, models: [], loaded: [] });
    await watch.start();
    await clock.advance(0);
    expect(watch.state).toEqual({ ok: true, version: "0.12.6", models: ["a"], loaded: ["a"] });
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
    expect(watch.state).toEqual({ ok: false, version: "0.12.6", models: [], loaded: [] });
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
    watch.answered();
    await clock.advance(0);
    expect(watch.state).toMatchObject({ ok: true, models: ["a"] });
  });

  test("a list of models that cannot be read keeps the last one", async () => {
    const { watch, clock, answers } = start(up());
    await watch.start();
    answers.models = new Error("status 500");
    await clock.advance(5000);
    expect(watch.state).toMatchObject({ ok: true, models: ["a"] });
  });

  test("a hanging ps delays nothing and keeps the last list", async () => {
    const { watch, clock, answers } = start(up());
    await watch.start();
    await clock.advance(0);
    let asked = 0;
    answers.loaded = () => {
      asked += 1;
      return new Promise(() => {});
    };
    answers.models = ["a", "b"];
    await clock.advance(10_000);
    expect(watch.state).toMatchObject({ ok: true, models: ["a", "b"], loaded: ["a"] });
    expect(asked).toBe(1);
  });

  test("nothing is reported when nothing changed", async () => {
    const { watch, clock, changes } = start(up());
    await watch.start();
    await clock.advance(0);
    const before = changes();
    await clock.advance(60_000);
    expect(changes()).toBe(before);
  });

  test("a stopped watch leaves no timer", async () => {
    const { watch, clock } = start(up());
    await watch.start();
    watch.stop();
    await clock.advance(5000);
    expect(clock.pending).toBe(0);
  });
});
