/** What a node keeps of the hub it trusts, and what it says when that cannot be read or does not fit. */
import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Identity, newIdentity } from "../shared/identity.ts";
import { answerText } from "../shared/signed_text.ts";
import { emptyStateFolder } from "../shared/testing/state_folder.ts";
import { createHubTrust } from "./hub_trust.ts";

const identity = newIdentity();

function folderWith(pin: string | null): string {
  const folder = emptyStateFolder();
  mkdirSync(folder, { recursive: true });
  if (pin !== null) writeFileSync(join(folder, "hub.pin"), pin);
  return folder;
}

function trustIn(stateDir: string, more: Partial<Parameters<typeof createHubTrust>[0]> = {}) {
  const warnings: string[] = [];
  const trust = createHubTrust({
    identity,
    stateDir,
    serverUrl: "http://hub:8000",
    nodeId: "a",
    bootId: "b",
    joinToken: null,
    acceptHub: false,
    now: () => 0,
    mayLeadHere: () => true,
    onWarning: (sentence) => warnings.push(sentence),
    ...more,
  });
  /** `hub` answers a heartbeat. */
  const meet = (hub: Identity) => {
    const [hubBootId, timeMs] = ["h", 5];
    const signed = { nodeId: "a", nodeKey: identity.publicKey, bootId: "b", seq: 1, hubKey: hub.publicKey };
    const signature = hub.sign(answerText({ ...signed, hubBootId, timeMs }));
    const words = { public_key: hub.publicKey, boot_id: hubBootId, time_ms: timeMs, signature };
    return trust.learn({ node_id: "a", status: "ok", hub: words }, 1);
  };
  return { trust, warnings, meet };
}

test.each([
  "",
  "{",
  "[]",
  "{}",
  "null",
  '"x"',
  "7",
  '{"http://hub:8000":7}',
  '{"http://hub:8000":"short"}',
  '{"http://other":1}',
])("a hub.pin that holds %j stops the start, and says what to do", (pin) => {
  const stateDir = folderWith(pin);
  expect(() => trustIn(stateDir)).toThrow(
    `${join(stateDir, "hub.pin")} does not say whom this node trusts: restore it, or delete it`,
  );
  // Whoever says that the hub that answers next is the one need not restore it.
  const { meet } = trustIn(stateDir, { acceptHub: true });
  const hub = newIdentity();
  expect(meet(hub)).toBeNull();
  expect(trustIn(stateDir).trust.trusted().hubKey).toBe(hub.publicKey);
});

test("a hub.pin that cannot be read stops the start", () => {
  const stateDir = folderWith(null);
  mkdirSync(join(stateDir, "hub.pin"));
  expect(() => trustIn(stateDir)).toThrow(`${join(stateDir, "hub.pin")} cannot be read`);
});

test("where there is no hub.pin, or no folder, nobody is trusted yet", () => {
  expect(trustIn(folderWith(null)).trust.trusted().hubKey).toBeNull();
  expect(trustIn(emptyStateFolder()).trust.trusted().hubKey).toBeNull();
});

test("another hub at another SERVER_URL is trusted with a word about the one before, the same hub without one", () => {
  const stateDir = folderWith(null);
  const [known, other] = [newIdentity(), newIdentity()];
  const first = trustIn(stateDir);
  expect([first.meet(known), first.warnings]).toEqual([null, []]);
  const sameHub = trustIn(stateDir, { serverUrl: "http://hub.lan:8000" });
  expect([sameHub.meet(known), sameHub.warnings]).toEqual([null, []]);

  const moved = trustIn(stateDir, { serverUrl: "http://hub-2:8000" });
  expect(moved.meet(other)).toBeNull();
  expect(moved.warnings).toEqual([expect.stringContaining("this node knew another hub at http://hub:8000")]);
  // Once.
  expect(moved.meet(other)).toBeNull();
  const again = trustIn(stateDir, { serverUrl: "http://hub-2:8000" });
  expect([again.meet(other), again.warnings, moved.warnings.length]).toEqual([null, [], 1]);
  expect(Object.keys(JSON.parse(readFileSync(join(stateDir, "hub.pin"), "utf8")))).toHaveLength(3);
});
