/** The fleet page in front of nodes that join, fail, die, stop and come back: what it says of them, in words. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { noBrowser, openBrowser, reads, type TestBrowser, textOf } from "../shared/testing/browser.ts";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import { startFleet } from "../shared/testing/start_fleet.ts";
import { eventually } from "../shared/testing/start_hub.ts";
import { startNode } from "../shared/testing/start_node.ts";
import { modelsOf, startCrowd } from "./testing/crowd.ts";
import { namesInTable, openerOf, rowOf, tile } from "./testing/fleet_page.ts";

setDefaultTimeout(60_000);

describe.skipIf(noBrowser !== null)("the fleet page", () => {
  let browser: TestBrowser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser[Symbol.asyncDispose]());
  afterEach(() => browser.verify());

  test("with no node it says how to add one, with this hub's address to paste", async () => {
    await using crowd = startCrowd();
    await using view = await browser.open(crowd.hub.url);
    const { page } = view;
    await reads(page.locator("#connection"), "Live");
    const text = await reads(page.locator("#nodes"), "No node is registered");
    expect(text).toContain(`SERVER_URL=${crowd.hub.url} bun run node`);
    expect(await textOf(tile(page, "Nodes online"))).toBe("Nodes online 0 of 0 none registered");

    await crowd.beat({ node_id: "attic" });
    await reads(rowOf(page, "attic"), "Online");
    await reads(tile(page, "Nodes online"), "1 of 1 all may serve");
  });

  test("a node that the hub does not find at its address is shown with what to do about it", async () => {
    await using crowd = startCrowd();
    // Its heartbeats come from 127.0.0.1, where it does not listen: as behind a firewall.
    const node = await startNode({
      nodeId: "behind",
      serverUrl: crowd.hub.url,
      environment: { NODE_HOST: "127.0.0.9" },
    });
    try {
      await using view = await browser.open(crowd.hub.url);
      const { page } = view;
      await reads(rowOf(page, "behind"), "Not ready the hub does not find it at any of its addresses");
      await reads(page.locator("#attention"), `lets port ${node.port} through`);
    } finally {
      await node.stop();
    }
  });

  test("a node joins, dies, comes back and stops while somebody looks", async () => {
    await using fleet = await startFleet({ nodes: ["a", "b"], ollama: { tokens: 1000, tokensPerSecond: 20 } });
    const { hub } = fleet;
    await using view = await browser.open(hub.url);
    const { page } = view;
    await reads(tile(page, "Nodes online"), "2 of 2 all may serve");
    expect(await textOf(tile(page, "Active jobs"))).toBe("Active jobs 0 of 8 slots 0 % in use");
    expect(await textOf(tile(page, "Models"))).toBe("Models 1 1 in memory");

    const third = await startNode({ nodeId: "c", serverUrl: hub.url, ollamaUrl: fleet.ollama("a").url });
    try {
      await reads(tile(page, "Nodes online"), "3 of 3");
      await reads(rowOf(page, "c"), "Online");
    } finally {
      await third.kill();
    }

    await ask(hub.url, "c", "are you there");
    await reads(rowOf(page, "c"), "Degraded it does not answer at any of its addresses");
    await reads(page.locator("#attention"), "Check the network, and that its firewall lets port");
    await reads(tile(page, "Nodes online"), "2 of 3 1 may not serve");
    expect(await page.title()).toContain("1 of 3 nodes may not serve");

    const again = await startNode({
      nodeId: "c",
      serverUrl: hub.url,
      ollamaUrl: fleet.ollama("a").url,
      port: third.port,
    });
    await reads(rowOf(page, "c"), "Online");
    await reads(tile(page, "Nodes online"), "3 of 3 all may serve");
    await again.stop();

    const enough = new AbortController();
    const working = ask(hub.url, "b", "a long story", enough.signal).catch(() => "left");
    await reads(tile(page, "Active jobs"), "1 of ");
    const stopping = fleet.node("b").drain();
    await reads(rowOf(page, "b"), "Stopping finishing its work before it stops");
    await reads(page.locator("#attention"), "It finishes 1 job and takes no new ones");
    enough.abort();
    await Promise.all([working, stopping]);
    await reads(rowOf(page, "b"), "Offline its agent was stopped");
    await page.locator("#happenings summary").click();
    await reads(page.locator("#happenings ol"), "b was stopped");
  });

  test("a node whose Ollama fails again and again is degraded, with the reason", async () => {
    await using fleet = await startFleet({ nodes: ["a"] });
    await using view = await browser.open(fleet.hub.url);
    const { page } = view;
    await reads(rowOf(page, "a"), "Online");
    fleet.ollama("a").fault({ kind: "status", status: 500, times: Number.POSITIVE_INFINITY });
    for (const prompt of ["one", "two", "three"]) await ask(fleet.hub.url, "a", prompt);
    const row = await reads(rowOf(page, "a"), "Degraded");
    const { reason } = await fleet.hub.nodeThat("a", ({ trust }) => trust === "ejected");
    expect(reason).toMatch(/\w+/);
    expect(row).toContain(String(reason).replace(/\s+/g, " "));
    await reads(page.locator("#attention"), "It gets no work now and is tried again in about");
    await reads(rowOf(page, "a").getByRole("cell").nth(7), "3");
    await reads(tile(page, "Nodes online"), "0 of 1 1 may not serve");
  });

  test("a silent node is marked after 60 s, offline at 90 s with how long it has been silent, and goes at 180 s", async () => {
    const clock = fakeClock();
    await using crowd = startCrowd({ clock });
    await crowd.beat({ node_id: "quiet" });
    await crowd.beat({ node_id: "loud" });
    await using view = await browser.open(crowd.hub.url);
    const { page } = view;
    await reads(rowOf(page, "quiet"), "Online");
    const pass = async (seconds: number) => {
      for (let second = 0; second < seconds; second += 5) {
        await crowd.beat({ node_id: "loud" });
        await clock.advance(5000);
      }
    };
    await pass(65);
    await reads(rowOf(page, "quiet"), /Offline no heartbeat for 6[05] s/);
    await pass(30);
    await reads(rowOf(page, "quiet"), /Offline no heartbeat for 9[05] s/);
    await reads(rowOf(page, "loud"), "Online");
    await reads(
      page.locator("#attention"),
      `Check that the machine is on, that its agent runs, and that it reaches ${crowd.hub.url}`,
    );
    await pass(100);
    await eventually(async () => expect(await namesInTable(page)).toEqual(["loud"]));
  });

  test("addresses: each with its reachability and round trip, and which one is in use", async () => {
    const clock = fakeClock();
    await using crowd = startCrowd({ clock });
    crowd.dead.add("[2001:db8::2]");
    await crowd.beat({ node_id: "both" });
    await crowd.beat({ node_id: "old-only" });
    await crowd.beat({ node_id: "no-six", ipv6: null });
    await clock.advance(2000);
    await using view = await browser.open(crowd.hub.url);
    const { page } = view;
    await reads(
      rowOf(page, "both"),
      /IPv6 2001:db8::1 ● reachable, [\d.]+ ms in use IPv4 127\.0\.0\.1 ● reachable, [\d.]+ ms llama3/,
    );
    await reads(
      rowOf(page, "old-only"),
      /IPv6 2001:db8::2 ✕ unreachable IPv4 127\.0\.0\.1 ● reachable, [\d.]+ ms in use/,
    );
    await reads(rowOf(page, "no-six"), /IPv6 none IPv4 127\.0\.0\.1 ● reachable, [\d.]+ ms in use/);
  });

  test("no address that does not answer is in use", async () => {
    const clock = fakeClock();
    await using crowd = startCrowd({ clock });
    for (const host of ["[2001:db8::1]", "127.0.0.1"]) crowd.dead.add(host);
    await crowd.beat({ node_id: "deaf" });
    await clock.advance(2000);
    await using view = await browser.open(crowd.hub.url);
    await reads(rowOf(view.page, "deaf"), /IPv6 2001:db8::1 ✕ unreachable IPv4 127\.0\.0\.1 ✕ unreachable llama3/);
  });

  test.each([1000, 1280])("no heading of the table runs into the next one at %i pixels", async (width) => {
    await using crowd = startCrowd();
    await crowd.beat({ node_id: "a" });
    await using view = await browser.open(crowd.hub.url, { width });
    await reads(rowOf(view.page, "a"), "llama3");
    const wide = await view.page.locator("#nodes thead th").evaluateAll((headings) =>
      headings.flatMap((heading) => {
        const words = heading.querySelector("button")?.getBoundingClientRect().right ?? 0;
        return words > heading.getBoundingClientRect().right - 4 ? [heading.textContent] : [];
      }),
    );
    expect(wide).toEqual([]);
  });

  test("an open row tells everything about its node", async () => {
    await using crowd = startCrowd();
    await crowd.beat({ node_id: "a", ...modelsOf(["llama3:latest", "qwen2.5:7b"], ["llama3:latest"]) });
    await crowd.beat({ node_id: "b", ...modelsOf(["llama3:latest"], [], "b".repeat(64)), metadata: { os: "plan9" } });
    await using view = await browser.open(crowd.hub.url);
    const { page } = view;
    await openerOf(page, "a").click();
    const details = page.locator("#nodes tr.details");
    const text = await reads(details, "The last hour of a");
    expect(text).toContain("llama3:latest 4.7 GB 7.6B Q4_K_M yes, 6.0 GB");
    expect(text).toContain("aaaaaaaaaaaa differs from b");
    expect(text).toContain("qwen2.5:7b 4.7 GB 7.6B Q4_K_M no");
    expect(text).toContain("RTX 4090 40 % busy 8.0 GB of 24 GB");
    expect(text).toContain("0.1.0, Ollama 0.33.0");
    expect(await openerOf(page, "a").getAttribute("aria-expanded")).toBe("true");
    await reads(
      page.locator("#attention"),
      "llama3:latest is not the same model on every node: aaaaaaaaaaaa on a; bbbbbbbbbbbb on b",
    );
    await reads(page.locator("#models"), "llama3:latest differs between nodes 4.7 GB 7.6B Q4_K_M a, b a");

    // It stays open, with the focus where it was, when its node changes.
    await openerOf(page, "a").focus();
    await crowd.beat({ node_id: "a", load: { cpu: 0.77, memory: 0.5 } });
    await reads(rowOf(page, "a"), "77 %");
    expect(await details.count()).toBe(1);
    expect(await page.evaluate("document.activeElement.getAttribute('aria-expanded')")).toBe("true");
    await page.keyboard.press("Enter");
    await eventually(async () => expect(await details.count()).toBe(0));
  });
});

/** A request to one node, read to its end, whatever it is. */
async function ask(hub: string, node: string, prompt: string, signal?: AbortSignal): Promise<string> {
  const response = await fetch(`${hub}/api/chat`, {
    method: "POST",
    headers: { "x-node-id": node },
    body: JSON.stringify({ model: "llama3", messages: [{ role: "user", content: prompt }] }),
    ...(signal ? { signal } : {}),
  });
  return response.text();
}
