/** `ollama-hub key …`, as typed beside a hub. What a hub makes of it is in `keys_test.ts`. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { typed } from "../testing/typed.ts";

function open() {
  const folder = emptyStateFolder();
  return { folder, command: (...words: string[]) => typed(words, { environment: { STATE_DIR: folder } }) };
}

test("after the last key it says which file to delete", () => {
  const { command, folder } = open();
  command("key", "add", "one");
  expect(command("key", "revoke", "one").text).toContain(`delete ${join(folder, "keys.json")} and restart the hub`);
  expect(command("key", "list").text).toContain(`delete ${join(folder, "keys.json")} and restart the hub`);
});

test("two keys do not share a name, and one that is not there cannot be revoked", () => {
  const { command } = open();
  expect(command("key", "add", "a").code).toBe(0);
  expect(command("key", "add", "a")).toMatchObject({ code: 2, text: expect.stringContaining("already") });
  expect(command("key", "revoke", "b")).toMatchObject({ code: 1, text: expect.stringContaining("no key b") });
  expect(command("key", "list").text).toMatch(/a +caller/);
});
