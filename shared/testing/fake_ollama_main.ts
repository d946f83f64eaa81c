/** The stand-in Ollama as a process of its own; a Unix socket tells what it has done. */
import { type FakeCounters, type FakeExecution, type FakeOllamaOptions, startFakeOllama } from "./fake_ollama.ts";

/** What it has done so far. */
export interface FakeOllamaReport {
  readonly counters: FakeCounters;
  readonly executions: readonly FakeExecution[];
}

/** Arguments: the path of the Unix socket on which GET answers with a FakeOllamaReport, and the options as JSON. */
if (import.meta.main) {
  const [socket = "", options = "{}"] = process.argv.slice(2);
  const { counters, executions } = await startFakeOllama(JSON.parse(options) as FakeOllamaOptions);
  Bun.serve({ unix: socket, fetch: () => Response.json({ counters, executions } satisfies FakeOllamaReport) });
}
