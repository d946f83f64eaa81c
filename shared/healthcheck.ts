/** `--healthcheck`: a program asks the one that runs on this machine how it is. For containers, which have no curl. */
import { failureWords } from "./failure_words.ts";
import { createFleetFetch } from "./fleet_fetch.ts";

const TIMEOUT_MS = 3000;

/** Addresses to listen on that stand for all; 127.0.0.1 is among them, on a machine without IPv6 as well. */
const ALL_ADDRESSES = ["::", "0.0.0.0"];

/** Where a program that listens on `host` and `port` is reached from the same machine. */
export function localUrl(host: string, port: number, path: string): string {
  const local = ALL_ADDRESSES.includes(host) ? "127.0.0.1" : host;
  return `http://${local.includes(":") ? `[${local}]` : local}:${port}${path}`;
}

/** What is wrong with the program at `url`, or null when it answers 200. */
export async function whatIsWrong(url: string, timeoutMs: number = TIMEOUT_MS): Promise<string | null> {
  try {
    const response = await createFleetFetch()(url, { signal: AbortSignal.timeout(timeoutMs) });
    await response.body?.cancel();
    return response.status === 200 ? null : `${url} answered ${response.status}`;
  } catch (error) {
    return `${url} did not answer: ${failureWords(error)}`;
  }
}
