/** The smallest run there is: upstream, load and a hub from source, as the bench uses them. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startHubAlone } from "./hubs.ts";
import { playLoad, playOneByOne, startUpstream } from "./testers.ts";

const folder = mkdtempSync(join(tmpdir(), "ollama-connector-bench-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.if(process.platform === "linux")("streams through a hub are all read to their end, and measured", async () => {
  await using upstream = await startUpstream();
  const hub = await startHubAlone(upstream, { build: "source", folder });
  try {
    const load = { port: hub.port, pace: { chunks: 3, everyMs: 20 }, warmMs: 0, windowMs: 200 };
    const figures = await playLoad({ ...load, kind: "whole", streams: 20 }, () => {});
    expect(figures).toMatchObject({ chunks: 60, answered: 20, failures: [] });
    expect(figures.p50).toBeGreaterThan(0);
    expect((await playOneByOne(load)).requests).toBeGreaterThan(0);
  } finally {
    await hub.end();
  }
});
