/** What is typed behind `ollama-hub`: help, and what makes no sense. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { typed } from "../testing/typed.ts";
import { COMMAND_HELP } from "./command_line.ts";

function open() {
  const folder = emptyStateFolder();
  return { folder, command: (...words: string[]) => typed(words, { environment: { STATE_DIR: folder } }) };
}

test.each<[words: string[], says: RegExp]>([
  [["key"], /add, list or revoke/],
  [["key", "add"], /one NAME/],
  [["key", "add", "a", "b"], /one NAME/],
  [["key", "add", "a b"], /name/],
  [["key", "add", "a", "--admin", "--viewer"], /not both/],
  [["key", "add", "a", "--admin", "--models", "x"], /--models/],
  [["key", "add", "a", "--rpm", "many"], /not a number/],
  [["key", "add", "a", "--rpm", "-1"], /rpm/],
  [["key", "add", "a", "--queue-share", "2"], /queueShare/],
  [["key", "add", "a", "--expires", "yesterday"], /time to come/],
  [["key", "add", "a", "--expires", "2001-01-01"], /time to come/],
  [["key", "add", "a", "--nonsense"], /nonsense/],
  [["token", "make"], /create, list or revoke/],
  [["token", "create", "--uses", "0"], /uses/],
  [["token", "list", "a"], /takes nothing/],
  [["node"], /list or forget/],
  [["node", "drop", "a"], /list or forget/],
  [["identity", "show"], /identity rotate/],
])("%j makes no sense, and says why", (words, says) => {
  const { command, folder } = open();
  const { code, text } = command(...words);
  expect([code, says.test(text)]).toEqual([2, true]);
  expect(existsSync(join(folder, "keys.json"))).toBe(false);
});

test.each(
  [
    ["key", "add", "--help"],
    ["key", "--help"],
    ["token", "create", "-h"],
  ].map((words) => [words]),
)("%j prints the help, and does nothing", (words) => {
  const { command, folder } = open();
  expect(command(...words)).toEqual({ code: 0, text: COMMAND_HELP });
  expect(existsSync(folder)).toBe(false);
});
