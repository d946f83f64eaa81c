/** A node that reports more slots than its Ollama has is found out by its answers, over real sockets. */
import { expect, test } from "bun:test";
import { startFleet } from "../../shared/testing/start_fleet.ts";
import { fakeFleet } from "../testing/fake_fleet.ts";

test.each(["/jobs", "/api/generate", "/api/chat"])(
  "%s: an Ollama with one slot gets one request at a time",
  async (path) => {
    await using fleet = await startFleet({ nodes: ["a"], ollama: { parallel: 1, firstTokenMs: 120 } });
    async function ask(stream: boolean): Promise<void> {
      const body = { model: "llama3", prompt: "why", messages: [{ role: "user", content: "why" }], stream };
      const response = await fetch(fleet.hub.url + path, { method: "POST", body: JSON.stringify(body) });
      expect(await response.text()).toContain('"done":true');
    }
    expect((await fleet.hub.nodes()).get("a")).toMatchObject({ slots: 4, slots_reported: 4 });
    await Promise.all(Array.from({ length: 20 }, (_, index) => ask(index % 2 === 0)));
    expect((await fleet.hub.nodes()).get("a")).toMatchObject({ slots: 1, slots_reported: 4 });

    let most = 0;
    const watching = setInterval(() => {
      most = Math.max(most, fleet.ollama("a").counters.running + fleet.ollama("a").counters.waiting);
    }, 5);
    await Promise.all(Array.from({ length: 6 }, () => ask(true)));
    clearInterval(watching);
    expect(most).toBe(1);
  },
);

test("an Ollama with the slots that were reported keeps them", async () => {
  await using fleet = await startFleet({ nodes: ["a"], ollama: { parallel: 4, firstTokenMs: 50 } });
  await Promise.all(
    Array.from({ length: 60 }, async () => (await fleet.hub.job({ model: "llama3", prompt: "why" })).text()),
  );
  expect((await fleet.hub.nodes()).get("a")).toMatchObject({ slots: 4, slots_reported: 4 });
});

test("what was learned is forgotten when the agent restarts or reports another number, and said when it changes", () => {
  const fleet = fakeFleet();
  const learn = () => {
    for (let time = 0; time < 4; time++) {
      fleet.registry.waitedForSlot("a", { atNode: 4, waitMs: 3_000, totalMs: 4_000 });
    }
  };
  fleet.beat({ slots: 4 });
  learn();
  expect(fleet.node()).toMatchObject({ slots: 2, learned: { reported: 4 } });
  expect(fleet.events.at(-1)).toMatchObject({ event: "slots", detail: "works on 2 at once, not 4" });
  fleet.beat({ slots: 4 });
  expect(fleet.node().slots).toBe(2);
  fleet.beat({ slots: 8 });
  expect(fleet.node().slots).toBe(8);
  fleet.beat({ slots: 4 });
  learn();
  fleet.beat({ slots: 4, boot_id: "boot-2" });
  expect(fleet.node().slots).toBe(4);
});
