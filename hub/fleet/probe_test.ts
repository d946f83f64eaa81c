import { expect, test } from "bun:test";
import type { FleetFetch } from "../../shared/fleet_fetch.ts";
import type { NodeHealth } from "../../shared/protocol.ts";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { type Fleet, fakeFleet, health } from "../testing/fake_fleet.ts";
import { PROBE_TIMES, startProber } from "./probe.ts";

const SECOND = 1000;
const IPV6 = "http://[2001:db8::1]:8001";
const IPV4 = "http://192.0.2.1:8001";

/** What a probe of `origin` meets: a health answer, a body that is none, silence until it is given up, or a refusal. */
type Meets = (origin: string) => NodeHealth | "refused" | "garbage" | Promise<Response>;

interface Probed extends Fleet {
  /** When each probe of the IPv6 route was sent, in seconds. */
  readonly at: number[];
  readonly urls: string[];
  stop(): void;
}

/** A fleet that is being probed; `meets` may be changed while it runs. */
function probed(state: { meets: Meets }, fleet: Fleet = fakeFleet(), clock = fleet.clock): Probed {
  const at: number[] = [];
  const urls: string[] = [];
  const fetch: FleetFetch = async (url) => {
    const origin = new URL(url).origin;
    urls.push(url);
    if (origin === IPV6) at.push(fleet.clock.now() / SECOND);
    const met = state.meets(origin);
    if (met === "refused") throw new Error("ECONNREFUSED");
    if (met === "garbage") return new Response("<html>");
    return met instanceof Promise ? met : Response.json(met);
  };
  const { stop } = startProber({ registry: fleet.registry, fetch, clock, times: PROBE_TIMES });
  return { ...fleet, at, urls, stop };
}

const well = { meets: () => health() };

test("a node is probed within a second of joining, on every route, at its health path", async () => {
  const fleet = probed(well);
  await fleet.clock.advance(10_500);
  expect(fleet.urls).toEqual([]);
  fleet.beat();
  await fleet.clock.advance(SECOND);
  expect(fleet.urls).toEqual([`${IPV6}/health`, `${IPV4}/health`]);
  expect(fleet.node().routes.map(({ reachable }) => reachable)).toEqual([true, true]);
});

test("an idle node is probed every 30 s, one that has work every 3 s", async () => {
  const fleet = probed(well);
  fleet.beat();
  await fleet.clock.advance(62 * SECOND);
  expect(fleet.at).toEqual([1, 31, 61]);
  const reservation = fleet.registry.reserve("a");
  await fleet.clock.advance(10 * SECOND);
  expect(fleet.at.slice(3)).toEqual([64, 67, 70]);
  reservation.release();
  await fleet.clock.advance(40 * SECOND);
  expect(fleet.at.slice(6)).toEqual([100]);
});

test("only routes that IP_PREFERENCE allows are probed", async () => {
  const fleet = probed(well, fakeFleet({ ipPreference: "ipv4-only" }));
  fleet.beat();
  await fleet.clock.advance(SECOND);
  expect(fleet.urls).toEqual([`${IPV4}/health`]);
});

test("an ejected node is probed every 10 s and goes on trial with the first probe that passes after its cool-down", async () => {
  const fleet = probed(well);
  fleet.beat();
  await fleet.clock.advance(SECOND);
  for (let failure = 0; failure < 3; failure++) fleet.registry.failed("a", "reset");
  await fleet.clock.advance(29 * SECOND);
  expect(fleet.at).toEqual([1, 11, 21]);
  expect(fleet.node().trust.kind).toBe("ejected");
  await fleet.clock.advance(SECOND);
  expect(fleet.node().trust.kind).toBe("trial");
});

test("an ejected node whose probes fail stays out, however long its cool-down has been over", async () => {
  const state: { meets: Meets } = { meets: () => "refused" };
  const fleet = probed(state);
  fleet.beat();
  for (let failure = 0; failure < 3; failure++) fleet.registry.failed("a", "reset");
  await fleet.clock.advance(170 * SECOND);
  expect(fleet.node().trust.kind).toBe("ejected");
  state.meets = () => health();
  await fleet.clock.advance(10 * SECOND);
  expect(fleet.node().trust.kind).toBe("trial");
});

test("a node with work that is silent on every route for 15 s is lost", async () => {
  const state: { meets: Meets } = { meets: () => health() };
  const fleet = probed(state);
  fleet.beat();
  fleet.registry.reserve("a");
  await fleet.clock.advance(4 * SECOND);
  const { lost } = fleet.node();
  state.meets = () => "refused";
  await fleet.clock.advance(14 * SECOND);
  expect(fleet.node().routes.map(({ reachable }) => reachable)).toEqual([false, false]);
  expect(lost.aborted).toBe(false);
  await fleet.clock.advance(3 * SECOND);
  expect(lost.aborted).toBe(true);
  expect(lost.reason.message).toBe("no answer on any address for 15 s");
  expect(fleet.node().trust.kind).toBe("ejected");
});

test.each<[what: string, other: Meets]>([
  ["answers on one route only", (origin) => (origin === IPV4 ? health() : "refused")],
  ["says that its Ollama is away", () => health({ ollama: { ok: false } })],
])("a node with work that %s is not lost", async (_, meets) => {
  const fleet = probed({ meets });
  fleet.beat();
  fleet.registry.reserve("a");
  await fleet.clock.advance(60 * SECOND);
  expect(fleet.events.map(({ event }) => event)).toEqual(["joined"]);
});

test.each<[what: string, meets: Meets]>([
  ["another node's answer at its address", () => health({ node_id: "b" })],
  ["an answer that is no health", () => "garbage"],
])("%s is no sign of life, and its address no way to the node", async (_, meets) => {
  const fleet = probed({ meets });
  fleet.beat();
  fleet.registry.reserve("a");
  await fleet.clock.advance(20 * SECOND);
  expect(fleet.events.map(({ event }) => event)).toContain("lost");
  expect(fleet.node().routes.map(({ reachable }) => reachable)).toEqual([false, false]);
});

test("bytes of an answer are a sign of life, whatever the probes meet", async () => {
  const fleet = probed({ meets: () => "refused" });
  fleet.beat();
  fleet.registry.reserve("a");
  for (let second = 0; second < 60; second++) {
    await fleet.clock.advance(SECOND);
    fleet.registry.heard("a");
  }
  expect(fleet.events.map(({ event }) => event)).toEqual(["joined"]);
});

test("silence does not prove an older agent dead: it may answer nothing while it works", async () => {
  const fleet = probed({ meets: () => "refused" });
  fleet.beat({ agent_version: null });
  fleet.registry.reserve("a");
  await fleet.clock.advance(170 * SECOND);
  expect(fleet.events.map(({ event }) => event)).toEqual(["joined"]);
});

test("a silent node without work is not lost, its silence is the heartbeats' matter", async () => {
  const fleet = probed({ meets: () => "refused" });
  fleet.beat();
  await fleet.clock.advance(120 * SECOND);
  expect(fleet.events.map(({ event }) => event)).toEqual(["joined"]);
});

test("work given after a long idle silence gets its own 15 s", async () => {
  const state: { meets: Meets } = { meets: () => "refused" };
  const fleet = probed(state);
  fleet.beat();
  await fleet.clock.advance(100 * SECOND);
  fleet.registry.reserve("a");
  await fleet.clock.advance(14 * SECOND);
  expect(fleet.events.map(({ event }) => event)).toEqual(["joined"]);
});

test("a probe that is under way is not sent again beside itself", async () => {
  const answers: ((response: Response) => void)[] = [];
  const fleet = probed({ meets: () => new Promise<Response>((resolve) => answers.push(resolve)) });
  fleet.beat();
  fleet.registry.reserve("a");
  await fleet.clock.advance(30 * SECOND);
  expect(fleet.at).toEqual([1]);
  for (const answer of answers) answer(Response.json(health()));
  await fleet.clock.advance(2 * SECOND);
  expect(fleet.at).toEqual([1, 31]);
});

test("a probe that ends just after the hub itself stood still does not take the node for lost", async () => {
  const clock = fakeClock();
  let stoodStill = 0;
  const fleet = fakeFleet({ clock: { ...clock, now: () => clock.now() + stoodStill } });
  const giveUps: ((error: Error) => void)[] = [];
  const meets = () => new Promise<Response>((_, reject) => giveUps.push(reject));
  const fetch: FleetFetch = async (url) => meets().catch((error) => Promise.reject(new Error(`${url}: ${error}`)));
  startProber({ registry: fleet.registry, fetch, clock: fleet.awakeClock, times: PROBE_TIMES });
  fleet.beat();
  fleet.registry.reserve("a");
  await clock.advance(SECOND);
  expect(giveUps).toHaveLength(2);
  stoodStill = 300 * SECOND;
  for (const giveUp of giveUps) giveUp(new Error("timed out"));
  await clock.advance(SECOND);
  expect(fleet.events.map(({ event }) => event)).toEqual(["joined"]);
  expect(fleet.gaps).toEqual([expect.closeTo(300 * SECOND, -3)]);
});

test("a node that left the table is not probed, and one that comes back is probed at once", async () => {
  const fleet = probed(well);
  fleet.beat();
  await fleet.clock.advance(5 * SECOND);
  fleet.beat();
  await fleet.clock.advance(180 * SECOND);
  expect(fleet.at.at(-1)).toBe(181);
  fleet.registry.sweep();
  await fleet.clock.advance(2 * SECOND);
  fleet.beat();
  await fleet.clock.advance(SECOND);
  expect(fleet.at.slice(-2)).toEqual([181, 188]);
});

test("the round trip of a probe is noted with its route", async () => {
  const answers: ((response: Response) => void)[] = [];
  const fleet = probed({ meets: () => new Promise<Response>((resolve) => answers.push(resolve)) });
  fleet.beat();
  await fleet.clock.advance(SECOND);
  await fleet.clock.advance(40);
  for (const answer of answers) answer(Response.json(health()));
  await fleet.clock.advance(0);
  expect(fleet.node().routes.map(({ rttMs }) => rttMs)).toEqual([40, 40]);
});

test("a prober that was stopped sends nothing any more", async () => {
  const fleet = probed(well);
  fleet.beat();
  fleet.stop();
  await fleet.clock.advance(100 * SECOND);
  expect(fleet.urls).toEqual([]);
  expect(fleet.clock.pending).toBe(0);
});
