/** A client of a streamed answer that remembers what it had received when. */

export interface StreamReading {
  readonly status: number;
  readonly nodeId: string | null;
  /** The generated text. */
  readonly text: string;
  /** The message of every error line. */
  readonly errors: readonly string[];
  /** Lines with `done: true`. */
  readonly dones: number;
  /** Lines that are no JSON object. */
  readonly unreadable: readonly string[];
}

/** Reads an NDJSON answer to its end. `onFirst` is called with the first bytes. A broken connection rejects. */
export async function readStream(response: Response, onFirst?: () => void): Promise<StreamReading> {
  const decoder = new TextDecoder();
  let all = "";
  for await (const piece of response.body ?? []) {
    if (all === "") onFirst?.();
    all += decoder.decode(piece, { stream: true });
  }
  let [text, dones] = ["", 0];
  const errors: string[] = [];
  const unreadable: string[] = [];
  for (const line of all.split("\n").filter((part) => part !== "")) {
    const object = parse(line);
    if (object === null) unreadable.push(line);
    else if (typeof object.error === "string") errors.push(object.error);
    else text += object.response ?? "";
    if (object?.done === true) dones++;
  }
  return { status: response.status, nodeId: response.headers.get("x-node-id"), text, errors, dones, unreadable };
}

function parse(line: string): Record<string, unknown> | null {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return null;
  }
}
