/** JSON from somebody else: a value, or undefined, never a throw. */

/** `text` as JSON, or undefined where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The UTF-8 in `bytes` as JSON, or undefined where it is none; bytes that are no UTF-8 become replacement characters. */
export function parseJsonBytes(bytes: Uint8Array): unknown {
  return parseJson(new TextDecoder().decode(bytes));
}
