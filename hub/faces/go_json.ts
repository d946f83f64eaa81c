/** JSON byte for byte as Ollama writes it: Go's encoder escapes more than JavaScript's does. */

const GO_ESCAPES: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

/** `value` as Go's encoding/json writes it, without a line feed at its end. Undefined fields vanish. */
export function goJson(value: object): string {
  return JSON.stringify(value, wellFormed).replace(/[<>&\u2028\u2029]/g, (character) => GO_ESCAPES[character] ?? "");
}

/** Go reads half a surrogate pair as U+FFFD. Passed on as an escape, strict decoders refuse the whole document. */
function wellFormed(_: string, value: unknown): unknown {
  return typeof value === "string" ? value.toWellFormed() : value;
}
