import { expect, test } from "bun:test";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { createRefusedBeats } from "./refused_beats.ts";

function refused() {
  const clock = fakeClock();
  const lines: string[] = [];
  const log = { warn: (_: object | string, words?: string) => void lines.push(words ?? "") };
  return { clock, lines, ...createRefusedBeats(clock, log) };
}

test("a node that is refused again and again is told of once a minute", async () => {
  const hub = refused();
  for (let beat = 0; beat < 30; beat++) hub.note("a", "192.168.1.7", 403, "it has no token");
  expect(hub.lines).toEqual(["refused a heartbeat: it has no token"]);
  hub.note("a", "192.168.1.7", 409, "it trusts another hub");
  expect(hub.lines).toHaveLength(2);
  await hub.clock.advance(60_000);
  hub.note("a", "192.168.1.7", 403, "it has no token");
  expect(hub.lines).toHaveLength(3);
});

test("names without end do not fill the log", () => {
  const hub = refused();
  for (let name = 0; name < 1_000; name++) hub.note(`n${name}`, "192.168.1.7", 403, "no");
  expect(hub.lines).toHaveLength(20);
});
