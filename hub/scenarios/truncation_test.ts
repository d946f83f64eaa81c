/** A stream cut at any byte is noticed: never a silent end, never two ends, never a line that cannot be read. */
import { expect, test } from "bun:test";
import { expectedText } from "../../shared/testing/fake_ollama.ts";
import { readStream } from "../../shared/testing/read_stream.ts";
import { startFleet } from "../../shared/testing/start_fleet.ts";

const TOKENS = 5;
const PROMPT = "cut me";
/** At a time; the node's slots. */
const PARALLEL = 8;

test.each(["resetAfterBytes", "closeAfterBytes", "closeCleanly"] as const)(
  "a stream with %s at every offset ends either whole or with one error line",
  async (kind) => {
    await using fleet = await startFleet({
      nodes: ["a"],
      // Paced, so that the first line is on its way to the client before the cut.
      ollama: { tokens: TOKENS, tokensPerSecond: 400 },
      slots: PARALLEL,
      // The node fails on purpose, hundreds of times.
      hub: { environment: { NODE_MAX_FAILURES: "1000" } },
    });
    const whole = expectedText(PROMPT, 0, TOKENS);
    const recorded = await (await fleet.hub.job({ model: "llama3", prompt: PROMPT })).bytes();

    async function cutAt(offset: number): Promise<void> {
      // Each offset has its own model name, so that eight faults at a time find their own requests.
      const model = `cut:${offset}`;
      fleet.ollama("a").fault({ kind, bytes: offset, match: { model } });
      const answer = await readStream(await fleet.hub.job({ model, prompt: PROMPT }));
      const ends = answer.errors.length + answer.dones;
      // Before the first whole line nothing was committed, and the refusal is a status, not a line.
      if (answer.status !== 200) return expect(answer).toMatchObject({ status: 503, text: "", dones: 0 });
      expect({ offset, ends, unreadable: answer.unreadable }).toEqual({ offset, ends: 1, unreadable: [] });
      if (answer.dones === 1) expect(answer.text).toBe(whole);
      else expect(whole.startsWith(answer.text)).toBe(true);
    }

    const offsets = Array.from({ length: recorded.byteLength + 1 }, (_, offset) => offset);
    fleet.ollama("a").setModels(offsets.map((offset) => `cut:${offset}`));
    await fleet.hub.nodeThat("a", ({ models }) => models.length === offsets.length);
    for (let first = 0; first < offsets.length; first += PARALLEL) {
      await Promise.all(offsets.slice(first, first + PARALLEL).map(cutAt));
    }
    // Most cuts fall behind the first line, where only an error line can tell; a few leave everything that matters.
    const logged = await fleet.hub.logs(1000);
    expect(logged.filter(({ status_code }) => status_code === 200).length).toBeGreaterThan(offsets.length / 2);
    expect(logged.filter(({ success }) => success).length).toBeLessThan(10);
  },
  60_000,
);
