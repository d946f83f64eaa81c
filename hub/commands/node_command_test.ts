/** `ollama-hub node …`, as typed beside a hub that runs. */
import { expect, test } from "bun:test";
import { readJoinToken } from "../../shared/join_token.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { hubIn, keptIdentity, nodeOf, status } from "../testing/letters.ts";
import { typed } from "../testing/typed.ts";
import { NEW_TOKEN } from "../trust/join_tokens.ts";

function type(stateDir: string, words: string) {
  const now = () => new Date("2026-01-01T00:00:01Z");
  return typed(words.split(" "), { environment: { STATE_DIR: stateDir }, now });
}

test("a name that was forgotten by the command line is free within a second, in the hub that runs too", async () => {
  const hub = hubIn();
  const node = nodeOf("a");
  expect(status(hub, node.write())).toBe(200);
  expect(status(hub, nodeOf("b").write())).toBe(200);
  expect(type(hub.stateDir, "node list").text).toContain(hub.keys.keyOf("a") ?? "?");
  expect(type(hub.stateDir, "node forget a")).toMatchObject({
    code: 0,
    text: expect.stringContaining("stop that first"),
  });
  await hub.clock.advance(1_000);
  expect(hub.forgotten).toEqual(["a"]);
  expect(hub.keys.keyOf("a")).toBeNull();
  expect(hub.keys.keyOf("b")).not.toBeNull();
  expect(status(hub, nodeOf("a").write())).toBe(200);
  expect(status(hub, node.write())).toBe(409);
});

test("what the hub learns meanwhile and what the command line takes away are both kept", () => {
  const hub = hubIn();
  expect(status(hub, nodeOf("a").write())).toBe(200);
  type(hub.stateDir, "node forget a");
  // It has not looked at the file yet.
  expect(status(hub, nodeOf("b").write())).toBe(200);
  const { text } = type(hub.stateDir, "node list");
  expect(text).toContain("b  ");
  expect(text).not.toContain("a  ");
});

test("a node that was forgotten by the command line needs a token made after that", async () => {
  const hub = hubIn();
  const joinToken = readJoinToken(hub.joinTokens.create(NEW_TOKEN).token);
  const node = nodeOf("a", keptIdentity(), { joinToken });
  expect(status(hub, node.write())).toBe(200);
  expect(type(hub.stateDir, "node forget a").text).toContain("needs a token made from now on");
  await hub.clock.advance(1_000);
  expect(status(hub, node.write())).toBe(403);
});

test("a name nobody has, a command that is none: refused with what would be right", () => {
  const stateDir = emptyStateFolder();
  expect(type(stateDir, "node list").text).toBe("No node has come with a key yet.");
  expect(type(stateDir, "node forget a")).toEqual({
    code: 1,
    text: "no key is known of a node a: see ollama-hub node list",
  });
  expect(type(stateDir, "node forget").code).toBe(2);
  expect(type(stateDir, "node drop a").code).toBe(2);
});
