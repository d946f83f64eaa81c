/** Reading a large JSON body for its small parts: pictures in it are passed over, not decoded. */
import { parseJsonBytes } from "../../shared/json.ts";

const QUOTE = 34;
const BACKSLASH = 92;
const OPENING_BRACE = 123;
const CLOSING_BRACE = 125;

/** Bytes of a body below which it is simply parsed. */
const SMALL_BODY = 256 * 1024;
/** Bytes of a text above which its place is taken by a note of its length. */
const LONG_TEXT = 64 * 1024;

/**
 * The JSON in `bytes`, or the object it begins with, or undefined where it is none. Texts longer than 64 kB come out as a note of their length: parsing
 * 100 MB of pictures takes half a second, in which no other stream would move.
 */
export function skimJson(bytes: Uint8Array): unknown {
  const short = bytes.byteLength <= SMALL_BODY ? bytes : withoutLongTexts(bytes);
  const json = parseJsonBytes(short);
  return json === undefined ? parseJsonBytes(firstObject(short)) : json;
}

/** The first object of `bytes`, whatever follows it: Ollama's decoder stops there and never sees the rest. */
function firstObject(bytes: Uint8Array): Uint8Array {
  let depth = 0;
  for (let at = 0; at < bytes.byteLength; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = closingQuote(bytes, at);
      if (at < 0) break;
    } else if (byte === OPENING_BRACE) {
      depth++;
    } else if (byte === CLOSING_BRACE && --depth <= 0) {
      return bytes.subarray(0, at + 1);
    }
  }
  return new Uint8Array();
}

function withoutLongTexts(bytes: Uint8Array): Uint8Array {
  const kept: Uint8Array[] = [];
  let keptUntil = 0;
  for (let open = bytes.indexOf(QUOTE); open >= 0; ) {
    const close = closingQuote(bytes, open);
    if (close < 0) break;
    if (close - open > LONG_TEXT) {
      kept.push(bytes.subarray(keptUntil, open + 1), Buffer.from(`(${close - open - 1} bytes)`));
      keptUntil = close;
    }
    open = bytes.indexOf(QUOTE, close + 1);
  }
  return Buffer.concat([...kept, bytes.subarray(keptUntil)]);
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
