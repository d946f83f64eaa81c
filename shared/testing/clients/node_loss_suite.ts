// What every client must see when a machine dies: an error of its own kind, or nothing at all. Through the hub only.
import { describe, expect, test } from "bun:test";
import { expectedText } from "../fake_ollama.ts";
import { type Fleet, startFleet } from "../start_fleet.ts";
import { eventually } from "../start_hub.ts";
import { models, rejectionOf, tokens } from "./targets.ts";

/** A client, reduced to what can be interrupted. All of it asks `chatModel` or `embeddingModel` at the hub's `url`. */
export interface Interruptible {
  /** The pieces of a streamed answer. */
  stream(url: string, prompt: string): AsyncIterable<string>;
  /** An answer that comes whole. */
  whole(url: string, prompt: string): Promise<string>;
  /** Whether `whole` is a stream underneath, so that pieces of it are out before its end. */
  readonly streamsAlways?: boolean;
  /** Checks that `error` is what this client throws for a failure of the server. */
  expectOwnError(error: unknown): void;
  embed?(url: string, texts: string[]): Promise<number[][]>;
  /** The vectors expected of `embed`. */
  vectors?(texts: string[]): number[][];
}

const nodes = ["a", "b"];

/**
 * Checks that `error` is the text of an error line, which the `ollama` package throws as a plain Error. Without such a
 * line a broken connection would throw the runtime's error, which has a code, and a mere end "Did not receive done …".
 */
export function expectErrorLine(error: unknown): void {
  expect(error).toBeInstanceOf(Error);
  expect(error).not.toHaveProperty("code");
  expect((error as Error).message).toMatch(/\w+ \w+/);
  expect((error as Error).message).not.toContain("Did not receive done or success response in stream");
}

/** Defines the tests of one client, or of one of its ways to ask. */
export function nodeLossSuite(name: string, client: Interruptible): void {
  describe(`${name}, when a node dies`, () => {
    test("throws its own error in the middle of a stream, after the pieces that were said", async () => {
      await using fleet = await startSlowFleet({ tokensPerSecond: 20, tokens: 200 });
      const said: string[] = [];
      const error = await rejectionOf(
        (async () => {
          for await (const piece of client.stream(fleet.hub.url, "tell me")) {
            said.push(piece);
            if (said.join("") === expectedText("tell me", 0, 3)) await fleet.node(await busyNode(fleet)).kill();
          }
          return said.join("");
        })(),
      );
      client.expectOwnError(error);
      expect(expectedText("tell me", 0, 200)).toStartWith(said.join(""));
      expect(said.join("").length).toBeGreaterThanOrEqual(expectedText("tell me", 0, 3).length);
    });

    test("gets the whole stream from the other node when the first token was still to come", async () => {
      await using fleet = await startSlowFleet({ firstTokenMs: 600_000 });
      const answer = joined(client.stream(fleet.hub.url, "tell me"));
      await killBusyNode(fleet);
      expect(await answer).toBe(expectedText("tell me", 0, tokens));
    });

    const whole = client.streamsAlways === true ? "throws its own error for" : "gets from the other node";
    test(`${whole} an answer asked for whole, when some of it was made`, async () => {
      await using fleet = await startSlowFleet({ tokensPerSecond: 20, tokens: 200 });
      const answer = client.whole(fleet.hub.url, "tell me").catch((error: Error) => error);
      await eventually(() => {
        if (!nodes.some((id) => (fleet.ollama(id).executions[0]?.tokensSent ?? 0) > 1)) throw new Error("no token yet");
      });
      await killBusyNode(fleet);
      if (client.streamsAlways === true) client.expectOwnError(await answer);
      else expect(await answer).toBe(expectedText("tell me", 0, tokens));
    });

    test("is served while one of two nodes is down", async () => {
      await using fleet = await startSlowFleet({});
      await fleet.node("b").kill();
      const prompts = ["one", "two", "three", "four"];
      const expected = prompts.map((prompt) => expectedText(prompt, 0, tokens));
      expect(await inTurn(prompts, (prompt) => client.whole(fleet.hub.url, prompt))).toEqual(expected);
      expect(await inTurn(prompts, (prompt) => joined(client.stream(fleet.hub.url, prompt)))).toEqual(expected);
      const { embed, vectors } = client;
      if (embed === undefined || vectors === undefined) return;
      const texts = prompts.map((prompt) => [prompt, `${prompt} more`]);
      expect(await inTurn(texts, (pair) => embed(fleet.hub.url, pair))).toEqual(texts.map(vectors));
    });
  });
}

async function startSlowFleet(pace: { tokensPerSecond?: number; tokens?: number; firstTokenMs?: number }) {
  return startFleet({ nodes, ollama: { models: [...models], tokens, ...pace } });
}

/** The node whose Ollama holds the one request under way. */
function busyNode(fleet: Fleet): Promise<string> {
  return eventually(() => {
    const busy = nodes.find((id) => fleet.ollama(id).counters.running > 0);
    if (busy === undefined) throw new Error("no Ollama has got the request");
    return busy;
  });
}

/** Makes the idle Ollama fast, then kills the node of the busy one. */
async function killBusyNode(fleet: Fleet): Promise<void> {
  const busy = await busyNode(fleet);
  for (const id of nodes) {
    if (id === busy) continue;
    fleet.ollama(id).configure({ firstTokenMs: 0, tokensPerSecond: Number.POSITIVE_INFINITY, tokens });
  }
  await fleet.node(busy).kill();
}

async function joined(pieces: AsyncIterable<string>): Promise<string> {
  let text = "";
  for await (const piece of pieces) text += piece;
  return text;
}

async function inTurn<T, R>(items: readonly T[], ask: (item: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = [];
  for (const item of items) answers.push(await ask(item));
  return answers;
}
