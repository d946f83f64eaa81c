import { expect, test } from "bun:test";
import { type Address, parseAddress } from "../../shared/address.ts";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { createNewcomers, MOST_NEW_NAMES, MOST_NODES } from "./newcomers.ts";

const at = (text: string) => parseAddress(text) as Address;

function newcomers(nodes = 0) {
  const clock = fakeClock();
  return { clock, ...createNewcomers({ clock, nodes: () => nodes }) };
}

test("one source brings so many new names an hour and no more, others go on", async () => {
  const hub = newcomers();
  const neighbour = at("192.168.1.7");
  for (let name = 0; name < MOST_NEW_NAMES; name++) expect(hub.whyNot(neighbour)).toBeNull();
  expect(hub.whyNot(neighbour)).toContain("came from 192.168.1.7 within an hour");
  expect(hub.whyNot(at("192.168.1.8"))).toBeNull();
  await hub.clock.advance(3_600_000);
  expect(hub.whyNot(neighbour)).toBeNull();
});

test("all the IPv6 addresses that one machine can take are one source", () => {
  const hub = newcomers();
  for (let name = 0; name < MOST_NEW_NAMES; name++) expect(hub.whyNot(at(`fd00:1::${name.toString(16)}`))).toBeNull();
  expect(hub.whyNot(at("fd00:1:0:0:ffff::1"))).toContain("fd00:1:0:0::/64");
  expect(hub.whyNot(at("fd00:1:0:1::1"))).toBeNull();
});

test("a fleet on the hub's own machine may be as large as the table", () => {
  const hub = newcomers();
  for (let name = 0; name < MOST_NODES; name++) expect(hub.whyNot(at("127.0.0.1"))).toBeNull();
  expect(newcomers(MOST_NODES).whyNot(at("::1"))).toContain(`has ${MOST_NODES} nodes already`);
});
