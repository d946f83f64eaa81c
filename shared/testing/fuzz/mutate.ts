// Random changes to a request's bytes, the same for the same seed: what somebody could send who means harm and has time.

/** A source of chance that can be started again: numbers from 0 to 1. */
export type Chance = () => number;

/** mulberry32. */
export function chanceFrom(seed: number): Chance {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What parsers stumble over. */
const WORDS = [
  "\r\n",
  "\r\n\r\n",
  "\n",
  "\0",
  ":",
  ", ",
  " ",
  "%00",
  "%2f",
  "..",
  "//",
  "?",
  "#",
  "\\",
  "Host: evil.example\r\n",
  "Host: localhost\r\n",
  "Content-Length: 0\r\n",
  "Content-Length: 99999999999\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Content-Encoding: zstd\r\n",
  "Authorization: Bearer x\r\n",
  "x-api-key: y\r\n",
  "Cookie: oc_session=a.9999999999.b.c\r\n",
  "X-Node-Id: *\r\n",
  "X-Node-Id: a\r\n",
  "X-Forwarded-For: 10.0.0.1\r\n",
  "Expect: 100-continue\r\n",
  "Connection: close\r\n",
  "Origin: http://evil.example\r\n",
  "{",
  "}",
  "[",
  "]",
  '"',
  "null",
  "1e999",
  "-0",
  '"__proto__":',
  '"model":',
  '"MODEL":"x",',
  "\\ud800",
  "\xff\xfe",
  "[".repeat(100),
  "a".repeat(5_000),
  "0\r\n\r\n",
  "ffffffff\r\n",
];

const pick = <T>(from: readonly T[], chance: Chance): T => from[Math.floor(chance() * from.length)] as T;

/** `seed` with one to eight changes: bytes changed, put in, left out, doubled, exchanged with those of `other`. */
export function mutate(seed: Uint8Array, other: Uint8Array, chance: Chance): Uint8Array {
  let bytes = Buffer.from(seed);
  const place = (extra = 1) => Math.floor(chance() * (bytes.byteLength + extra));
  for (let left = 1 + Math.floor(chance() * 8); left > 0; left--) {
    const at = place();
    const length = Math.floor(chance() ** 3 * 64);
    switch (Math.floor(chance() * 7)) {
      case 0:
        if (bytes.byteLength > 0) bytes[place(0)] = Math.floor(chance() * 256);
        break;
      case 1:
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(pick(WORDS, chance), "latin1"), bytes.subarray(at)]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
        break;
      case 5: {
        const from = Math.floor(chance() * other.byteLength);
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(from, from + length * 4), bytes.subarray(at)]);
        break;
      }
      case 6:
        // Lengths that fit are what gets furthest.
        bytes = withRightLength(bytes);
    }
  }
  return chance() < 0.5 ? withRightLength(bytes) : bytes;
}

function withRightLength(bytes: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  const text = bytes.toString("latin1");
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return bytes;
  const length = text.length - end - 4;
  return Buffer.from(
    text.slice(0, end).replace(/content-length:[^\r\n]*/i, `Content-Length: ${length}`) + text.slice(end),
    "latin1",
  );
}
