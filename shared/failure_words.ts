/** Why a request between our own machines got no answer, in words for the log and for error details. */
import { messageOf } from "./errors.ts";
import { errorCode } from "./fleet_fetch.ts";

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ConnectionRefused: "connection refused",
  ECONNRESET: "the connection was closed",
  ETIMEDOUT: "no connection: nothing answers at that address",
  ENETUNREACH: "no route to that network",
  EHOSTUNREACH: "no route to that host",
  ENOTFOUND: "the host name is not known",
  EAI_AGAIN: "the host name cannot be looked up just now",
  ERR_INVALID_URL: "not a usable URL",
  InvalidHTTPResponse: "what answers there is not an HTTP server",
};

/** One phrase for `error`, thrown by a fetch or by reading its answer. */
export function failureWords(error: unknown): string {
  if (error instanceof DOMException && error.name === "TimeoutError") return "no answer in time";
  const code = errorCode(error);
  return WORDS[code] ?? messageOf(error);
}
