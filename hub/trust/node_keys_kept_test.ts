/** What is kept of nodes' keys: tokens that are not wasted, names that are not lost, files that are checked. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newIdentity } from "../../shared/identity.ts";
import { readJoinToken } from "../../shared/join_token.ts";
import { HEADERS } from "../../shared/protocol.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { hubIn, judge, keptIdentity, type Letter, nodeOf, status, statuses } from "../testing/letters.ts";
import { NEW_TOKEN } from "./join_tokens.ts";

/** What a node has that was given `token`. */
function tokenOf(token: string) {
  const joinToken = readJoinToken(token);
  if (joinToken === null) throw new Error(token);
  return joinToken;
}

describe("a join token", () => {
  const uses = ({ joinTokens }: ReturnType<typeof hubIn>) => joinTokens.list().at(-1)?.uses;

  test("is not used up by the captured heartbeat of a node that is away", () => {
    const hub = hubIn();
    const joinToken = tokenOf(hub.joinTokens.create({ ...NEW_TOKEN, uses: 10 }).token);
    const captured = nodeOf("a", newIdentity(), { joinToken }).write();
    expect(status(hub, captured)).toBe(200);
    expect(statuses(hub, () => captured)).toEqual([409]);
    expect(uses(hub)).toBe(9);
    // Nor by turns with another one under the same name.
    const other = nodeOf("a", newIdentity(), { joinToken });
    expect(status(hub, other.write())).toBe(200);
    expect(statuses(hub, () => captured)).toEqual([409]);
    expect(uses(hub)).toBe(8);
  });

  test("is not used up by a node for which there is no room", () => {
    const stateDir = emptyStateFolder();
    const identity = newIdentity();
    const { publicKey: key } = newIdentity();
    mkdirSync(stateDir, { recursive: true });
    const full = Array.from({ length: 10_000 }, (_, index) => [`n${index}`, { key, kept: true, seen: "2025-12-31" }]);
    writeFileSync(join(stateDir, "node_keys.json"), JSON.stringify(Object.fromEntries(full)));
    const hub = hubIn(stateDir, identity);
    const joinToken = tokenOf(hub.joinTokens.create(NEW_TOKEN).token);
    expect(status(hub, nodeOf("late", keptIdentity(), { joinToken }).write())).toBe(403);
    expect(uses(hub)).toBe(10);
  });

  test("made before a node was forgotten does not let it in again, one made after that does", async () => {
    const hub = hubIn();
    const joinToken = tokenOf(hub.joinTokens.create(NEW_TOKEN).token);
    const identity = keptIdentity();
    const node = nodeOf("a", identity, { joinToken });
    const first = node.write();
    expect(status(hub, first)).toBe(200);
    await hub.clock.advance(1_000);
    expect(hub.keys.forget("a")).toBe(true);
    expect(status(hub, first)).toBe(409);
    expect(judge(hub, node.write())).toMatchObject({
      status: 403,
      detail: expect.stringContaining("was forgotten at this hub after the join token had been made"),
    });
    const again = hub.restart("hub-2");
    expect(status(again, node.write("hub-2"))).toBe(403);
    expect(uses(again)).toBe(9);
    await again.clock.advance(2_000);
    const newer = tokenOf(again.joinTokens.create(NEW_TOKEN).token);
    expect(status(again, nodeOf("a", identity, { joinToken: newer }).write("hub-2"))).toBe(200);
    expect(status(again, nodeOf("b", keptIdentity(), { joinToken }).write("hub-2"))).toBe(200);
  });
});

test("an older agent that comes after a key which ended with its agent has the name for good", () => {
  const hub = hubIn();
  expect(status(hub, nodeOf("a", newIdentity()).write())).toBe(200);
  const bare = { text: JSON.stringify({ node_id: "a", port: 9009, models: [] }), headers: new Headers() };
  expect(status(hub, bare)).toBe(200);
  hub.present.add("a");
  expect(statuses(hub, () => bare)).toEqual([200]);
  expect(hub.alarms).toEqual([]);
});

test("a name nobody came by for a year, as far as the hub's clock says, is kept as long as there is room", () => {
  const stateDir = emptyStateFolder();
  mkdirSync(stateDir, { recursive: true });
  const binding = { key: newIdentity().publicKey, kept: true, seen: "2025-01-01" };
  writeFileSync(join(stateDir, "node_keys.json"), JSON.stringify({ a: binding }));
  const hub = hubIn(stateDir);
  expect(hub.keys.keyOf("a")).not.toBeNull();
  expect(status(hub, nodeOf().write())).toBe(409);
  const full = Array.from({ length: 10_000 }, (_, index) => [
    `n${index}`,
    index === 7 ? binding : { ...binding, seen: "2025-12-31" },
  ]);
  writeFileSync(join(stateDir, "node_keys.json"), JSON.stringify(Object.fromEntries(full)));
  const crowded = hubIn(stateDir);
  expect(status(crowded, nodeOf("late").write())).toBe(200);
  expect(crowded.keys.keyOf("n7")).toBeNull();
  expect(status(crowded, nodeOf("later").write())).toBe(403);
});

test.each([
  ["[", "is not JSON"],
  ['{"a":{"key":"x","kept":true,"seen":"2026-11-23"}}', "expected an Ed25519 key"],
  ['{"a":{"kept":true,"seen":"2026-11-23"}}', "is required"],
  ['{"../a":{}}', "Invalid key"],
  ["7", "expected object"],
])("a file of keys that is none keeps the hub from starting, and is named: %s", (text, words) => {
  const stateDir = emptyStateFolder();
  mkdirSync(stateDir, { recursive: true });
  writeFileSync(join(stateDir, "node_keys.json"), text);
  expect(() => hubIn(stateDir)).toThrow(words);
  expect(() => hubIn(stateDir)).toThrow(join(stateDir, "node_keys.json"));
});

test("what a stranger may say is short, and what a node of this hub says may be long", () => {
  const hub = hubIn();
  const headers = (letter: Letter, name?: string) => {
    const all = new Headers(letter.headers);
    if (name !== undefined) all.set(HEADERS.nodeId, name);
    return all;
  };
  const known = nodeOf("a");
  expect(hub.keys.mayBeLong(new Headers())).toBe(false);
  expect(hub.keys.mayBeLong(headers(known.write()))).toBe(true);
  expect(status(hub, known.write())).toBe(200);
  const joinToken = tokenOf(hub.joinTokens.create(NEW_TOKEN).token);
  expect(hub.keys.mayBeLong(headers(nodeOf("b").write(), "b"))).toBe(false);
  expect(hub.keys.mayBeLong(headers(nodeOf("b", newIdentity(), { joinToken }).write(), "b"))).toBe(true);
  expect(hub.keys.mayBeLong(headers(known.write(), "a"))).toBe(true);
});
