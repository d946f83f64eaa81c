import { expect, test } from "bun:test";
import { askedNode } from "./asked_node.ts";

test.each<[sent: string | null, read: string | null]>([
  [null, null],
  ["", null],
  ["  ", null],
  ["a", "a"],
  [" a ", "a"],
  ["*", "*"],
])("X-Node-Id %j asks for %j", (sent, read) => {
  expect(askedNode(new Headers(sent === null ? {} : { "X-Node-Id": sent }))).toBe(read);
});
