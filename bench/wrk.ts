/** The load of small requests: `wrk`, which takes less time than anything it asks. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PATH, requestBody } from "./chunk.ts";
import { readLines } from "./lines.ts";
import { start } from "./programs.ts";

export interface WrkFigures {
  readonly requestsPerSecond: number;
  readonly requests: number;
  /** Answers that were no success, and connections that broke. */
  readonly failed: number;
}

/** What `wrk` printed. Throws where that is not what it prints. */
export function readWrk(text: string): WrkFigures {
  const requestsPerSecond = Number(/^Requests\/sec:\s*([\d.]+)/m.exec(text)?.[1]);
  const requests = Number(/^\s*(\d+) requests in /m.exec(text)?.[1]);
  if (Number.isNaN(requestsPerSecond) || Number.isNaN(requests)) throw new Error(`wrk printed: ${text}`);
  const bad = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0);
  const broken = /Socket errors: (.*)/.exec(text)?.[1]?.match(/\d+/g)?.map(Number) ?? [];
  return { requestsPerSecond, requests, failed: broken.reduce((sum, each) => sum + each, bad) };
}

/** Asks for whole answers at `port` over `connections` connections. */
export async function runWrk(port: number, connections: number, seconds: number, folder: string): Promise<WrkFigures> {
  const script = join(folder, "small.lua");
  writeFileSync(
    script,
    `wrk.method = "POST"\nwrk.body = [[${requestBody(null)}]]\nwrk.headers["Content-Type"] = "application/json"\n`,
  );
  const counts = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "5s"];
  const program = start(["wrk", ...counts, "-s", script, `http://127.0.0.1:${port}${PATH}`], "tester", { talks: true });
  let text = "";
  for await (const line of readLines(program.output ?? new ReadableStream())) text += `${line}\n`;
  return readWrk(text);
}
