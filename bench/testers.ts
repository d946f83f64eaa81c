/** The two that test, as the bench uses them: the upstream with its nodes, and loads of streams. */
import { join } from "node:path";
import { readLines } from "./lines.ts";
import type { FirstByteFigures, Load, LoadEvent, StreamFigures } from "./load.ts";
import { start } from "./programs.ts";
import type { UpstreamCommand, UpstreamReady } from "./upstream.ts";

export interface Upstream extends AsyncDisposable {
  /** Port of what is just an Ollama. */
  readonly port: number;
  /** Has its ten nodes join the hub at `url`; their knowledge of it is kept in `stateDir`. */
  join(url: string, stateDir: string): Promise<void>;
  leave(url: string): Promise<void>;
}

const SCRIPTS = import.meta.dir;

/** Starts it. */
export async function startUpstream(): Promise<Upstream> {
  const program = start([process.execPath, join(SCRIPTS, "upstream.ts")], "tester", { talks: true });
  if (program.output === null) throw new Error("the upstream has no output");
  const lines = readLines(program.output);
  const answer = async (): Promise<unknown> => {
    const { value } = await lines.next();
    if (value === undefined) throw new Error("the upstream has ended");
    return JSON.parse(value);
  };
  const { port } = (await answer()) as UpstreamReady;
  async function tell(command: UpstreamCommand): Promise<void> {
    program.say(JSON.stringify(command));
    const { problem } = (await answer()) as { problem: string | null };
    if (problem !== null) throw new Error(problem);
  }
  return {
    port,
    join: (url, stateDir) => tell({ join: { url, stateDir } }),
    leave: (url) => tell({ leave: { url } }),
    [Symbol.asyncDispose]: program.end,
  };
}

/** Plays `load` and calls `onEvent` as it goes. */
export async function playLoad(load: Load, onEvent: (event: LoadEvent["event"]) => void): Promise<StreamFigures> {
  for await (const event of eventsOf(load)) {
    onEvent(event.event);
    if (event.event === "end") return event.figures;
  }
  throw new Error("the load ended without its figures");
}

/** Plays a load that is `one by one`. */
export async function playOneByOne(load: Omit<Load, "kind" | "streams">): Promise<FirstByteFigures> {
  for await (const event of eventsOf({ ...load, kind: "one by one", streams: 1 })) {
    if (event.event === "first bytes") return event.figures;
  }
  throw new Error("the load ended without its figures");
}

async function* eventsOf(load: Load): AsyncGenerator<LoadEvent, void> {
  const program = start([process.execPath, join(SCRIPTS, "load.ts"), JSON.stringify(load)], "tester", { talks: true });
  try {
    for await (const line of readLines(program.output ?? new ReadableStream())) yield JSON.parse(line);
  } finally {
    await program.end();
  }
}
