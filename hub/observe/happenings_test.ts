import { expect, test } from "bun:test";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { createHappenings, KEPT_ALARMS, KEPT_HAPPENINGS } from "./happenings.ts";

test("a refused takeover is still told of after hundreds of joins", () => {
  const happenings = createHappenings(fakeClock());
  happenings.add({ event: "impostor", nodeId: "a", detail: "the heartbeat is not signed" });
  for (let name = 0; name < 300; name++) happenings.add({ event: "joined", nodeId: `noise${name}`, detail: "" });
  const newest = happenings.newest();
  expect(newest).toHaveLength(KEPT_HAPPENINGS);
  expect(newest.filter(({ event }) => event === "impostor")).toHaveLength(1);
});

test("takeovers without end do not push out everything else, and the newest of all is there", () => {
  const happenings = createHappenings(fakeClock());
  for (let name = 0; name < KEPT_HAPPENINGS; name++)
    happenings.add({ event: "joined", nodeId: `n${name}`, detail: "" });
  for (let count = 0; count < 300; count++) happenings.add({ event: "impostor", nodeId: `a${count}`, detail: "" });
  const newest = happenings.newest();
  expect(newest[0]?.node_id).toBe("a299");
  expect(newest.filter(({ event }) => event === "impostor")).toHaveLength(KEPT_ALARMS);
});
