import { expect, test } from "bun:test";
import { type ModelKey, modelKey } from "../shared/model_name.ts";
import { type Continuity, createConversations } from "./conversations.ts";
import { fakeFleet } from "./testing/fake_fleet.ts";

const LLAMA = modelKey("llama3");
const MISTRAL = modelKey("mistral");

const none: Continuity = { kind: "none" };
const same: Continuity = { kind: "always the same" };
const conversation = (id: string, begun = false): Continuity => ({ kind: "conversation", id, begun });

const tag = (name: string, digest: string) => ({ name, digest, size: 1, modified_at: "2026-01-01T00:00:00Z" });

/** Nodes by name, each with its digest of llama3; null tells no digests. */
function open(digests: Record<string, string | null>) {
  const fleet = fakeFleet();
  const tell = (node_id: string, digest: string | null) =>
    fleet.beat({
      node_id,
      boot_id: `boot-${node_id}`,
      ...(digest === null ? {} : { tags: [tag("llama3:latest", digest)] }),
    });
  for (const [id, digest] of Object.entries(digests)) tell(id, digest);
  const conversations = createConversations(fleet.registry);
  const digestFor = (continuity: Continuity, key: ModelKey = LLAMA) => conversations.digestFor({ key, continuity });
  const servedBy = (continuity: Continuity, id: string) =>
    conversations.servedBy({ key: LLAMA, continuity }, fleet.node(id));
  return { fleet, tell, digestFor, servedBy };
}

test.each<[what: string, digests: Record<string, string | null>]>([
  ["no node", {}],
  ["one node", { a: "x" }],
  ["nodes that agree", { a: "x", b: "x" }],
  ["nodes that do not tell", { a: null, b: null }],
  ["one that tells and one that does not", { a: "x", b: null }],
])("with %s nothing is asked for", (_, digests) => {
  const { digestFor, servedBy } = open(digests);
  if (digests.a !== undefined) servedBy(conversation("1"), "a");
  for (const continuity of [none, same, conversation("1"), conversation("1", true)]) {
    expect(digestFor(continuity)).toBeNull();
  }
});

test("nodes that disagree about another model matter nothing to this one", () => {
  const { digestFor } = open({ a: "x", b: "y" });
  expect(digestFor(same, MISTRAL)).toBeNull();
});

test("embeddings always ask for what most nodes have", () => {
  const { digestFor, servedBy } = open({ a: "x", b: "y", c: "y" });
  expect(digestFor(same)).toBe("y");
  servedBy(same, "a");
  expect(digestFor(same)).toBe("y");
});

test("a question of its own may go to any", () => {
  expect(open({ a: "x", b: "y" }).digestFor(none)).toBeNull();
});

test("a conversation that begins may go to any, and then stays with what answered it", () => {
  const { digestFor, servedBy } = open({ a: "x", b: "y", c: "y" });
  expect(digestFor(conversation("1"))).toBeNull();
  servedBy(conversation("1"), "a");
  expect(digestFor(conversation("1", true))).toBe("x");
  // Asked again in the same words, as "regenerate" does.
  expect(digestFor(conversation("1"))).toBe("x");
  expect(digestFor(conversation("2"))).toBeNull();
});

test("a conversation that was begun before this hub knew of it goes to what most nodes have", () => {
  expect(open({ a: "x", b: "y", c: "y" }).digestFor(conversation("1", true))).toBe("y");
});

test("a conversation whose manifest no node has any more moves on, and stays with what it moved to", () => {
  const { tell, digestFor, servedBy } = open({ a: "x", b: "y", c: "z" });
  servedBy(conversation("1"), "a");
  tell("a", "z");
  expect(digestFor(conversation("1", true))).toBe("z");
  servedBy(conversation("1", true), "b");
  expect(digestFor(conversation("1", true))).toBe("y");
});

test("a node that does not tell its manifests changes nothing by answering", () => {
  const { digestFor, servedBy } = open({ a: "x", b: "y", c: null });
  servedBy(conversation("1"), "a");
  servedBy(conversation("1", true), "c");
  expect(digestFor(conversation("1", true))).toBe("x");
});

test("ten thousand conversations are remembered; the one silent for longest is forgotten first", () => {
  const { digestFor, servedBy } = open({ a: "x", b: "y", c: "y" });
  for (let id = 0; id < 10_000; id++) servedBy(conversation(String(id)), "a");
  // The oldest speaks again, so the next oldest goes.
  servedBy(conversation("0", true), "a");
  servedBy(conversation("one more"), "a");
  expect(digestFor(conversation("0", true))).toBe("x");
  expect(digestFor(conversation("1", true))).toBe("y");
  expect(digestFor(conversation("2", true))).toBe("x");
  expect(digestFor(conversation("one more", true))).toBe("x");
});

test("the node of the turn before is remembered, also where nodes tell no digests", () => {
  const fleet = fakeFleet();
  fleet.beat();
  const conversations = createConversations(fleet.registry);
  const last = (continuity: Continuity) => conversations.lastNodeOf({ continuity });
  conversations.servedBy({ key: LLAMA, continuity: conversation("1") }, fleet.node());
  conversations.servedBy({ key: LLAMA, continuity: none }, fleet.node());
  expect(last(conversation("1", true))).toBe("a");
  // A first turn that begins like another conversation's is none of it.
  expect([conversation("1"), conversation("2", true), none, same].map(last)).toEqual([null, null, null, null]);
});
