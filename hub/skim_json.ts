/** Reading JSON from elsewhere for its small parts: what is long or deep is passed over by its bytes, never parsed. */
import { parseJsonBytes } from "../shared/json.ts";

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPENING_BRACKET = 91;
const BACKSLASH = 92;
const CLOSING_BRACKET = 93;
const OPENING_BRACE = 123;
const CLOSING_BRACE = 125;
const SPACE = 32;
const LAST_ASCII = 127;
/** Bytes of the longest known name with every letter of it escaped. */
const LONGEST_NAME = 128;

/** Bytes of a value above which only its outline is read. */
const LONG_VALUE = 64 * 1024;
/** Entries of one outline at most, and levels of it; what is beyond comes out as a note of its length. */
const MOST_ENTRIES = 64;
const DEEPEST_OUTLINE = 4;
/** Levels above which Go's decoder, and so Ollama, refuses a body. */
const DEEPEST = 10_000;
const NO_END = -1;
const BEYOND = -2;

/** In the place of what was read: it is nested deeper than was asked for. */
export const TOO_DEEP = Symbol("too deep");

export interface SkimOptions {
  /** Names of fields, in lower case, that are found whatever their case and number, as Go finds those of a struct. */
  readonly known?: ReadonlySet<string>;
  /** Those of them that are texts: there null changes nothing, elsewhere it empties the field. */
  readonly texts?: ReadonlySet<string>;
  /** Levels at most; more of them come out as TOO_DEEP. Where nothing is said, what Go refuses is undefined. */
  readonly deepest?: number;
}

/** True where what `bytes` begin with is nested deeper than `deepest` levels. */
export function isTooDeep(bytes: Uint8Array, deepest: number): boolean {
  return endOfValue(bytes, skipBlanks(bytes, 0), deepest) === BEYOND;
}

/**
 * The object `bytes` begin with, or undefined where they begin with none, or it does not end. Values longer than 64 kB
 * come out as their outline, with `"(123456 bytes)"` in the place of what is left out: parsing 100 MB takes half a second
 * or, made for it, eight, in which no other stream would move. What Ollama would refuse as malformed may come out too.
 */
export function skimJson(bytes: Uint8Array, { known = NONE, texts = NONE, deepest }: SkimOptions = {}): unknown {
  const start = skipBlanks(bytes, 0);
  const [most, tooDeep] = deepest === undefined ? [DEEPEST, undefined] : [deepest, TOO_DEEP];
  if (bytes[start] === OPENING_BRACKET && isTooDeep(bytes, most)) return tooDeep;
  if (bytes[start] !== OPENING_BRACE) return bytes.byteLength <= LONG_VALUE ? parseJsonBytes(bytes) : undefined;
  const fields = new Map<string, unknown>();
  const mayBeKnown = filterFor(known);
  // Of a body with millions of names only those are looked at that are kept, or may be known.
  const wanted = (from: number, to: number) => fields.size < MOST_ENTRIES || mayBeKnown(bytes, from, to);
  const end = eachEntry(bytes, start, { wanted, deepest: most - 1 }, (key, valueStart, valueEnd) => {
    const name = known.size > 0 ? fold(key) : key;
    const isKnown = known.has(name);
    if (!isKnown && fields.size >= MOST_ENTRIES) return;
    const value = outline(bytes.subarray(valueStart, valueEnd), 1);
    if (value === null && isKnown && texts.has(name) && fields.has(name)) return;
    fields.set(isKnown ? name : key, value);
  });
  if (end === BEYOND) return tooDeep;
  return end < 0 ? undefined : Object.fromEntries(fields);
}

const NONE: ReadonlySet<string> = new Set();
const ALL = () => true;

/** A quick look at a name between quotes: false when it is none of `known`, whatever the case of its letters. */
function filterFor(known: ReadonlySet<string>): (bytes: Uint8Array, from: number, to: number) => boolean {
  const beginnings = new Set(Array.from(known, (name) => `${name.length}${name[0]}`));
  return (bytes, from, to) => {
    for (let at = from; at < to; at++) {
      const byte = bytes[at] ?? 0;
      // Escaped, or one of the letters that only look like others: it has to be read to be known.
      if (byte === BACKSLASH || byte > LAST_ASCII) return to - from <= LONGEST_NAME;
    }
    return beginnings.has(`${to - from}${String.fromCharCode(bytes[from] ?? 0).toLowerCase()}`);
  };
}

/** A name as Go compares it: the long s and the sign for Kelvin count as the letters they look like. */
export function fold(name: string): string {
  // In lower case the one is a k already, the other still itself.
  return name.toLowerCase().replaceAll("ſ", "s");
}

/** `value`, parsed when it is short, else as far as it can be told in few words. */
function outline(value: Uint8Array, depth: number): unknown {
  if (value.byteLength <= LONG_VALUE) return parseJsonBytes(value);
  if (value[0] === QUOTE) return `(${value.byteLength - 2} bytes)`;
  if (depth >= DEEPEST_OUTLINE) return `(${value.byteLength} bytes)`;
  const entries: [string, unknown][] = [];
  let left = 0;
  eachEntry(value, 0, { wanted: ALL, deepest: DEEPEST }, (key, start, end) => {
    if (entries.length >= MOST_ENTRIES) left++;
    else entries.push([key, outline(value.subarray(start, end), depth + 1)]);
  });
  const more = left > 0 ? `(${left} more)` : null;
  if (value[0] === OPENING_BRACKET) return [...entries.map(([, entry]) => entry), ...(more === null ? [] : [more])];
  return Object.fromEntries(more === null ? entries : [...entries, ["…", more]]);
}

/**
 * Goes through the entries of the object or array that begins at `start`, in their order; an array's have the key "".
 * Those of an object whose name, between the indexes it gets, `wanted` does not want are passed over. Returns the index
 * behind its end; NO_END where it has none, or BEYOND.
 */
function eachEntry(
  bytes: Uint8Array,
  start: number,
  { wanted, deepest }: { wanted: (nameStart: number, nameEnd: number) => boolean; deepest: number },
  take: (key: string, valueStart: number, valueEnd: number) => void,
): number {
  const isObject = bytes[start] === OPENING_BRACE;
  for (let at = start + 1; ; ) {
    at = skipBlanks(bytes, at);
    const byte = bytes[at];
    if (byte === undefined) return NO_END;
    if (byte === CLOSING_BRACE || byte === CLOSING_BRACKET) return at + 1;
    if (byte === COMMA) {
      at++;
      continue;
    }
    let key: string | null = "";
    if (isObject) {
      if (byte !== QUOTE) return NO_END;
      const keyEnd = closingQuote(bytes, at) + 1;
      if (keyEnd === 0) return NO_END;
      const isWanted = wanted(at + 1, keyEnd - 1);
      key = isWanted ? String(parseJsonBytes(bytes.subarray(at, Math.min(keyEnd, at + LONG_VALUE))) ?? "…") : null;
      at = skipBlanks(bytes, keyEnd);
      if (bytes[at] !== COLON) return NO_END;
      at = skipBlanks(bytes, at + 1);
    }
    const end = endOfValue(bytes, at, deepest);
    if (end < 0) return end;
    if (key !== null) take(key, at, end);
    at = end;
  }
}

/** The index behind the value that begins at `start`; NO_END where it has none, BEYOND where it has more levels than `deepest`. */
function endOfValue(bytes: Uint8Array, start: number, deepest: number): number {
  let depth = 0;
  for (let at = start; at < bytes.byteLength; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = closingQuote(bytes, at);
      if (at < 0) return NO_END;
      if (depth === 0) return at + 1;
    } else if (byte === OPENING_BRACE || byte === OPENING_BRACKET) {
      if (++depth > deepest) return BEYOND;
    } else if (byte === CLOSING_BRACE || byte === CLOSING_BRACKET) {
      if (depth === 0) return at > start ? at : NO_END;
      if (--depth === 0) return at + 1;
    } else if (depth === 0 && (byte === COMMA || (byte ?? 0) <= SPACE)) {
      return at > start ? at : NO_END;
    }
  }
  return NO_END;
}

/** Index of the quote that ends the text which begins at `open`, or -1. */
function closingQuote(bytes: Uint8Array, open: number): number {
  for (let at = bytes.indexOf(QUOTE, open + 1); at >= 0; at = bytes.indexOf(QUOTE, at + 1)) {
    let escapes = at;
    while (bytes[escapes - 1] === BACKSLASH) escapes--;
    if ((at - escapes) % 2 === 0) return at;
  }
  return -1;
}

function skipBlanks(bytes: Uint8Array, from: number): number {
  let at = from;
  while ((bytes[at] ?? SPACE + 1) <= SPACE) at++;
  return at;
}
