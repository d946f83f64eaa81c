/** Which headers pass hub and node, on the way to Ollama and back: allow-lists, so nothing else leaks or confuses. */

/** What Ollama reads, and what the bytes are. Authorization and Cookie are the hub's; an Origin it would refuse. */
const FOR_OLLAMA = ["content-type", "content-encoding", "accept", "user-agent"] as const;

/** The headers of `from`, a client's request, that go to Ollama: from the hub to a node, and from there on. */
export function headersForOllama(from: Headers): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of FOR_OLLAMA) {
    const value = from.get(name);
    if (value !== null) headers[name] = value;
  }
  return headers;
}

const PASSED_ON = ["content-type", "cache-control", "retry-after"] as const;

/** The headers of `from` that describe the body, to be sent on with it. Framing and connection headers never are. */
export function headersToPassOn(from: Headers): Headers {
  const headers = new Headers();
  for (const name of PASSED_ON) {
    const value = from.get(name);
    if (value !== null) headers.set(name, value);
  }
  return headers;
}

/** What only a proxy sends: with it in front, the source of the connection says nothing. */
const FORWARDING = [
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-real-ip",
  "via",
] as const;

/** Name of the first header in `headers` that only a proxy sends; null where there is none. */
export function forwardingHeader(headers: Headers): string | null {
  return FORWARDING.find((name) => headers.has(name)) ?? null;
}
