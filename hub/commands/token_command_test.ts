/** `ollama-hub token …`, as typed beside a hub. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { loadIdentity } from "../../shared/identity.ts";
import { readJoinToken } from "../../shared/join_token.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { typed } from "../testing/typed.ts";

test("a token says for how many, until when, for which hub, and what to write on a node", () => {
  const folder = emptyStateFolder();
  const now = new Date("2026-01-01T00:00:00Z");
  const command = (...words: string[]) => typed(words, { environment: { STATE_DIR: folder }, now: () => now });
  const refused = command("token", "create");
  expect(refused).toMatchObject({
    code: 1,
    text: expect.stringContaining(`no hub has run with this STATE_DIR, ${folder}`),
  });
  expect(existsSync(folder)).toBe(false);
  loadIdentity(folder, "hub");
  const { code, text } = command("token", "create");
  expect(code).toBe(0);
  const [, token = ""] = /^JOIN_TOKEN=(\S+)$/m.exec(text) ?? [];
  expect(readJoinToken(token)?.hubId).toBe(loadIdentity(folder, "hub").id);
  const tomorrow = new Date(now.getTime() + 24 * 3_600_000).toISOString();
  expect(text).toContain(`good for 10 nodes, until ${tomorrow}`);
  expect(text).toContain(folder);
  expect(command("token", "create", "--uses", "1").text).toContain("good for 1 node, until");
  expect(command("token", "create", "--node", "b").text).toContain("good for node b only, until");
});
