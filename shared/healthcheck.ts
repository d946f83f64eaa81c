/** `--healthcheck`: a program asks the one that runs on this machine how it is. For containers, which have no curl. */
import { failureWords } from "./failure_words.ts";
import { createFleetFetch } from "./fleet_fetch.ts";
import { readTls, type TlsFiles } from "./tls.ts";

const TIMEOUT_MS = 3000;

/** Addresses to listen on that stand for all; 127.0.0.1 is among them, on a machine without IPv6 as well. */
const ALL_ADDRESSES = ["::", "0.0.0.0"];

/** What is asked, and the certificate (PEM) that has to be shown there; null where it is http. */
export interface HealthTarget {
  readonly url: string;
  readonly cert: string | null;
}

/** Where a program that listens so is reached from the same machine. Throws as readTls does. */
export function localTarget(
  { host, port }: { host: string; port: number },
  files: TlsFiles,
  path: string,
): HealthTarget {
  const local = ALL_ADDRESSES.includes(host) ? "127.0.0.1" : host;
  const cert = readTls(files)?.cert ?? null;
  return {
    url: `http${cert === null ? "" : "s"}://${local.includes(":") ? `[${local}]` : local}:${port}${path}`,
    cert,
  };
}

/** What is wrong with the program at `target`, or null when it answers 200. */
export async function whatIsWrong({ url, cert }: HealthTarget, timeoutMs: number = TIMEOUT_MS): Promise<string | null> {
  try {
    const response = await createFleetFetch()(url, { signal: AbortSignal.timeout(timeoutMs), cert });
    await response.body?.cancel();
    return response.status === 200 ? null : `${url} answered ${response.status}`;
  } catch (error) {
    return `${url} did not answer: ${failureWords(error)}`;
  }
}
