/** What the wire examples of the reference (section 4) are about: their models, their words, their prompt. */
import { type FakeModel, type FakeOllamaOptions, tokenAt } from "../fake_ollama.ts";

/** Moment of `modified_at` of the newest model, ms since 1970. */
export const MODIFIED_AT = Date.UTC(2026, 7, 20, 16, 14, 3, 221);

export const DIGEST = "a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72";

export const LLAMA: FakeModel = {
  name: "llama3.2",
  digest: DIGEST,
  embeddingLength: 3072,
  modifiedAt: MODIFIED_AT,
};

/** One model for each thing a model may be unable to do; newest first. */
export const MODELS: FakeModel[] = [
  LLAMA,
  { name: "all-minilm", embedding: true, embeddingLength: 2, modifiedAt: MODIFIED_AT - 1000 },
  { name: "qwen3", capabilities: ["completion", "tools", "thinking"], modifiedAt: MODIFIED_AT - 2000 },
  { name: "plain", capabilities: ["completion"], modifiedAt: MODIFIED_AT - 3000 },
];

/** The tokens of every answer; one more is counted, for the end of the text. */
export const WORDS = ["Hello", "!", " Hi"] as const;

/** A stand-in Ollama that says what the examples say. */
export const EXAMPLE: FakeOllamaOptions = {
  models: MODELS,
  tokens: WORDS.length,
  speak: (_prompt, _seed, index) => WORDS[index] ?? "",
};

/** Counts as 26 tokens here, as in the examples. */
export const PROMPT = "Greet whoever reads this.".padEnd(104, " Be brief.");

export const MESSAGES = [{ role: "user", content: PROMPT }];

/** A conversation whose answer is a call of `get_weather` with the city Oslo. */
export const WEATHER_QUESTION = "use tool get_weather";
export const WEATHER_SCHEMA = { type: "object", properties: { city: { type: "string" } } };
export const WEATHER_TOOL = {
  type: "function",
  function: { name: "get_weather", description: "", parameters: WEATHER_SCHEMA },
};

/** What the thinking model thinks of `prompt`, token by token. */
export function thoughtsOf(prompt: string): [string, string] {
  const token = (index: number) => tokenAt(`thinking about ${prompt}`, 0, index);
  return [token(0), token(1)];
}
