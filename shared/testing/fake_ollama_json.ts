// Go's habits in JSON: escaping, decoder errors, case-insensitive fields, timestamps and durations.

export type JsonObject = { [key: string]: unknown };

/** A refused request: the HTTP status and the message; each route family words the body in its own shape. */
export class Refusal extends Error {
  readonly status: number;
  /**
   * "handler": an error Ollama's JSON writer sent; "stream": one that came before the first streamed token (no charset);
   * "validation": an OpenAI or Anthropic check made before the rewriting writer is in place (charset, no LF).
   */
  readonly stage: "handler" | "stream" | "validation";
  constructor(status: number, message: string, stage: "handler" | "stream" | "validation" = "handler") {
    super(message);
    this.status = status;
    this.stage = stage;
  }
}

const goEscapes: Record<string, string> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

/** JSON as Go's encoder writes it: `<`, `>`, `&` and the two Unicode line ends escaped. Undefined fields vanish. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => goEscapes[character] ?? character);
}

/** `value`, or undefined (so that the field vanishes) where Go's `omitempty` would drop it. */
export function omitEmpty<T>(value: T): T | undefined {
  const empty = value === 0 || value === "" || value === false || (Array.isArray(value) && value.length === 0);
  return empty ? undefined : value;
}

type FieldType = "string" | "bool" | "int" | "float" | "object" | "array" | "strings" | "ints" | "any";

/**
 * The first JSON value of `body` as an object with the fields of `spec`, found by case-insensitive name; `null` and
 * absent fields are undefined. @throws Refusal 400 with the text of Go's decoder.
 */
export function decodeObject(body: Uint8Array, struct: string, spec: Record<string, FieldType>): JsonObject {
  const text = new TextDecoder().decode(body);
  if (text.trim() === "") throw new Refusal(400, "EOF");
  const value = firstValue(text);
  if (value === null) return {};
  if (!isObject(value)) {
    throw new Refusal(400, `json: cannot unmarshal ${kindOf(value)} into Go value of type ${struct}`);
  }
  const names = new Map(Object.keys(spec).map((name) => [name.toLowerCase(), name]));
  const fields: JsonObject = {};
  for (const [key, field] of Object.entries(value)) {
    const name = names.get(key.toLowerCase());
    if (name === undefined || field === null) continue;
    checkField(field, spec[name] ?? "any", struct.replace(/^.*\./, ""), name);
    fields[name] = field;
  }
  return fields;
}

/** Whether a decoded value is a JSON object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const goTypes: Record<FieldType, string> = {
  string: "string",
  bool: "bool",
  int: "int",
  float: "float64",
  object: "map[string]interface {}",
  array: "[]interface {}",
  strings: "string",
  ints: "int",
  any: "",
};

function checkField(value: unknown, type: FieldType, struct: string, field: string): void {
  const wrong = (got: unknown, wanted: string) =>
    new Refusal(400, `json: cannot unmarshal ${kindOf(got)} into Go struct field ${struct}.${field} of type ${wanted}`);
  if (type === "strings" || type === "ints") {
    if (!Array.isArray(value)) throw wrong(value, `[]${goTypes[type]}`);
    for (const item of value) if (!fits(item, type === "ints" ? "int" : "string")) throw wrong(item, goTypes[type]);
  } else if (!fits(value, type)) throw wrong(value, goTypes[type]);
}

function fits(value: unknown, type: FieldType): boolean {
  switch (type) {
    case "string":
      return typeof value === "string";
    case "bool":
      return typeof value === "boolean";
    case "int":
      return Number.isInteger(value);
    case "float":
      return typeof value === "number";
    case "object":
      return isObject(value);
    case "array":
    case "strings":
    case "ints":
      return Array.isArray(value);
    case "any":
      return true;
  }
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number" && !Number.isInteger(value)) return `number ${value}`;
  return typeof value === "boolean" ? "bool" : typeof value;
}

/** The first JSON value of `text`; what follows is ignored, as Go's Decoder does. @throws Refusal 400. */
function firstValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Slow path only: find where the first value ends, or say what is wrong in Go's words.
    return JSON.parse(text.slice(0, endOfValue(text, 0)));
  }
}

/** Where the value starting at `from` ends. @throws Refusal with the message of Go's scanner. */
function endOfValue(text: string, from: number): number {
  const at = skipSpace(text, from);
  const first = text[at];
  if (first === "{") return endOfList(text, at, "}", true);
  if (first === "[") return endOfList(text, at, "]", false);
  if (first === '"') return endOfString(text, at);
  const literal = { t: "true", f: "false", n: "null" }[first ?? ""];
  if (literal !== undefined) {
    for (let index = 1; index < literal.length; index += 1) {
      if (text[at + index] !== literal[index]) {
        throw invalid(text, at + index, `in literal ${literal} (expecting '${literal[index]}')`);
      }
    }
    return at + literal.length;
  }
  const number = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/.exec(text.slice(at, at + 400));
  if (number === null) throw invalid(text, at, "looking for beginning of value");
  return at + number[0].length;
}

function endOfList(text: string, from: number, close: string, isMap: boolean): number {
  let at = skipSpace(text, from + 1);
  if (text[at] === close) return at + 1;
  for (;;) {
    if (isMap) {
      if (text[at] !== '"') throw invalid(text, at, "looking for beginning of object key string");
      at = skipSpace(text, endOfString(text, at));
      if (text[at] !== ":") throw invalid(text, at, "after object key");
      at += 1;
    }
    at = skipSpace(text, endOfValue(text, at));
    if (text[at] === close) return at + 1;
    if (text[at] !== ",") throw invalid(text, at, isMap ? "after object key:value pair" : "after array element");
    at = skipSpace(text, at + 1);
  }
}

function endOfString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at += 1) {
    const character = text[at] ?? "";
    if (character === '"') return at + 1;
    if (character < " ") throw invalid(text, at, "in string literal");
    if (character === "\\") {
      at += 1;
      if (!'"\\/bfnrtu'.includes(text[at] ?? '"')) throw invalid(text, at, "in string escape code");
    }
  }
  throw new Refusal(400, "unexpected EOF");
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text[at] === " " || text[at] === "\n" || text[at] === "\r" || text[at] === "\t") at += 1;
  return at;
}

function invalid(text: string, at: number, where: string): Refusal {
  const character = text[at];
  if (character === undefined) return new Refusal(400, "unexpected EOF");
  const quoted = character === "'" ? "\\'" : JSON.stringify(character).slice(1, -1);
  return new Refusal(400, `invalid character '${quoted}' ${where}`);
}
