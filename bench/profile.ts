/**
 * `bun bench/profile.ts streams|requests [folder]`: a CPU profile of the hub from source under the load of the bench, for
 * Chrome's developer tools or https://www.speedscope.app.
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startHubAlone } from "./hubs.ts";
import { ENDLESS, FULL } from "./plan.ts";
import { endAllAtExit } from "./programs.ts";
import { playLoad, startUpstream } from "./testers.ts";
import { runWrk } from "./wrk.ts";

const [what = "streams", folder = mkdtempSync(join(tmpdir(), "ollama-connector-profile-"))] = process.argv.slice(2);
endAllAtExit();
const upstream = await startUpstream();
const hub = await startHubAlone(upstream, { build: "source", folder, flags: ["--cpu-prof", "--cpu-prof-dir", folder] });
const { streams, requests } = FULL;
if (what === "streams") {
  const pace = { chunks: ENDLESS, everyMs: streams.everyMs };
  const { count, warmMs, windowMs } = streams;
  await playLoad({ port: hub.port, pace, kind: "window", streams: count, warmMs, windowMs }, () => {});
} else await runWrk(hub.port, requests.connections, requests.seconds, folder);
// A profile is written at a good end only.
await hub.end();
console.log(folder);
process.exit(0);
