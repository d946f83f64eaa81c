import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { systemClock } from "../../shared/clock.ts";
import { type ProgressEnd, progressLines, relayProgress } from "./progress_relay.ts";

const encoder = new TextEncoder();

/** A node's answer that comes in these pieces, then ends, or breaks with `broken`. */
function reading(pieces: readonly (string | Uint8Array)[], broken?: Error) {
  const left = pieces.map((piece) => (typeof piece === "string" ? encoder.encode(piece) : piece));
  return async () => {
    const piece = left.shift();
    if (piece === undefined && broken) throw broken;
    return piece ?? null;
  };
}

async function linesOf(...of: Parameters<typeof reading>): Promise<string[]> {
  const next = progressLines(reading(...of));
  const lines: string[] = [];
  for (let some = await next(); some !== null; some = await next()) {
    lines.push(...some.map(({ bytes }) => new TextDecoder().decode(bytes)));
  }
  return lines;
}

describe("reading lines", () => {
  test.each<[what: string, pieces: string[], lines: string[]]>([
    ["several at once", ['{"a":1}\n{"b":2}\n'], ['{"a":1}\n', '{"b":2}\n']],
    ["in pieces", ['{"a"', ":1", '}\n{"b":2', "}\n"], ['{"a":1}\n', '{"b":2}\n']],
    ["with the last line feed missing", ['{"a":1}\n{"b":2}'], ['{"a":1}\n', '{"b":2}']],
    [
      "with blank ones among them, which clients fail on",
      ['{"a":1}\n', "\n \n", '{"b":2}\n\n'],
      ['{"a":1}\n', '{"b":2}\n'],
    ],
    ["of nothing", [], []],
  ])("%s", async (_, pieces, lines) => {
    expect(await linesOf(pieces)).toEqual(lines);
  });

  test("however a text is cut into pieces, its lines are the same bytes", async () => {
    const text = ["äöü", "x".repeat(300), "", "🙂"].map((status) => `${JSON.stringify({ status })}\n`).join("");
    const bytes = encoder.encode(text);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(bytes.byteLength), { maxLength: 20 }), async (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.byteLength];
        const pieces = at.slice(1).map((end, index) => bytes.slice(at[index], end));
        expect((await linesOf(pieces)).join("")).toBe(text);
      }),
    );
  });

  test.each([
    ["no JSON", "<html>\n"],
    ["no object", "[1]\n"],
    ["cut at the end", '{"a":'],
    ["endless", `"${"x".repeat(1_000_001)}`],
  ])("a line that is %s is an error, after the good ones", async (_, bad) => {
    const next = progressLines(reading([`{"a":1}\n${bad}`]));
    expect((await next())?.length).toBe(1);
    expect(String(await next().catch((error) => error))).toContain("the node's answer is not Ollama's");
  });
});

describe("passing them on", () => {
  /** What the client gets, and how it ended. */
  async function relayed(pieces: readonly string[], broken?: Error) {
    const seen: { text: string; before: string | null; end: ProgressEnd | undefined; sent: number } = {
      text: "",
      before: null,
      end: undefined,
      sent: 0,
    };
    const stream = relayProgress({
      first: [],
      next: progressLines(reading(pieces, broken)),
      clock: systemClock,
      signal: new AbortController().signal,
      beforeSuccess: async () => {
        // Whatever goes out before this is done would be in the text by now.
        await Bun.sleep(1);
        seen.before = seen.text;
      },
      onSent: (bytes) => {
        seen.sent += bytes;
      },
      onEnd: (end) => {
        seen.end = end;
      },
    });
    for await (const piece of stream) seen.text += new TextDecoder().decode(piece);
    expect(seen.sent).toBe(encoder.encode(seen.text).byteLength);
    return seen;
  }

  const line = (status: string) => `${JSON.stringify({ status })}\n`;
  const error = (message: string) => `${JSON.stringify({ error: message })}\n`;

  test("success goes out last, and only after what has to be done before it", async () => {
    const { text, before, end } = await relayed([line("pulling") + line("writing") + line("success")]);
    expect([text, before, end]).toEqual([
      line("pulling") + line("writing") + line("success"),
      line("pulling") + line("writing"),
      null,
    ]);
  });

  test.each<[what: string, pieces: string[], broken: Error | undefined, text: string, end: ProgressEnd]>([
    ["an error of the node's own", [line("a"), error("no")], undefined, line("a") + error("no"), "no"],
    ["nothing after an error", [line("a") + error("no") + line("success")], undefined, line("a") + error("no"), "no"],
    ["nothing after a success", [line("success") + line("b")], undefined, line("success"), null],
    [
      "an error line where there is no end",
      [line("a")],
      undefined,
      line("a") + error("the node's answer ended before it was done"),
      "the node's answer ended before it was done",
    ],
    [
      "an error line where it broke, and nothing of the line it broke in",
      [`${line("a")}{"status":"succ`],
      new Error("reset"),
      line("a") + error("the connection to the node broke: reset"),
      "the connection to the node broke: reset",
    ],
    ["a success that came before it broke", [line("success")], new Error("reset"), line("success"), null],
  ])("%s", async (_, pieces, broken, text, end) => {
    const got = await relayed(pieces, broken);
    expect([got.text, got.end]).toEqual([text, end]);
  });
});
