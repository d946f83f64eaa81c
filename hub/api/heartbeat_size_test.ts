/** How much a heartbeat may say: little from a stranger, much from a node with a key, and no names without end. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { signedHeartbeat } from "../../shared/testing/signed_heartbeat.ts";
import { startTestHub, type TestHub } from "../../shared/testing/start_hub.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";

const models = (count: number) => Array.from({ length: count }, (_, index) => `model-${index}:latest`);
const details = { parent_model: "", format: "gguf", family: "qwen2", families: ["qwen2"], parameter_size: "7.6B" };
const tags = (count: number) =>
  models(count).map((name) => ({
    name,
    digest: "d".repeat(64),
    size: 1,
    modified_at: "2026-11-23T06:00:00Z",
    details,
  }));
const beat = (count: number) => ({ node_id: "a", port: 8001, models: models(count), tags: tags(count) });

let open: TestHub;
let closed: TestHub;
beforeAll(() => {
  open = startTestHub({ environment: { STATE_DIR: emptyStateFolder() } });
  closed = startTestHub({ environment: { STATE_DIR: emptyStateFolder(), JOIN: "closed" } });
});
afterAll(() => Promise.all([open.stop(), closed.stop()]));

describe("a node with a key", () => {
  test("may tell of a thousand models with all that Ollama says of them", async () => {
    expect((await signedHeartbeat(open.url, beat(1_000))).kind).toBe("accepted");
  });

  test("may not tell of ten thousand", async () => {
    const outcome = await signedHeartbeat(open.url, { ...beat(10_000), node_id: "b" });
    expect(outcome).toMatchObject({ kind: "rejected", reason: "status 413: A heartbeat is larger than 2 MB" });
  });
});

describe("an agent without a key", () => {
  test("may tell the names of a thousand models", async () => {
    const { tags: _, ...names } = beat(1_000);
    expect((await open.heartbeat({ ...names, node_id: "old" })).status).toBe(200);
  });

  test("may not tell more than 64 kB, with its length said or not", async () => {
    const body = JSON.stringify({ ...beat(1_000), node_id: "large" });
    const piecewise = new Blob([body]).stream();
    for (const each of [body, piecewise]) {
      const response = await fetch(`${open.url}/nodes/heartbeat`, { method: "POST", body: each });
      expect(response.status).toBe(413);
      expect(await response.text()).toContain("larger than 64 kB");
    }
  });
});

test("a hub that is closed to unknown nodes reads no long heartbeat of theirs", async () => {
  const outcome = await signedHeartbeat(closed.url, beat(1_000));
  expect(outcome).toMatchObject({ kind: "rejected", reason: expect.stringContaining("larger than 64 kB") });
});
