/** No test, and no program that one starts, writes into the home of whoever runs it. */
import { expect, test } from "bun:test";
import { homedir, tmpdir } from "node:os";
import { stateFolder } from "../state_file.ts";

test("what is kept without a STATE_DIR is kept in a folder of the tests", () => {
  expect(stateFolder(null, process.env)).toStartWith(tmpdir());
  expect(stateFolder(null, process.env)).not.toStartWith(homedir());
});

test("a program to which a test hands its environment on keeps it there too", () => {
  const { stdout } = Bun.spawnSync(["sh", "-c", 'echo "$XDG_STATE_HOME,$STATE_DIR,$STATE_DIRECTORY"'], {
    env: process.env,
  });
  expect(stdout.toString().trim()).toBe(`${process.env.XDG_STATE_HOME},,`);
});
