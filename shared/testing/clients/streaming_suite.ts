// What every client's streams have in common: pieces as they are made, and an end of the work when the client leaves.
import { describe, expect, test } from "bun:test";
import { expectedText } from "../fake_ollama.ts";
import { aborted, executions, type Target, tokens } from "./targets.ts";

/** One way a client streams an answer of `chatModel`. */
export interface Streaming {
  /** As in "client.chat". */
  readonly name: string;
  /**
   * Asks for `prompt` and yields the pieces of text; empty ones may be among them. `leave` aborts the way this client
   * wants to be aborted; what the loop does then is the client's own business.
   */
  start(target: Target, prompt: string): Promise<Stream>;
}

export interface Stream {
  readonly pieces: AsyncIterable<string>;
  leave(): void;
}

/** Defines the tests. */
export function streamingSuite(target: Target, streaming: Streaming): void {
  describe(`${streaming.name}, streamed`, () => {
    test("gives every token as a piece of its own, and together the whole answer", async () => {
      const prompt = `stream it, ${streaming.name}`;
      const { pieces } = await streaming.start(target, prompt);
      const texts = await spoken(pieces);
      expect(texts.join("")).toBe(expectedText(prompt, 0, tokens));
      expect(texts.length).toBe(tokens);
    });

    test("gives the first pieces while the model still speaks, and leaving ends the model's work", async () => {
      const prompt = `speak on, ${streaming.name}`;
      for (const ollama of target.ollamas) ollama.fault({ kind: "hangAfterTokens", tokens: 3 });
      const { pieces, leave } = await streaming.start(target, prompt);
      let text = "";
      try {
        for await (const piece of pieces) {
          text += piece;
          if (text === expectedText(prompt, 0, 3)) leave();
        }
      } catch (error) {
        // Some clients throw when they are aborted, others end.
        expect(String(error)).toMatch(/abort/i);
      }
      expect(text).toBe(expectedText(prompt, 0, 3));
      await aborted(target, prompt);
      expect(executions(target, prompt).map(({ tokensSent }) => tokensSent)).toEqual([3]);
    });
  });
}

/** The pieces that say something. */
async function spoken(pieces: AsyncIterable<string>): Promise<string[]> {
  const texts: string[] = [];
  for await (const piece of pieces) if (piece !== "") texts.push(piece);
  return texts;
}
