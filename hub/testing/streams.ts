/** Streams of every family of routes as an Ollama sends them, for tests that cut them. */
import { startFakeOllama } from "../../shared/testing/fake_ollama.ts";
import { messagesFace } from "../faces/anthropic.ts";
import { generationFace } from "../faces/native.ts";
import { completionsFace, responsesFace } from "../faces/openai.ts";
import type { Face } from "../job.ts";

export interface RecordedStream {
  readonly path: string;
  readonly face: Face;
  readonly request: Readonly<Record<string, unknown>>;
  readonly contentType: string;
  readonly bytes: Uint8Array;
  /** Bytes with which a client takes it for whole; what follows is only a line's or event's end. */
  readonly wholeAt: number;
}

const messages = [{ role: "user", content: "hi" }];
const asked = { model: "llama3", stream: true };

const REQUESTS: readonly Pick<RecordedStream, "path" | "face" | "request">[] = [
  { path: "/api/chat", face: generationFace, request: { ...asked, messages } },
  {
    path: "/v1/chat/completions",
    face: completionsFace,
    request: { ...asked, messages, stream_options: { include_usage: true } },
  },
  { path: "/v1/completions", face: completionsFace, request: { ...asked, prompt: "hi" } },
  { path: "/v1/responses", face: responsesFace, request: { ...asked, input: "hi" } },
  { path: "/v1/messages", face: messagesFace, request: { ...asked, messages, max_tokens: 100 } },
];

/** One short stream of each. */
export async function recordStreams(tokens = 2): Promise<RecordedStream[]> {
  const ollama = await startFakeOllama({ tokens });
  try {
    return await Promise.all(
      REQUESTS.map(async (each) => {
        const response = await fetch(ollama.url + each.path, { method: "POST", body: JSON.stringify(each.request) });
        const bytes = await response.bytes();
        const text = new TextDecoder().decode(bytes);
        const endless = text.endsWith("\n\n") && !text.endsWith("[DONE]\n\n");
        const wholeAt = endless ? bytes.length : text.trimEnd().length;
        return { ...each, contentType: response.headers.get("content-type") ?? "", bytes, wholeAt };
      }),
    );
  } finally {
    await ollama.stop();
  }
}
