/** `ollama-hub identity …`, as typed beside a hub. */
import { expect, test } from "bun:test";
import { loadIdentity } from "../../shared/identity.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { hubIn, nodeOf, status } from "../testing/letters.ts";
import { command } from "../testing/typed.ts";

test("a hub's key can be changed, and its nodes follow", () => {
  const stateDir = emptyStateFolder();
  const hub = hubIn(stateDir, loadIdentity(stateDir, "hub"));
  const node = nodeOf("a");
  const letter = node.write();
  expect(status(hub, letter)).toBe(200);
  expect(node.learnFrom(hub, letter)).toBeNull();
  const text = command(stateDir, "identity", "rotate");
  const identity = loadIdentity(stateDir, "hub");
  expect(text).toContain(identity.id);
  const again = hubIn(stateDir, identity, "hub-2");
  const next = node.write("hub-2");
  expect(status(again, next)).toBe(200);
  expect(node.learnFrom(again, next)).toBeNull();
});
