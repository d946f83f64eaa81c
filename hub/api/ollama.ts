/** The routes that make the hub one Ollama, one OpenAI and one Anthropic endpoint: which face and which defaults each has. */
import { Hono } from "hono";
import { messagesFace } from "../faces/anthropic.ts";
import { embeddingsFace, embedFace, generationFace, showFace } from "../faces/native.ts";
import { completionsFace, openAiEmbeddingsFace, responsesFace, transcriptionsFace } from "../faces/openai.ts";
import type { HubEnv } from "./body.ts";
import { type InferenceOptions, inferenceRoute } from "./inference.ts";
import { type ServeDeps, serve } from "./serve.ts";

/** Everything that one node answers for all. */
export const SERVED: readonly InferenceOptions[] = [
  { path: "/api/generate", face: generationFace, streams: "unless refused" },
  { path: "/api/chat", face: generationFace, streams: "unless refused" },
  { path: "/api/embed", face: embedFace, streams: "never" },
  { path: "/api/embeddings", face: embeddingsFace, streams: "never" },
  { path: "/api/show", face: showFace, streams: "never", slot: false },
  { path: "/v1/chat/completions", face: completionsFace, streams: "when asked" },
  { path: "/v1/completions", face: completionsFace, streams: "when asked" },
  { path: "/v1/embeddings", face: openAiEmbeddingsFace, streams: "never" },
  { path: "/v1/responses", face: responsesFace, streams: "when asked" },
  { path: "/v1/messages", face: messagesFace, streams: "when asked" },
  { path: "/v1/audio/transcriptions", face: transcriptionsFace, streams: "never" },
];

/** Those routes. */
export function servedRoutes(hub: ServeDeps): Hono<HubEnv> {
  const app = new Hono<HubEnv>();
  for (const options of SERVED) {
    const route = inferenceRoute(options);
    app.post(options.path, (context) => serve(context, route, hub));
  }
  return app;
}
