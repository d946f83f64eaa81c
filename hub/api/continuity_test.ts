import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Continuity } from "../conversations.ts";
import { continuityOf } from "./continuity.ts";

const user = (content: unknown) => ({ role: "user", content });
const assistant = (content: unknown) => ({ role: "assistant", content });
const system = { role: "system", content: "be brief" };
const chat = (...messages: unknown[]) => ({ model: "llama3", messages });

const idOf = (fields: unknown, path = "/api/chat"): string => {
  const continuity = continuityOf(path, fields);
  if (continuity.kind !== "conversation") throw new Error(`no conversation but ${continuity.kind}`);
  return continuity.id;
};

test.each<[path: string, fields: unknown, kind: Continuity["kind"]]>([
  ["/api/embed", { model: "x", input: "a" }, "always the same"],
  ["/api/embeddings", { model: "x", prompt: "a" }, "always the same"],
  ["/v1/embeddings", { model: "x", input: [user("a")] }, "always the same"],
  ["/api/generate", { model: "x", prompt: "a" }, "none"],
  ["/api/generate", { model: "x", prompt: "a", context: null }, "none"],
  ["/api/generate", { model: "x", prompt: "a", context: [1, 2] }, "always the same"],
  ["/api/generate", { model: "x", prompt: "a", Context: [1, 2] }, "always the same"],
  ["/api/chat", chat(user("a")), "conversation"],
  ["/api/chat", { model: "x", Messages: [{ Role: "user", content: "a" }] }, "conversation"],
  ["/api/chat", chat(system), "none"],
  ["/api/chat", chat(), "none"],
  ["/api/chat", { model: "x", messages: "a" }, "none"],
  ["/v1/chat/completions", chat(user("a")), "conversation"],
  ["/v1/messages", { ...chat(user("a")), system: "be brief" }, "conversation"],
  ["/v1/responses", { model: "x", input: "a" }, "none"],
  ["/v1/responses", { model: "x", input: [user("a")] }, "conversation"],
  ["/v1/completions", { model: "x", prompt: "a" }, "none"],
  ["/v1/audio/transcriptions", { model: "x" }, "none"],
  ["/api/show", { model: "x" }, "none"],
  ["/api/chat", undefined, "none"],
  ["/api/chat", [user("a")], "none"],
  ["/api/chat", chat(null, 7, "user", [user("a")]), "none"],
])("a request to %s with %j has the continuity %p", (path, fields, kind) => {
  expect(continuityOf(path, fields).kind).toBe(kind);
});

test.each<[what: string, messages: unknown[], begun: boolean]>([
  ["one question", [user("a")], false],
  ["a system message and a question", [system, user("a")], false],
  ["an answer", [user("a"), assistant("b")], true],
  ["an answer and another question", [system, user("a"), assistant("b"), user("c")], true],
])("a conversation with %s is begun: %#", (_, messages, begun) => {
  expect(continuityOf("/api/chat", chat(...messages))).toMatchObject({ kind: "conversation", begun });
});

test("every turn of a conversation has the same id", () => {
  const first = idOf(chat(system, user("a")));
  expect(idOf(chat(system, user("a"), assistant("b"), user("c")))).toBe(first);
  expect(idOf(chat(system, user("a"), assistant("another answer"), user("d")))).toBe(first);
});

const long = "You are an assistant with many tools. ".repeat(500);

test.each<[what: string, one: unknown, other: unknown]>([
  ["another question", chat(user("a")), chat(user("b"))],
  ["another system message", chat(system, user("a")), chat(user("a"))],
  ["another model", chat(user("a")), { ...chat(user("a")), model: "mistral" }],
  ["Anthropic's other system text", { ...chat(user("a")), system: "x" }, { ...chat(user("a")), system: "y" }],
  ["other instructions", { ...chat(user("a")), instructions: "x" }, chat(user("a"))],
  [
    "the same long beginning and another question",
    chat({ ...system, content: long }, user("a")),
    chat({ ...system, content: long }, user("b")),
  ],
  [
    "the same long system text and another question",
    { ...chat(user("a")), system: long },
    { ...chat(user("b")), system: long },
  ],
])("a conversation with %s is another one", (_, one, other) => {
  expect(idOf(one)).not.toBe(idOf(other));
});

test("what a model's name may be by mistake costs nobody the request", () => {
  for (const model of [{ toString: 1, valueOf: 1 }, [], 7, null, undefined, "\ud800"]) {
    expect(continuityOf("/api/chat", { ...chat(user("a")), model }).kind).toBe("conversation");
  }
});

test("what is nested beyond all sense has no continuity, and nothing throws", () => {
  const deep: unknown = JSON.parse("[".repeat(100_000) + "]".repeat(100_000));
  expect(continuityOf("/api/chat", chat(user(deep))).kind).toBe("none");
  expect(continuityOf("/api/chat", { ...chat(user("a")), model: deep }).kind).toBe("none");
});

test("whatever JSON comes, on whatever route, something comes out", () => {
  const paths = fc.constantFrom("/api/chat", "/api/generate", "/v1/responses", "/v1/messages", "/api/embed");
  const body = fc.oneof(
    fc.jsonValue(),
    fc.record({ messages: fc.array(fc.oneof(fc.jsonValue(), fc.record({ role: fc.constantFrom("user", "system") }))) }),
  );
  fc.assert(fc.property(paths, body, (path, fields) => expect(continuityOf(path, fields).kind).toBeString()));
});
