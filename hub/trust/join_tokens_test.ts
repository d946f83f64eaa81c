/** Join tokens as they are made, kept, used and revoked. */
import { expect, test } from "bun:test";
import { createHash, createHmac } from "node:crypto";
import { readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readJoinToken } from "../../shared/join_token.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { createJoinTokens, NEW_TOKEN } from "./join_tokens.ts";

const HUB = "h".repeat(22);

function tokensIn(stateDir: string, mode: "auto" | "open" | "closed" = "auto", time = { now: 0 }) {
  return createJoinTokens({ stateDir, hubId: HUB, mode, wall: () => new Date(time.now), now: () => time.now });
}

/** What a node shows that has `token`, spelled out: agents in the field know it so. */
function show(token: string, signed = "signed"): string {
  const { id = "", secret = "" } = readJoinToken(token) ?? {};
  const key = createHash("sha256").update(secret).digest();
  return `${id}.${createHmac("sha256", key).update(`ollama-connector join 1\n${signed}`).digest("base64url")}`;
}

test("the token is shown once, and kept as a hash that only the owner reads", () => {
  const stateDir = emptyStateFolder();
  const { token, info } = tokensIn(stateDir).create(NEW_TOKEN);
  expect(readJoinToken(token)).toMatchObject({ id: info.id, hubId: HUB });
  const path = join(stateDir, "tokens.json");
  expect(readFileSync(path, "utf8")).not.toContain(readJoinToken(token)?.secret ?? "");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(info).toMatchObject({ uses: 10, node: null, expires: "1970-01-02T00:00:00.000Z" });
});

test("it ends by its uses, its time, or when it is revoked, and may be for one node", () => {
  const time = { now: 0 };
  const tokens = tokensIn(emptyStateFolder(), "auto", time);
  const twice = tokens.create({ ...NEW_TOKEN, uses: 2 }).token;
  const forB = tokens.create({ ...NEW_TOKEN, node: "b" }).token;
  expect(tokens.use("", "signed", "a")).toContain("make a join token at the hub");
  expect(tokens.use(show(twice), "other", "a")).toBe("the join token is not one of this hub's");
  expect(tokens.use(show(twice), "signed", "a")).toBeNull();
  expect(tokens.use(show(twice), "signed", "b")).toBeNull();
  expect(tokens.use(show(twice), "signed", "c")).toBe("the join token is used up");
  expect(tokens.use(show(forB), "signed", "a")).toBe("the join token is for node b only");
  time.now = NEW_TOKEN.ttlMs + 1;
  expect(tokens.use(show(forB), "signed", "b")).toBe("the join token expired at 1970-01-02T00:00:00.000Z");
  expect(tokens.revoke(readJoinToken(forB)?.id ?? "")).toBe(true);
  expect(tokens.revoke("nobody")).toBe(false);
  expect(tokens.use(show(forB), "signed", "b")).toBe("the join token is not one of this hub's");
});

test("what another process does to the file counts within half a second, and decides whether the hub is closed", () => {
  const stateDir = emptyStateFolder();
  const time = { now: 0 };
  const [hub, commandLine] = [tokensIn(stateDir, "auto", time), tokensIn(stateDir)];
  expect(hub.isClosed()).toBe(false);
  expect(tokensIn(stateDir, "closed").isClosed()).toBe(true);
  const { token, info } = commandLine.create(NEW_TOKEN);
  time.now = 500;
  expect(hub.isClosed()).toBe(true);
  expect(tokensIn(stateDir, "open").isClosed()).toBe(false);
  expect(hub.use(show(token), "signed", "a")).toBeNull();
  expect(commandLine.list()).toEqual([{ ...info, uses: 9 }]);
  // The last one revoked opens nothing.
  commandLine.revoke(info.id);
  expect(hub.list()).toEqual([]);
  expect(hub.isClosed()).toBe(true);
});

test("a folder that cannot be looked at closes while it lasts, and is an error at the start only", () => {
  const stateDir = emptyStateFolder();
  const time = { now: 0 };
  const tokens = tokensIn(stateDir, "auto", time);
  expect(tokens.isClosed()).toBe(false);
  symlinkSync(stateDir, stateDir);
  time.now = 500;
  expect(tokens.isClosed()).toBe(true);
  expect(tokens.use("id.proof", "signed", "a")).toContain("cannot read its join tokens");
  expect(() => tokensIn(stateDir).isClosed()).toThrow("ELOOP");
  rmSync(stateDir);
  time.now = 1_000;
  expect(tokens.isClosed()).toBe(false);
});

test("a file that is broken closes rather than opens", () => {
  const stateDir = emptyStateFolder();
  const tokens = tokensIn(stateDir);
  tokens.create(NEW_TOKEN);
  writeFileSync(join(stateDir, "tokens.json"), "{");
  expect(tokens.isClosed()).toBe(true);
  expect(tokens.use("id.proof", "signed", "a")).toContain("cannot read its join tokens");
  expect(() => tokens.create(NEW_TOKEN)).toThrow("is not a list of tokens");
});

test.each([
  "",
  "ohj1",
  "ohj1.a.b.c",
  `ohj1.${"a".repeat(8)}.${"b".repeat(22)}`,
  `ohj2.${"a".repeat(8)}.${"b".repeat(22)}.${HUB}`,
])("%p is no token", (text) => expect(readJoinToken(text)).toBeNull());
