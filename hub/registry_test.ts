import { expect, test } from "bun:test";
import { modelKey } from "../shared/model_name.ts";
import type { RouteTry } from "./fleet/node_record.ts";
import { NodeLost } from "./fleet/node_record.ts";
import { livenessOf } from "./policy/liveness.ts";
import { type Fleet, fakeFleet, health } from "./testing/fake_fleet.ts";
import { LIMITS } from "./testing/node_facts.ts";

const MODEL = modelKey("llama3");
const SECOND = 1000;

const kindsOf = ({ events }: Fleet) => events.map(({ event }) => event);

/** Lets `seconds` pass as in a running hub, which looks at its clock every second. */
async function live({ clock, registry }: Fleet, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    await clock.advance(SECOND);
    registry.sweep();
  }
}

/** A fleet with node "a" that just joined. */
function joined(): Fleet {
  const fleet = fakeFleet();
  fleet.beat();
  return fleet;
}

/** A fleet whose node "a" was ejected by three failures. */
function withEjected(): Fleet {
  const fleet = joined();
  for (const reason of ["reset", "reset", "reset"]) fleet.registry.failed("a", reason);
  return fleet;
}

test.each<[source: string | null, ipv4: string, ipv6: string]>([
  ["198.51.100.7", "198.51.100.7", "2001:db8::1"],
  ["2001:db8::99", "192.0.2.1", "2001:db8::99"],
  ["::ffff:198.51.100.7", "198.51.100.7", "2001:db8::1"],
  ["2001:DB8:0:0::99", "192.0.2.1", "2001:db8::99"],
  [null, "192.0.2.1", "2001:db8::1"],
  ["not an address", "192.0.2.1", "2001:db8::1"],
])("a heartbeat from %p replaces the reported address of its family and keeps the other", (source, ipv4, ipv6) => {
  const fleet = fakeFleet();
  fleet.beat({}, source);
  expect(fleet.node()).toMatchObject({ ipv4, ipv6 });
  expect(fleet.node().routes.map(({ address }) => address)).toEqual([ipv6, ipv4]);
});

test.each(["fe80::7", "169.254.3.4"])("a heartbeat from %p, where nobody can dial back, replaces nothing", (source) => {
  const fleet = fakeFleet();
  fleet.beat({}, source);
  expect(fleet.node()).toMatchObject({ ipv4: "192.0.2.1", ipv6: "2001:db8::1" });
});

test("a family that is neither reported nor seen has no route", () => {
  const fleet = fakeFleet();
  fleet.beat({ ipv6: null, ipv4: null }, "198.51.100.7");
  expect(fleet.node()).toMatchObject({ ipv4: "198.51.100.7", ipv6: null, dialable: true });
  expect(fleet.node().routes).toEqual([
    { family: "IPv4", address: "198.51.100.7", origin: "http://198.51.100.7:8001", reachable: null, rttMs: null },
  ]);
});

test("a link-local address is shown but is no route", () => {
  const fleet = fakeFleet();
  fleet.beat({ ipv4: null, ipv6: "fe80::1%eth0" });
  expect(fleet.node()).toMatchObject({ ipv6: "fe80::1%eth0", routes: [], dialable: false });
});

test("a node whose only address IP_PREFERENCE forbids cannot be dialled", () => {
  const fleet = fakeFleet({ ipPreference: "ipv6-only" });
  fleet.beat({ ipv6: null });
  expect(fleet.node()).toMatchObject({ dialable: false, unproven: false, proving: false });
  fleet.beat();
  expect(fleet.node().dialable).toBe(true);
  expect(fleet.registry.routesOf(fleet.node()).map(({ family }) => family)).toEqual(["IPv6"]);
});

test("model names are compared as Ollama does and shown as the node wrote them", () => {
  const fleet = fakeFleet();
  fleet.beat({ models: ["Llama3", "mistral:7b"], loaded: ["llama3:latest"] });
  expect(fleet.node().models).toEqual(new Set([MODEL, modelKey("mistral:7b")]));
  expect(fleet.node().loaded).toEqual(new Set([MODEL]));
  expect(fleet.node()).toMatchObject({ modelNames: ["Llama3", "mistral:7b"], loadedNames: ["llama3:latest"] });
});

test("an older agent gets four slots, is taken to have an Ollama and to serve", () => {
  const fleet = fakeFleet();
  fleet.beat({ boot_id: null, agent_version: null });
  expect(fleet.node()).toMatchObject({ slots: 4, ollamaOk: true, intent: "serving", agentVersion: null, cpu: 0 });
});

test("a heartbeat that was overtaken by a newer one of the same boot is ignored altogether", async () => {
  const fleet = fakeFleet();
  fleet.beat({ seq: 5, models: ["new"] });
  await fleet.clock.advance(5 * SECOND);
  expect(fleet.beat({ seq: 4, models: ["old"] })).toBeNull();
  expect(fleet.beat({ seq: 5, models: ["again"] })).toBeNull();
  expect(fleet.node()).toMatchObject({ modelNames: ["new"], lastHeardAt: 0 });
  expect(fleet.beat({ seq: 6, models: ["newer"] })).not.toBeNull();
  expect(fleet.node()).toMatchObject({ modelNames: ["newer"], lastHeardAt: 5 * SECOND });
});

test("after a restart the sequence begins anew, the rest is over, and an ejected node is on trial at once", () => {
  const fleet = withEjected();
  fleet.beat({ seq: 7 });
  fleet.registry.rest("a", 60_000);
  expect(fleet.beat({ seq: 0, boot_id: "boot-2" })).not.toBeNull();
  expect(fleet.node()).toMatchObject({ trust: { kind: "trial" }, restingUntil: 0, bootId: "boot-2" });
  expect(kindsOf(fleet)).toEqual(["joined", "ejected", "restarted"]);
});

test("a heartbeat alone never clears an ejection", async () => {
  const fleet = withEjected();
  for (let beats = 0; beats < 20; beats++) {
    await live(fleet, 30);
    fleet.beat();
  }
  expect(fleet.node().trust.kind).toBe("ejected");
});

test("a probe is noticed as a restart too", () => {
  const fleet = withEjected();
  fleet.registry.healthy("a", health({ boot_id: "boot-2" }));
  expect(fleet.node().trust.kind).toBe("trial");
  expect(kindsOf(fleet)).toContain("restarted");
});

test("an agent that stops saying which boot it is has not restarted", () => {
  const fleet = joined();
  fleet.beat({ boot_id: null });
  fleet.beat();
  expect(kindsOf(fleet)).toEqual(["joined"]);
});

test("a slot is given back exactly once, however often it is released", () => {
  const fleet = joined();
  const first = fleet.registry.reserve("a");
  const second = fleet.registry.reserve("a");
  expect(fleet.node().reserved).toBe(2);
  first.release();
  first.release();
  expect(fleet.node().reserved).toBe(1);
  second.release();
  expect(fleet.node().reserved).toBe(0);
});

test("only the release that gives a slot back wakes those who wait", () => {
  const fleet = joined();
  const reservation = fleet.registry.reserve("a");
  const before = fleet.capacityCalls();
  reservation.release();
  expect(fleet.capacityCalls()).toBe(before + 1);
  reservation.release();
  expect(fleet.capacityCalls()).toBe(before + 1);
});

test("a slot of a node nobody knows can be released without harm", () => {
  expect(() => fakeFleet().registry.reserve("nobody").release()).not.toThrow();
});

test("whoever was reserved last is picked last the next time", () => {
  const fleet = joined();
  fleet.beat({ node_id: "b" });
  fleet.registry.reserve("a").release();
  expect(fleet.node("b").lastPicked).toBeLessThan(fleet.node("a").lastPicked);
  fleet.registry.reserve("b").release();
  expect(fleet.node("a").lastPicked).toBeLessThan(fleet.node("b").lastPicked);
});

test("a silent node is fresh, stale, expired and then forgotten, on the second", async () => {
  const fleet = joined();
  const liveness = () => livenessOf(fleet.registry.now() - fleet.node().lastHeardAt, LIMITS);
  const seen: string[] = [];
  for (let second = 0; fleet.registry.get("a"); second++) {
    if (seen.at(-1)?.split(" ")[0] !== liveness()) seen.push(`${liveness()} from ${second}`);
    await live(fleet, 1);
  }
  expect(seen).toEqual(["fresh from 0", "stale from 60", "expired from 90"]);
  expect(fleet.registry.now()).toBe(180 * SECOND);
  expect(fleet.events.at(-1)).toEqual({ event: "removed", nodeId: "a", detail: "no heartbeat for 180 s" });
});

test("a heartbeat starts the lease anew", async () => {
  const fleet = joined();
  await live(fleet, 179);
  fleet.beat();
  await live(fleet, 179);
  expect(fleet.registry.get("a")).toBeDefined();
});

test("a heartbeat whose sender has hung up already does not undo where the node is known to be", () => {
  const fleet = fakeFleet();
  fleet.beat({ ipv4: "192.0.2.99" }, "192.0.2.7");
  fleet.beat({ ipv4: "192.0.2.99" }, null);
  expect(fleet.node().ipv4).toBe("192.0.2.7");
});

test("a node is not forgotten while it has work, and then it is", async () => {
  const fleet = joined();
  const reservation = fleet.registry.reserve("a");
  await live(fleet, 400);
  expect(fleet.registry.get("a")).toBeDefined();
  reservation.release();
  await live(fleet, 1);
  expect(fleet.registry.get("a")).toBeUndefined();
});

test("setting the wall clock changes nothing but the timestamps", async () => {
  const fleet = joined();
  fleet.clock.stepWall(-3_600 * SECOND);
  await live(fleet, 89);
  fleet.clock.stepWall(7_200 * SECOND);
  fleet.registry.sweep();
  expect(livenessOf(fleet.registry.now() - fleet.node().lastHeardAt, LIMITS)).toBe("stale");
  fleet.beat();
  expect(fleet.node().lastSeen.toISOString()).toBe("2026-01-01T01:01:29.000Z");
  expect(kindsOf(fleet)).toEqual(["joined"]);
});

test("a claim that proved wrong is not believed for 60 s, an unfit model not tried for 10 min", async () => {
  const fleet = joined();
  await live(fleet, 5);
  fleet.registry.disbelieve("a", MODEL);
  fleet.registry.unfit("a", MODEL);
  expect(fleet.node().disbelieved.get(MODEL)).toBe(65 * SECOND);
  expect(fleet.node().unfit.get(MODEL)).toBe(605 * SECOND);
  fleet.beat();
  expect(fleet.node().disbelieved.get(MODEL)).toBe(65 * SECOND);
});

test("a busy node rests for as long as it said, else for a second", async () => {
  const fleet = joined();
  await live(fleet, 2);
  fleet.registry.rest("a", 7_000);
  expect(fleet.node().restingUntil).toBe(9 * SECOND);
  fleet.registry.rest("a", null);
  expect(fleet.node().restingUntil).toBe(3 * SECOND);
});

test("three failures eject, a passing probe after the cool-down brings to trial, two good requests admit", async () => {
  const fleet = joined();
  fleet.registry.failed("a", "reset");
  fleet.registry.failed("a", "reset");
  expect(fleet.node().trust).toMatchObject({ kind: "admitted", failures: 2 });
  fleet.registry.failed("a", "reset");
  expect(fleet.node().trust.kind).toBe("ejected");
  await live(fleet, 29);
  fleet.registry.healthy("a", health());
  expect(fleet.node().trust.kind).toBe("ejected");
  await live(fleet, 1);
  fleet.registry.healthy("a", health());
  expect(fleet.node().trust.kind).toBe("trial");
  fleet.registry.succeeded("a", 100);
  fleet.registry.succeeded("a", 100);
  expect(fleet.node().trust).toMatchObject({ kind: "admitted", failures: 0 });
  expect(kindsOf(fleet)).toEqual(["joined", "ejected", "admitted"]);
});

test("a probe that says Ollama is away keeps an ejected node out, and one of another node says nothing", async () => {
  const fleet = withEjected();
  await live(fleet, 31);
  fleet.registry.healthy("a", health({ ollama: { ok: false } }));
  expect(fleet.node()).toMatchObject({ trust: { kind: "ejected" }, ollamaOk: false });
  fleet.registry.healthy("a", health({ node_id: "b" }));
  expect(fleet.node()).toMatchObject({ trust: { kind: "ejected" }, ollamaOk: false });
});

test("a probe tells which models are being loaded", () => {
  const fleet = joined();
  fleet.registry.healthy("a", health({ loading: ["Llama3"] }));
  expect(fleet.node().loading).toEqual(new Set([MODEL]));
  fleet.registry.healthy("a", health());
  expect(fleet.node().loading.size).toBe(0);
});

test("losing a node aborts exactly the signal of the work it has, and later work gets another one", () => {
  const fleet = joined();
  fleet.beat({ node_id: "b" });
  const [before, neighbour] = [fleet.node().lost, fleet.node("b").lost];
  fleet.registry.lose("a", "no answer on any address for 15 s");
  expect(before.aborted).toBe(true);
  expect(before.reason).toBeInstanceOf(NodeLost);
  expect(before.reason).toHaveProperty("message", "no answer on any address for 15 s");
  expect(neighbour.aborted).toBe(false);
  expect(fleet.node().lost).not.toBe(before);
  expect(fleet.node().lost.aborted).toBe(false);
  expect(fleet.node().trust.kind).toBe("ejected");
  expect(kindsOf(fleet)).toEqual(["joined", "joined", "lost", "ejected"]);
});

test("those who hear of a loss find the node ejected already", () => {
  const fleet = joined();
  let found = "";
  fleet.node().lost.addEventListener("abort", () => {
    found = `${fleet.node().trust.kind}, next signal aborted: ${fleet.node().lost.aborted}`;
  });
  fleet.registry.lose("a", "silent");
  expect(found).toBe("ejected, next signal aborted: false");
});

test("a route that did not connect goes to the back until it is seen to work", () => {
  const fleet = joined();
  const families = () => fleet.registry.routesOf(fleet.node()).map(({ family }) => family);
  const ipv6 = "http://[2001:db8::1]:8001";
  expect(families()).toEqual(["IPv6", "IPv4"]);
  fleet.registry.routeSeen("a", ipv6, "failed");
  expect(families()).toEqual(["IPv4", "IPv6"]);
  fleet.beat();
  expect(families()).toEqual(["IPv4", "IPv6"]);
  fleet.registry.routeSeen("a", ipv6, "connected", 12);
  expect(families()).toEqual(["IPv6", "IPv4"]);
  fleet.registry.routeSeen("a", ipv6, "connected");
  expect(fleet.node().routes[0]).toMatchObject({ reachable: true, rttMs: 12 });
});

test.each<[tries: readonly RouteTry[], isInDoubt: boolean]>([
  [["failed"], true],
  [["slow"], false],
  [["slow", "slow"], true],
  [["slow", "connected", "slow"], false],
  [["overtaken"], false],
  [["overtaken", "overtaken"], false],
  [["connected"], false],
])("an address whose tries were %p is in doubt: %p", (tries, isInDoubt) => {
  const fleet = joined();
  const origin = fleet.node().routes[0]?.origin ?? "";
  fleet.registry.proven("a", origin, true);
  for (const tried of tries) fleet.registry.routeSeen("a", origin, tried);
  expect(fleet.node().doubted.has(origin)).toBe(isInDoubt);
});

test("a node that comes from another address starts with a route nothing is known of, and keeps the other's", () => {
  const fleet = joined();
  for (const { origin } of fleet.node().routes) fleet.registry.routeSeen("a", origin, "failed");
  fleet.beat({ ipv6: "2001:db8::2" });
  expect(fleet.node().routes.map(({ reachable }) => reachable)).toEqual([null, false]);
});

test("a node that hands work back is left alone before its next heartbeat says why", () => {
  const fleet = joined();
  fleet.registry.declined("a", "ollama_down");
  expect(fleet.node()).toMatchObject({ ollamaOk: false, intent: "serving" });
  fleet.registry.declined("a", "draining");
  expect(fleet.node().intent).toBe("draining");
  fleet.beat();
  expect(fleet.node()).toMatchObject({ ollamaOk: true, intent: "serving" });
});

test("people are told of intents once each", () => {
  const fleet = joined();
  fleet.beat({ intent: "draining" });
  fleet.beat({ intent: "draining" });
  fleet.beat({ intent: "left" });
  expect(fleet.events.slice(1)).toEqual([
    { event: "intent", nodeId: "a", detail: "draining" },
    { event: "intent", nodeId: "a", detail: "left" },
  ]);
});

test.each<[what: string, act: (fleet: Fleet) => void]>([
  ["a heartbeat that tells of other models in memory", (fleet) => fleet.beat({ loaded: ["llama3"] })],
  ["a heartbeat that tells of more slots", (fleet) => fleet.beat({ slots: 8 })],
  ["a passed probe", ({ registry }) => registry.healthy("a", health())],
  ["every sweep, since time alone frees places", ({ registry }) => registry.sweep()],
  ["a restart", (fleet) => fleet.beat({ boot_id: "boot-2" })],
])("%s lets those who wait look again", (_, act) => {
  const fleet = joined();
  const before = fleet.capacityCalls();
  act(fleet);
  expect(fleet.capacityCalls()).toBeGreaterThan(before);
});

test("a heartbeat that says the same as the one before wakes nobody, unless the node was silent for long", async () => {
  const fleet = joined();
  const wakesAfter = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      await fleet.clock.advance(1_000);
      // Or the hub would have stood still.
      fleet.awakeClock.now();
    }
    const before = fleet.capacityCalls();
    fleet.beat();
    return fleet.capacityCalls() - before;
  };
  expect([await wakesAfter(30), await wakesAfter(59), await wakesAfter(60)]).toEqual([0, 0, 1]);
});

test("how long a model holds a slot follows its newest requests", () => {
  const { registry } = joined();
  expect(registry.serviceMs("m")).toBeNull();
  registry.succeeded("a", 1000, "m");
  expect(registry.serviceMs("m")).toBe(1000);
  registry.succeeded("a", 2000, "m");
  expect(registry.serviceMs("m")).toBe(1100);
});

test("nodes are listed in the order in which they joined", () => {
  const fleet = fakeFleet();
  for (const id of ["c", "a", "b", "a"]) fleet.beat({ node_id: id });
  expect(Array.from(fleet.registry.all(), ({ id }) => id)).toEqual(["c", "a", "b"]);
});

test("what is said of a node nobody knows is ignored", () => {
  const { registry, events } = fakeFleet();
  registry.failed("x", "reset");
  registry.lose("x", "silent");
  registry.disbelieve("x", MODEL);
  registry.unfit("x", MODEL);
  registry.rest("x", 5);
  registry.declined("x", "draining");
  registry.heard("x");
  registry.routeSeen("x", "http://192.0.2.1:1", "connected", 1);
  registry.healthy("x", health({ node_id: "x" }));
  expect(registry.get("x")).toBeUndefined();
  expect(events).toEqual([]);
});

test("a process that was replaced does not speak for its node again", () => {
  const fleet = fakeFleet();
  fleet.beat({ boot_id: "one", seq: 1 });
  fleet.beat({ boot_id: "two", seq: 1, models: ["new"] });
  expect(fleet.beat({ boot_id: "one", seq: 2, models: ["old"] })).toBeNull();
  expect(fleet.node()).toMatchObject({ bootId: "two", modelNames: ["new"] });
  expect(fleet.events.filter(({ event }) => event === "restarted")).toHaveLength(1);
});

test("when the newer of two agents with one name leaves, the older one has it back", () => {
  const fleet = fakeFleet();
  fleet.beat({ boot_id: "one", seq: 1 });
  fleet.beat({ boot_id: "two", seq: 1 });
  expect(fleet.registry.isReplaced("a", "one")).toBe(true);
  fleet.beat({ boot_id: "two", seq: 2, intent: "left" });
  expect(fleet.registry.isReplaced("a", "one")).toBe(false);
  expect(fleet.beat({ boot_id: "one", seq: 2 })).not.toBeNull();
  expect(fleet.node()).toMatchObject({ bootId: "one", intent: "serving" });
});

test("a node that goes silent is told of once when it is offline, and once when it is removed", async () => {
  const fleet = fakeFleet();
  fleet.beat();
  for (let second = 0; second < 200; second++) {
    await fleet.clock.advance(1000);
    fleet.registry.sweep();
  }
  const told = fleet.events.map(({ event, detail }) => [event, detail]).slice(1);
  expect(told).toEqual([
    ["offline", "no heartbeat for 90 s"],
    ["removed", "no heartbeat for 180 s"],
  ]);
});

test("what a node had to do is given up when its agent was started again, and that is no failure of the new one", () => {
  const fleet = fakeFleet();
  fleet.beat({ boot_id: "one", seq: 1 });
  const { lost } = fleet.node();
  fleet.beat({ boot_id: "two", seq: 1 });
  expect(lost.aborted).toBe(true);
  expect(lost.reason).toMatchObject({ name: "NodeLost", restarted: true });
  expect(fleet.node().lost.aborted).toBe(false);
  expect(fleet.node().trust.kind).toBe("admitted");
});
