/** Headers that only a proxy sends: with one in front, the source of the connection says nothing of who is behind it. */

/** Beside those that begin with `x-forwarded`, in lower case. */
const NAMES: ReadonlySet<string> = new Set([
  "forwarded",
  "via",
  "x-real-ip",
  "x-client-ip",
  "x-cluster-client-ip",
  "true-client-ip",
  "cf-connecting-ip",
  "cf-connecting-ipv6",
]);

/** The first of them in `headers`; null where no proxy says that it is one. */
export function forwardingHeader(headers: Headers): string | null {
  for (const name of headers.keys()) {
    if (name.startsWith("x-forwarded") || NAMES.has(name)) return name;
  }
  return null;
}
