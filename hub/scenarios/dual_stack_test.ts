// Tests of IPv6 and IPv4 between hub and nodes: real processes, each machine a network namespace of its own.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { IpPreference } from "../../shared/address_order.ts";
import { type AddressKind, type NetFleet, NODE_PORT, openNetFleet } from "../../shared/testing/net_fleet.ts";
import { type Block, netLabAvailable } from "../../shared/testing/net_lab.ts";

const reason = netLabAvailable();
if (reason !== null) console.log(`hub/scenarios/dual_stack_test.ts skipped: ${reason}`);

setDefaultTimeout(20_000);

const BOTH: readonly AddressKind[] = ["IPv4", "IPv6"];

/** Figures of this machine, for people; nothing is decided by them. */
const figure = (what: string, ...ms: number[]) =>
  console.log(`  ${what}: ${ms.map((value) => `${value.toFixed(1)} ms`).join(", ")}`);

/** Whether the hub takes `family` of node `id` for reachable; null before the first try. */
const reachable = async (fleet: NetFleet, id: string, family: "IPv4" | "IPv6") => {
  const { routes } = await fleet.nodeThat(id, () => true);
  return routes.find((route) => route.family === family)?.reachable;
};

/** Resolves once node `id` has proven to be at every address that the hub would dial, `count` of them. */
const proven = (fleet: NetFleet, id: string, count = 2) =>
  fleet.nodeThat(id, ({ routes }) => routes.filter((route) => route.reachable === true).length === count);

/** A job that has to go well, over one family, with one attempt. */
async function served(fleet: NetFleet, prompt: string, family: "IPv4" | "IPv6"): Promise<number> {
  const { status, body, log } = await fleet.job(prompt);
  expect({ status, family: log.ip_version }).toEqual({ status: 200, family });
  expect(body).toContain('"done":true');
  expect(log.attempts).toHaveLength(1);
  return log.duration_ms;
}

describe.skipIf(reason !== null)("which family is used", () => {
  test("a dual-stack node gets its jobs over IPv6", async () => {
    await using fleet = await openNetFleet();
    const node = await fleet.machine("a", BOTH);
    const { ipv4, ipv6 } = await node.join();
    expect({ ipv4, ipv6 }).toEqual({ ipv4: node.address("IPv4"), ipv6: node.address("IPv6") });
    figure("dual stack", await served(fleet, "one", "IPv6"), await served(fleet, "two", "IPv6"));
    expect((await fleet.job("three")).log.node_url).toStartWith(`http://[${node.address("IPv6")}]:${NODE_PORT}/`);
  });

  test("a node without a global IPv6 address is dialled over IPv4, its link-local address only shown", async () => {
    await using fleet = await openNetFleet();
    const node = await fleet.machine("a", ["IPv4"]);
    await node.join({ HEARTBEAT_INTERVAL: "1" });
    // The kernel first checks for a duplicate, about a second.
    const { routes } = await fleet.nodeThat("a", ({ ipv6 }) => ipv6?.startsWith("fe80::") === true);
    expect(routes.map((route) => route.address)).toEqual([node.address("IPv4")]);
    await served(fleet, "one", "IPv4");
  });

  for (const kind of ["IPv6", "unique-local"] as const) {
    test(`a fleet without any IPv4 works over ${kind === "IPv6" ? "global" : kind} IPv6 addresses`, async () => {
      await using fleet = await openNetFleet();
      const node = await fleet.machine("a", [kind]);
      const { ipv4, ipv6 } = await node.join();
      expect({ ipv4, ipv6 }).toEqual({ ipv4: null, ipv6: node.address(kind) });
      await served(fleet, "one", "IPv6");
    });
  }

  test("a node advertises the address it uses towards the internet, and a global one before a unique-local one", async () => {
    await using fleet = await openNetFleet();
    const kinds: readonly AddressKind[] = ["IPv4", "unique-local", "IPv6"];
    const [plain, routed] = [await fleet.machine("plain", kinds), await fleet.machine("routed", kinds)];
    routed.space.ip("-6", "route", "add", "default", "via", routed.hubAddress("unique-local"));
    // Their heartbeats go over IPv4, so the IPv6 address stays as reported.
    const nodes = await Promise.all([plain.join(), routed.join()]);
    expect(nodes.map((node) => node.ipv6)).toEqual([plain.address("IPv6"), routed.address("IPv6")]);
  });

  test("a machine with IPv6 switched off: hub and node start and work over IPv4", async () => {
    await using fleet = await openNetFleet({}, { ipv6: false });
    const node = await fleet.machine("a", ["IPv4"]);
    const { ipv4, ipv6 } = await node.join();
    expect({ ipv4, ipv6 }).toEqual({ ipv4: node.address("IPv4"), ipv6: null });
    await served(fleet, "one", "IPv4");
  });

  const preferences: [IpPreference, "IPv4" | "IPv6"][] = [
    ["ipv4", "IPv4"],
    ["ipv6-only", "IPv6"],
    ["ipv4-only", "IPv4"],
  ];
  for (const [preference, family] of preferences) {
    const other = family === "IPv4" ? "IPv6" : "IPv4";
    const strict = preference.endsWith("-only");
    test(`IP_PREFERENCE=${preference} uses ${family}, and ${strict ? "never" : "else"} ${other}`, async () => {
      await using fleet = await openNetFleet({ IP_PREFERENCE: preference });
      const [open, shut] = [
        await fleet.machine("open", BOTH),
        await fleet.machine("shut", BOTH, { models: ["other"] }),
      ];
      await Promise.all([open.join(), shut.join()]);
      await proven(fleet, "shut", strict ? 1 : 2);
      shut.space.block(family, NODE_PORT, "reset");
      await served(fleet, "one", family);
      const { status, log } = await fleet.job("two", { model: "other" });
      expect({ status, family: log.ip_version }).toEqual(
        strict ? { status: 503, family } : { status: 200, family: other },
      );
      expect(await shut.executions("two")).toBe(strict ? 0 : 1);
    });
  }

  test("IP_PREFERENCE=ipv6-only gives nothing to a node that has only IPv4", async () => {
    await using fleet = await openNetFleet({ IP_PREFERENCE: "ipv6-only" });
    const node = await fleet.machine("a", ["IPv4"]);
    await node.join();
    const { status, body } = await fleet.job("one");
    expect({ status, body: JSON.parse(body) }).toEqual({
      status: 503,
      body: { detail: "No healthy nodes available for requested model" },
    });
  });
});

describe.skipIf(reason !== null)("what a heartbeat says of addresses", () => {
  for (const [over, kept] of [["IPv4", "IPv6"] as const, ["IPv6", "IPv4"] as const]) {
    test(`a heartbeat over ${over} replaces the reported ${over} address and keeps the ${kept} one`, async () => {
      await using fleet = await openNetFleet();
      const node = await fleet.machine("a", BOTH);
      const hub = over === "IPv4" ? node.hubAddress("IPv4") : `[${node.hubAddress("IPv6")}]`;
      const wrong = { ADVERTISE_IPV4: "192.0.2.77", ADVERTISE_IPV6: "2001:db8:dead::77" };
      const { ipv4, ipv6 } = await node.join({ SERVER_URL: `http://${hub}:8000`, ...wrong });
      expect({ ipv4, ipv6 }).toEqual(
        over === "IPv4"
          ? { ipv4: node.address("IPv4"), ipv6: wrong.ADVERTISE_IPV6 }
          : { ipv4: wrong.ADVERTISE_IPV4, ipv6: node.address("IPv6") },
      );
      await served(fleet, "one", over);
    });
  }
});

describe.skipIf(reason !== null)("an address that does not connect", () => {
  test("black-holed IPv6 costs the first job the stagger and the next ones nothing, until a probe gets through", async () => {
    await using fleet = await openNetFleet();
    const node = await fleet.machine("a", BOTH, { tokensPerSecond: 20 });
    await node.join();
    await proven(fleet, "a");
    const unblock = node.space.block("IPv6", NODE_PORT, "drop");

    const short = { options: { num_predict: 1 } };
    const first = await fleet.job("first", short);
    expect(first).toMatchObject({ status: 200, log: { ip_version: "IPv4" } });
    expect(first.log.duration_ms).toBeLessThan(2000);
    expect(await reachable(fleet, "a", "IPv6")).toBe(false);
    const next = [];
    for (const prompt of ["second", "third", "fourth"]) next.push(await fleet.job(prompt, short));
    expect(next.map(({ log }) => log.ip_version)).toEqual(["IPv4", "IPv4", "IPv4"]);
    for (const prompt of ["first", "second", "third", "fourth"]) expect(await node.executions(prompt)).toBe(1);
    figure("black-holed IPv6, first job", first.log.duration_ms);
    figure("black-holed IPv6, next jobs", ...next.map(({ log }) => log.duration_ms));

    // While a node works it is probed every three seconds, else every thirty.
    const long = fleet.job("long", { options: { num_predict: 100 } });
    unblock();
    await fleet.nodeThat("a", ({ routes }) => routes[0]?.reachable === true);
    expect((await fleet.job("healed", short)).log.ip_version).toBe("IPv6");
    expect(await long).toMatchObject({ status: 200, log: { ip_version: "IPv4" } });
  });

  // Needs jobs that never reuse a connection: on one that was kept nothing tells that the way is gone.
  for (const how of ["drop", "reset"] satisfies Block[]) {
    test(`IPv6 that fails (${how}) a moment after a job on it costs the next job at most the stagger`, async () => {
      await using fleet = await openNetFleet({ NODE_REQUEST_TIMEOUT: "5", MODEL_LOAD_TIMEOUT: "5" });
      const node = await fleet.machine("a", BOTH);
      await node.join();
      await served(fleet, "before", "IPv6");
      node.space.block("IPv6", NODE_PORT, how);
      const first = await served(fleet, "after", "IPv4");
      expect(first).toBeLessThan(2000);
      expect(await node.executions("after")).toBe(1);
      figure(`IPv6 fails (${how}) after a job on it, next job`, first);
    });
  }

  for (const how of ["reset", "prohibited"] satisfies Block[]) {
    const answered = how === "reset" ? "refused" : "administratively prohibited (ICMP)";
    test(`IPv6 that is ${answered} costs at most the stagger, once`, async () => {
      await using fleet = await openNetFleet();
      const node = await fleet.machine("a", BOTH);
      await node.join();
      await proven(fleet, "a");
      node.space.block("IPv6", NODE_PORT, how);
      const first = await served(fleet, "first", "IPv4");
      expect(await reachable(fleet, "a", "IPv6")).toBe(false);
      const next = [await served(fleet, "second", "IPv4"), await served(fleet, "third", "IPv4")];
      expect(first).toBeLessThan(2000);
      for (const prompt of ["first", "second", "third"]) expect(await node.executions(prompt)).toBe(1);
      figure(`IPv6 ${answered}, first job`, first);
      figure(`IPv6 ${answered}, next jobs`, ...next);
    });
  }

  test("IPv6 that was never there costs nothing: a job goes where the node has proven to be", async () => {
    await using fleet = await openNetFleet();
    const node = await fleet.machine("a", BOTH);
    node.space.block("IPv6", NODE_PORT, "drop");
    await node.join();
    expect(await served(fleet, "first", "IPv4")).toBeLessThan(2000);
    expect(await reachable(fleet, "a", "IPv6")).not.toBe(true);
  });

  test("a node that is black-holed on both families loses the job to another node", async () => {
    await using fleet = await openNetFleet();
    const [dead, alive] = [
      await fleet.machine("dead", BOTH),
      await fleet.machine("alive", BOTH, { tokensPerSecond: 20, models: ["llama3", "other"] }),
    ];
    await Promise.all([dead.join(), alive.join()]);
    await proven(fleet, "dead");
    dead.space.block("IPv4", NODE_PORT, "drop");
    dead.space.block("IPv6", NODE_PORT, "drop");
    // With work on it the other node is the busier one, so that the dead one is chosen first.
    const work = fleet.job("work", { model: "other", options: { num_predict: 70 } });
    await fleet.nodeThat("alive", (node) => node.active_jobs === 1);

    const { status, log } = await fleet.job("one", { options: { num_predict: 1 } });
    expect(status).toBe(200);
    expect(log.attempts.map((attempt) => attempt.node_id)).toEqual(["dead", "alive"]);
    expect(log.attempts[0]?.outcome).toBe("unreachable");
    expect(log.attempts[0]?.duration_ms).toBeLessThan(4000);
    expect([await dead.executions("one"), await alive.executions("one")]).toEqual([0, 1]);
    figure("both families black-holed, until the next node", log.attempts[0]?.duration_ms ?? 0);
    expect((await work).status).toBe(200);
  });

  test("jobs whose connections come through late on both families are each executed once", async () => {
    await using fleet = await openNetFleet();
    const node = await fleet.machine("a", BOTH);
    await node.join({ NODE_SLOTS: "20" });
    await proven(fleet, "a");
    const unblock = (["IPv4", "IPv6"] as const).map((family) => node.space.block(family, NODE_PORT, "drop"));
    const prompts = Array.from({ length: 20 }, (_, index) => `late ${index}`);
    const jobs = prompts.map((prompt) => fleet.job(prompt));
    await fleet.nodeThat("a", ({ active_jobs }) => active_jobs === 20);
    // Both families have been dialled after the stagger; the kernel asks again after a second.
    await Bun.sleep(400);
    for (const remove of unblock) remove();
    expect((await Promise.all(jobs)).map(({ status }) => status)).toEqual(prompts.map(() => 200));
    expect(await Promise.all(prompts.map((prompt) => node.executions(prompt)))).toEqual(prompts.map(() => 1));
  });
});
