/** `ollama-hub node …` and `ollama-hub identity …`, as typed beside a hub that runs. */
import { expect, test } from "bun:test";
import { loadIdentity } from "../../shared/identity.ts";
import { readJoinToken } from "../../shared/join_token.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { hubIn, keptIdentity, nodeOf, status } from "../testing/letters.ts";
import { NEW_TOKEN } from "../trust/join_tokens.ts";
import { runCommand } from "./command_line.ts";

function type(stateDir: string, words: string, now = new Date("2026-01-01T00:00:01Z")) {
  const said: string[] = [];
  const print = (text: string) => void said.push(text);
  const environment = { STATE_DIR: stateDir };
  const code = runCommand(words.split(" "), { environment, now: () => now, print, complain: print });
  return { code, said: said.join("\n") };
}

test("a name that was forgotten by the command line is free within a second, in the hub that runs too", async () => {
  const hub = hubIn();
  const node = nodeOf("a");
  expect(status(hub, node.write())).toBe(200);
  expect(status(hub, nodeOf("b").write())).toBe(200);
  expect(type(hub.stateDir, "node list").said).toContain(hub.keys.keyOf("a") ?? "?");
  expect(type(hub.stateDir, "node forget a")).toMatchObject({
    code: 0,
    said: expect.stringContaining("stop that first"),
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
  const { said } = type(hub.stateDir, "node list");
  expect(said).toContain("b  ");
  expect(said).not.toContain("a  ");
});

test("a node that was forgotten by the command line needs a token made after that", async () => {
  const hub = hubIn();
  const joinToken = readJoinToken(hub.joinTokens.create(NEW_TOKEN).token);
  const node = nodeOf("a", keptIdentity(), { joinToken });
  expect(status(hub, node.write())).toBe(200);
  expect(type(hub.stateDir, "node forget a").said).toContain("needs a token made from now on");
  await hub.clock.advance(1_000);
  expect(status(hub, node.write())).toBe(403);
});

test("a name nobody has, a command that is none: refused with what would be right", () => {
  const stateDir = emptyStateFolder();
  expect(type(stateDir, "node list").said).toBe("No node has come with a key yet.");
  expect(type(stateDir, "node forget a")).toEqual({
    code: 1,
    said: "no key is known of a node a: see ollama-hub node list",
  });
  expect(type(stateDir, "node forget").code).toBe(2);
  expect(type(stateDir, "node drop a").code).toBe(2);
  expect(type(stateDir, "identity show").code).toBe(2);
});

test("a hub's key can be changed, and its nodes follow", () => {
  const stateDir = emptyStateFolder();
  const hub = hubIn(stateDir, loadIdentity(stateDir, "hub"));
  const node = nodeOf("a");
  const letter = node.write();
  expect(status(hub, letter)).toBe(200);
  expect(node.learnFrom(hub, letter)).toBeNull();
  const { said } = type(stateDir, "identity rotate");
  const identity = loadIdentity(stateDir, "hub");
  expect(said).toContain(identity.id);
  const again = hubIn(stateDir, identity, "hub-2");
  const next = node.write("hub-2");
  expect(status(again, next)).toBe(200);
  expect(node.learnFrom(again, next)).toBeNull();
});
