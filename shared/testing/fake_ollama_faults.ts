// The faults a test can script into the stand-in Ollama, and the queue they wait in.
import { canonicalKey, parseModelName } from "./fake_ollama_models.ts";

/** Which requests a fault is for; absent fields match everything. */
export interface FaultMatch {
  model?: string;
  /** Exact path. Without it only inference routes match; with it any route does ("/api/tags" hanging). */
  path?: string;
  stream?: boolean;
}

interface FaultCommon {
  /** How many requests it hits; default 1, Infinity until `clearFaults`. */
  times?: number;
  match?: FaultMatch;
  /** Milliseconds before the fault acts; default 0. For faults that act before the first byte. */
  delayMs?: number;
}

/** What goes wrong. Bytes count the payload only: neither the head nor chunk framing. */
export type FakeFault = FaultCommon &
  (
    | { kind: "hangBeforeHeaders" } // takes a slot, says nothing
    | { kind: "hangAfterHeaders" } // status and headers, no body
    | { kind: "hangAfterTokens"; tokens: number }
    | { kind: "resetBeforeResponse" } // RST
    | { kind: "closeBeforeResponse" } // FIN
    | { kind: "resetAfterBytes"; bytes: number } // no effect when the payload is shorter
    | { kind: "closeAfterBytes"; bytes: number }
    | { kind: "closeCleanly"; bytes: number } // valid HTTP, payload cut at `bytes`
    | { kind: "errorAfterTokens"; tokens: number; message?: string } // 0: before the first token, real status 500
    | { kind: "malformedAfterTokens"; tokens: number; line?: string } // then a valid end
    | { kind: "status"; status: number; message?: string } // refused, never runs
    | { kind: "outOfMemory"; needGiB?: number; haveGiB?: number } // 500, never runs
    | { kind: "runnerCrash"; tokens?: number; message?: string } // without tokens: 500 while loading
    | { kind: "slow"; msPerToken: number }
  );

/** Ollama's text for a full queue; two spaces after the full stop. */
export const busyText = "server busy, please try again.  maximum pending requests exceeded";
/** Ollama's text when the runner vanishes under a request. */
const runnerLostText = "an error was encountered while running the model: unexpected EOF";
const crashText = "llama-server process has terminated: signal: killed";

/** The text of an error answer or error line that `fault` causes, for a request that named `model`. */
export function faultText(fault: FakeFault, model: string): string {
  switch (fault.kind) {
    case "outOfMemory": {
      const gib = (value: number) => `${value.toFixed(1)} GiB`;
      return `model requires more system memory (${gib(fault.needGiB ?? 12.4)}) than is available (${gib(fault.haveGiB ?? 7.9)})`;
    }
    case "runnerCrash":
      return fault.message ?? crashText;
    case "status":
      return fault.message ?? statusMessage(fault.status, model);
    case "errorAfterTokens":
      return fault.message ?? runnerLostText;
    default:
      return runnerLostText;
  }
}

function statusMessage(status: number, model: string): string {
  switch (status) {
    case 400:
      return "the prompt is longer than the context length currently available";
    case 404:
      return `model '${model}' not found`;
    case 429:
      return "too many requests";
    case 502:
      return "upstream error";
    case 503:
      return busyText;
    default:
      return runnerLostText;
  }
}

/** What is known of a request when a fault is sought for it. */
export interface FaultTarget {
  path: string;
  inference: boolean;
  model?: string;
  stream?: boolean;
}

/** Faults in the order they were given; the first that matches is taken. */
export class FaultQueue {
  #faults: { fault: FakeFault; left: number }[] = [];

  add(fault: FakeFault): void {
    this.#faults.push({ fault, left: fault.times ?? 1 });
  }

  clear(): void {
    this.#faults = [];
  }

  /** The next fault for this request, used up once. */
  take(target: FaultTarget): FakeFault | undefined {
    const entry = this.#faults.find(({ fault }) => matches(fault.match ?? {}, target));
    if (entry === undefined) return undefined;
    entry.left -= 1;
    if (entry.left <= 0) this.#faults = this.#faults.filter((other) => other !== entry);
    return entry.fault;
  }
}

function matches(match: FaultMatch, target: FaultTarget): boolean {
  if (match.path === undefined ? !target.inference : match.path !== target.path) return false;
  if (match.stream !== undefined && match.stream !== target.stream) return false;
  return match.model === undefined || sameModel(match.model, target.model);
}

function sameModel(left: string, right: string | undefined): boolean {
  const first = parseModelName(left);
  const second = right === undefined ? undefined : parseModelName(right);
  return first !== undefined && second !== undefined && canonicalKey(first) === canonicalKey(second);
}
