/** `--healthcheck`: a program asks the one that runs on this machine how it is. For containers, which have no curl. */
import { connect } from "node:tls";
import { failureWords } from "./failure_words.ts";
import { createFleetFetch } from "./fleet_fetch.ts";
import { readTls, type Tls, type TlsFiles } from "./tls.ts";

const TIMEOUT_MS = 3000;

/** Addresses to listen on that stand for all; 127.0.0.1 is among them, on a machine without IPv6 as well. */
const ALL_ADDRESSES = ["::", "0.0.0.0"];

/** What is asked, and what it listens with: its certificate has to be shown there; null where it is http. */
export interface HealthTarget {
  readonly url: string;
  readonly tls: Tls | null;
}

/** Where a program that listens so is reached from the same machine. Throws as readTls does. */
export function localTarget(
  { host, port }: { host: string; port: number },
  files: TlsFiles,
  path: string,
): HealthTarget {
  const local = ALL_ADDRESSES.includes(host) ? "127.0.0.1" : host;
  const tls = readTls(files);
  return {
    url: `http${tls === null ? "" : "s"}://${local.includes(":") ? `[${local}]` : local}:${port}${path}`,
    tls,
  };
}

/**
 * What is wrong with the program at `target`, or null when it answers 200. One that refuses this caller's certificate is
 * well when it has shown its own.
 */
export async function whatIsWrong({ url, tls }: HealthTarget, timeoutMs: number = TIMEOUT_MS): Promise<string | null> {
  const signal = AbortSignal.timeout(timeoutMs);
  // Its own is the only certificate there is here, and often enough of the authority that its callers' are of.
  const shown = tls === null || tls.clientCa === null ? null : tls;
  try {
    const ask = createFleetFetch({ ownCert: () => shown });
    const response = await ask(url, { signal, cert: tls?.cert ?? null });
    await response.body?.cancel();
    return response.status === 200 ? null : `${url} answered ${response.status}`;
  } catch (error) {
    if (shown !== null && !signal.aborted && (await showsItself(url, shown, signal))) return null;
    return `${url} did not answer: ${failureWords(error)}`;
  }
}

/** True when what listens at `url` proves to have the key of `tls`: a server does so before it looks at its caller's certificate. */
function showsItself(url: string, { cert, key }: Tls, signal: AbortSignal): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const host = hostname.replace(/^\[|\]$/g, "");
    const socket = connect({ host, port: Number(port), ca: cert, cert, key, checkServerIdentity: () => undefined });
    const end = (shown: boolean) => {
      resolve(shown);
      socket.destroy();
    };
    socket.once("secureConnect", () => end(socket.authorized));
    socket.once("error", () => end(false));
    socket.once("close", () => end(false));
    signal.addEventListener("abort", () => end(false), { once: true });
  });
}
