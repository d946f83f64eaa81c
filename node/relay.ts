/** Passing Ollama's answer on as it comes, and knowing exactly once how it ended. */
import { headersToPassOn } from "../shared/http_headers.ts";

/** How an answer ended: whole, because the hub went away, or because Ollama broke it off. */
export type RelayEnd = "complete" | "cancelled" | "broken";

export interface RelayHooks {
  readonly onFirstByte: () => void;
  /** Called exactly once, with the number of bytes passed on. */
  readonly onEnd: (end: RelayEnd, bytes: number) => void;
}

/** `answer` as the answer to `request`: its status, its headers that describe the body, and the body as `relayBody` does. */
export function relayAnswer(answer: Response, request: Request, hooks: RelayHooks): Response {
  const headers = headersToPassOn(answer.headers);
  const length = answer.headers.get("content-length");
  // What a HEAD asks for is the length of what it does not get; everywhere else the server counts itself.
  if (request.method === "HEAD" && length !== null) headers.set("content-length", length);
  const status = { status: answer.status, headers };
  if (answer.body !== null && length !== "0") {
    return new Response(relayBody(answer.body, request.signal, hooks), status);
  }
  hooks.onEnd("complete", 0);
  return new Response(null, status);
}

/**
 * `body` as a stream that is read only as fast as the hub reads. A body that breaks off becomes a stream that fails, so
 * the connection to the hub is reset: a truncated answer never looks finished. When `signal` fires, or the stream is
 * cancelled, reading stops and `body` is cancelled.
 */
export function relayBody(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
  hooks: RelayHooks,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let bytes = 0;
  let ended = false;

  function end(how: RelayEnd): void {
    if (ended) return;
    ended = true;
    signal.removeEventListener("abort", leave);
    hooks.onEnd(how, bytes);
  }

  // Heard here too: a stream that nobody has begun to read is never told that its reader has gone.
  function leave(): void {
    end("cancelled");
    // Cancelling a body whose request was aborted rejects; there is nothing left to do about it.
    reader.cancel().catch(() => {});
  }

  signal.addEventListener("abort", leave);
  if (signal.aborted) leave();

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) {
            end("complete");
            controller.close();
            return;
          }
          if (bytes === 0) hooks.onFirstByte();
          bytes += value.byteLength;
          controller.enqueue(value);
        } catch (error) {
          end(signal.aborted ? "cancelled" : "broken");
          controller.error(error);
        }
      },
      cancel: leave,
    },
    { highWaterMark: 0 },
  );
}
