/** The bindings as a running hub keeps them: written, or tried again; merged with what other processes write. */
import { expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { newIdentity } from "../../shared/identity.ts";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { openBindings } from "./kept_bindings.ts";
import { bindingsPath, changeBindings, readBindings } from "./node_bindings.ts";

const { publicKey } = newIdentity();

function keptIn(stateDir = emptyStateFolder()) {
  const clock = fakeClock();
  const warnings: string[] = [];
  const forgotten: string[] = [];
  const bindings = openBindings({
    stateDir,
    clock,
    onForgotten: (id) => forgotten.push(id),
    log: { warn: (sentence: string) => warnings.push(sentence), error: () => {} } as never,
  });
  return { bindings, clock, warnings, forgotten, stateDir, inFile: () => readBindings(stateDir).size };
}

test("few names are written at once, many with the next look, and all of them at the end", async () => {
  const { bindings, clock, inFile } = keptIn();
  for (let number = 0; number < 100; number++) bindings.bind(`n${number}`, publicKey, true);
  expect(inFile()).toBe(100);
  for (let number = 100; number < 150; number++) bindings.bind(`n${number}`, publicKey, true);
  expect(inFile()).toBe(100);
  await clock.advance(500);
  expect(inFile()).toBe(150);
  bindings.bind("last", publicKey, true);
  bindings.stop();
  expect(inFile()).toBe(151);
});

test("what could not be written is said once and tried again, however many names there are", async () => {
  const { bindings, clock, warnings, inFile, stateDir } = keptIn();
  for (let number = 0; number < 150; number++) bindings.bind(`n${number}`, publicKey, true);
  await clock.advance(500);
  const lock = `${bindingsPath(stateDir)}.lock`;
  writeFileSync(lock, "");
  bindings.bind("late", publicKey, true);
  await clock.advance(1_000);
  expect([inFile(), warnings.length]).toEqual([150, 1]);
  rmSync(lock);
  await clock.advance(10_000);
  expect([inFile(), warnings.length]).toEqual([151, 1]);
});

test("what could not be written is tried once more at the end", async () => {
  const { bindings, inFile, stateDir } = keptIn();
  const lock = `${bindingsPath(stateDir)}.lock`;
  mkdirSync(stateDir, { recursive: true });
  writeFileSync(lock, "");
  bindings.bind("a", publicKey, true);
  rmSync(lock);
  bindings.stop();
  expect(inFile()).toBe(1);
});

test("a name that another process has taken out of the file is free, and what is not written yet is merged", async () => {
  const { bindings, clock, forgotten, stateDir, inFile } = keptIn();
  bindings.bind("a", publicKey, true);
  bindings.bind("b", publicKey, true);
  changeBindings(stateDir, () => new Map([...readBindings(stateDir)].filter(([id]) => id !== "a")));
  await clock.advance(500);
  expect([forgotten, bindings.get("a"), inFile()]).toEqual([["a"], undefined, 1]);
  bindings.bind("c", publicKey, true);
  expect(inFile()).toBe(2);
  bindings.stop();
});
