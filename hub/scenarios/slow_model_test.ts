/** A model that takes 45 s to load, in real time: nothing on the way may cut the silence. */
import { expect, test } from "bun:test";
import { expectedText } from "../../shared/testing/fake_ollama.ts";
import { readStream } from "../../shared/testing/read_stream.ts";
import { startFleet } from "../../shared/testing/start_fleet.ts";

test("an answer that begins after 45 s of silence reaches the client whole, streamed or not", async () => {
  await using fleet = await startFleet({ nodes: ["a"], ollama: { loaded: [], loadMs: 45_000 } });
  const beganAt = performance.now();
  const [streamed, whole] = await Promise.all([
    fleet.hub.job({ model: "llama3", prompt: "slow" }).then((response) => readStream(response)),
    fleet.hub.job({ model: "llama3", prompt: "slow", stream: false }).then((response) => response.json()),
  ]);
  expect(performance.now() - beganAt).toBeGreaterThan(44_900);
  expect(streamed).toMatchObject({ text: expectedText("slow", 0, 8), errors: [], dones: 1 });
  expect(whole).toMatchObject({ response: expectedText("slow", 0, 8), done: true });
  expect(fleet.ollama("a").counters.loads).toBe(1);
}, 120_000);
