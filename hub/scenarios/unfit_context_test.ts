/** A request with a context that is too large for a machine, and those after it, over real sockets. */
import { expect, test } from "bun:test";
import { startFleet } from "../../shared/testing/start_fleet.ts";

test("one request with too large a context keeps no other request from an idle machine", async () => {
  await using fleet = await startFleet({ slots: 1 });
  const ask = async (more: object = {}, headers: Record<string, string> = {}) => {
    const body = JSON.stringify({ model: "llama3", prompt: "why", ...more });
    const response = await fetch(`${fleet.hub.url}/api/generate`, { method: "POST", headers, body });
    await response.text();
    return `${response.status} ${response.headers.get("x-node-id")}`;
  };
  fleet.ollama("a").fault({ kind: "outOfMemory" });
  const refused = await ask({ options: { num_ctx: 131_072 } }, { "X-Node-Id": "a" });
  expect(refused).toStartWith("500");
  fleet.ollama("b").configure({ firstTokenMs: 2_000 });
  const long = ask({}, { "X-Node-Id": "b" });
  await fleet.hub.nodeThat("b", ({ active_jobs }) => active_jobs === 1);
  expect(await ask()).toBe("200 a");
  await long;
});
