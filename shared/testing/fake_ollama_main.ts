/** The stand-in Ollama as a process of its own, asked and told things over a Unix socket. */
import { type FakeCounters, type FakeExecution, type FakeOllamaOptions, startFakeOllama } from "./fake_ollama.ts";

/** What GET on the control socket answers. */
export interface FakeOllamaReport {
  readonly counters: FakeCounters;
  readonly executions: readonly FakeExecution[];
}

/**
 * Arguments: the control socket's path, and the options as JSON. GET on the socket answers with a FakeOllamaReport, POST
 * takes options to change.
 */
if (import.meta.main) {
  const [socket = "", options = "{}"] = process.argv.slice(2);
  const ollama = await startFakeOllama(JSON.parse(options) as FakeOllamaOptions);
  Bun.serve({
    unix: socket,
    async fetch(request) {
      if (request.method === "POST") ollama.configure((await request.json()) as Partial<FakeOllamaOptions>);
      return Response.json({ counters: ollama.counters, executions: ollama.executions } satisfies FakeOllamaReport);
    },
  });
}
