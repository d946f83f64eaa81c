// The deterministic words the stand-in Ollama says: tokens, embeddings, JSON for a schema.

/**
 * Text of token `index` of the answer to `prompt` under `seed`.
 * It carries the index and a hash of prompt and seed, so a duplicate, a gap or another answer's token shows in the text.
 */
export function tokenAt(prompt: string, seed: number, index: number): string {
  return `${index === 0 ? "" : " "}t${index}.${shortHash(`${seed}\n${prompt}`)}`;
}

/** The whole answer of `tokens` tokens, as the default `speak` produces it. */
export function expectedText(prompt: string, seed: number, tokens: number): string {
  let text = "";
  for (let index = 0; index < tokens; index += 1) text += tokenAt(prompt, seed, index);
  return text;
}

/**
 * The prompt a chat becomes here: the texts of all messages joined by LF. One message therefore gives its own text, and
 * the same conversation gives the same answer on /api/chat, /v1/chat/completions, /v1/responses and /v1/messages.
 */
export function chatPrompt(messages: readonly { content: string }[]): string {
  return messages.map((message) => message.content).join("\n");
}

/** How many tokens the stand-in counts for a prompt: a quarter of its UTF-16 length, at least 1. */
export function promptTokens(prompt: string): number {
  return Math.max(1, Math.ceil(prompt.length / 4));
}

/** The `context` of generate's final line: numbers made from the prompt, cut to the usual context of 4096. */
export function contextTokens(prompt: string, length: number): number[] {
  const first = Number.parseInt(shortHash(prompt), 16);
  return Array.from({ length: Math.min(length, 4096) }, (_, index) => (first + index * 7919) % 128_256);
}

/** Eight lower-case hexadecimal digits of `text`. */
export function shortHash(text: string): string {
  return (BigInt(Bun.hash(text)) & 0xffffffffn).toString(16).padStart(8, "0");
}

/** A tool-call id as Ollama's own parser makes them: `call_` and 8 lower-case alphanumerics. */
export function toolCallId(text: string): string {
  return `call_${shortHash(text)}`;
}

/** A vector of `dimensions` numbers made from `text` alone; of length 1 (L2) when `normalised`. */
export function embeddingOf(text: string, dimensions: number, normalised: boolean): number[] {
  let state = BigInt(Bun.hash(text)) & 0xffffffffffffffffn;
  const vector: number[] = [];
  for (let index = 0; index < dimensions; index += 1) {
    // Knuth's MMIX generator: enough to make different texts differ in every place.
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    vector.push(Number(state >> 40n) / 2 ** 23 - 1);
  }
  const length = normalised ? Math.hypot(...vector) || 1 : 1;
  // Ollama's numbers are 32-bit floats; Math.fround keeps the same digits on the native and the base64 form.
  return vector.map((value) => Math.fround(value / length));
}

/** A value that satisfies the simple parts of a JSON schema (type, properties, items, enum, const); `text` fills strings. */
export function valueForSchema(schema: unknown, text: string): unknown {
  if (typeof schema !== "object" || schema === null) return { answer: text };
  const { type, properties, items, enum: choices, const: constant } = schema as Record<string, unknown>;
  if (constant !== undefined) return constant;
  if (Array.isArray(choices) && choices.length > 0) return choices[0];
  switch (Array.isArray(type) ? type[0] : type) {
    case "string":
      return text;
    case "integer":
    case "number":
      return 1;
    case "boolean":
      return true;
    case "null":
      return null;
    case "array":
      return [valueForSchema(items ?? { type: "string" }, text)];
    default: {
      const entries = Object.entries((properties ?? {}) as Record<string, unknown>);
      return Object.fromEntries(entries.map(([key, value]) => [key, valueForSchema(value, text)]));
    }
  }
}
