/** Which headers of a node's or Ollama's answer reach the client: an allow-list, so nothing else leaks or confuses. */

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
