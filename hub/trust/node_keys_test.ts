/** Whose heartbeat is taken in under whose name: takeovers and replays, a thousand times each. */
import { describe, expect, test } from "bun:test";
import { newIdentity } from "../../shared/identity.ts";
import { HEADERS } from "../../shared/protocol.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { hubIn, judge, keptIdentity, type Letter, nodeOf, read, status, statuses, TRIES } from "../testing/letters.ts";
import { NEW_TOKEN } from "./join_tokens.ts";

describe("of a thousand attempts each", () => {
  test("nobody takes the name of a node that is bound to a key", () => {
    const hub = hubIn();
    const node = nodeOf();
    expect(status(hub, node.write())).toBe(200);
    const bound = hub.keys.keyOf("a");
    const bare = { text: JSON.stringify({ node_id: "a", port: 9009, models: [] }), headers: new Headers() };
    expect(statuses(hub, () => bare)).toEqual([409]);
    const thief = nodeOf();
    expect(statuses(hub, () => thief.write())).toEqual([409]);
    // Its public key is no secret.
    const { publicKey } = newIdentity();
    const shown = read(node.write()).public_key ?? publicKey;
    expect(statuses(hub, () => thief.write("hub-1", { public_key: shown }))).toEqual([409]);
    // A letter of its own, changed on the way.
    const changed = (index: number) => {
      const { text, headers } = node.write();
      return { text: text.replace('"port":8001', `"port":${9000 + index}`), headers };
    };
    expect(statuses(hub, changed)).toEqual([409]);
    expect(hub.keys.keyOf("a")).toBe(bound);
    expect(status(hub, node.write())).toBe(200);
  });

  test("nothing that was said is heard again: at once, after newer ones, after a restart of either", () => {
    const hub = hubIn();
    const node = nodeOf();
    const said = Array.from({ length: TRIES }, () => node.write());
    for (const letter of said) expect(status(hub, letter)).toBe(200);
    const again = (index: number) => said[index] as Letter;
    expect(statuses(hub, again)).toEqual([409]);
    // The same agent, started again.
    const { keys } = hub;
    const reborn = nodeOf();
    expect(status(hub, reborn.write())).toBe(409);
    keys.forget("a");
    expect(status(hub, reborn.write())).toBe(200);
    expect(statuses(hub, again)).toEqual([409]);
    // Nor does a restarted hub, which has forgotten the numbers, listen to what was for the one before.
    expect(statuses(hub.restart("hub-2"), again).every((each) => each === 409 || each === 428)).toBe(true);
  });
});

test("what was said to an earlier start of the hub has to be signed again, and then is taken", () => {
  const hub = hubIn();
  const node = nodeOf();
  expect(status(hub, node.write())).toBe(200);
  const again = hub.restart("hub-2");
  expect(status(again, node.write("hub-1"))).toBe(428);
  expect(status(again, node.write("hub-2"))).toBe(200);
  expect(again.keys.keyOf("a")).toBe(hub.keys.keyOf("a"));
});

test("heartbeats of two starts of one agent are told apart, and none of either is heard twice", () => {
  const hub = hubIn();
  const identity = newIdentity();
  const [before, after] = [nodeOf("a", identity), nodeOf("a", identity)];
  const old = [before.write(), before.write()];
  for (const letter of old) expect(status(hub, letter)).toBe(200);
  expect(status(hub, after.write())).toBe(200);
  for (const letter of old) expect(status(hub, letter)).toBe(409);
  expect(status(hub, after.write())).toBe(200);
});

test("an operator can have a key forgotten, also for good", () => {
  const hub = hubIn();
  expect(status(hub, nodeOf().write())).toBe(200);
  expect(hub.keys.forget("a")).toBe(true);
  expect(hub.keys.forget("a")).toBe(false);
  const again = hub.restart("hub-2");
  expect(again.keys.keyOf("a")).toBeNull();
  expect(status(again, nodeOf().write("hub-2"))).toBe(200);
});

test("a key that ends with its agent holds while that is there", () => {
  const hub = hubIn();
  const passing = () => nodeOf("a", newIdentity()).write();
  expect(status(hub, passing())).toBe(200);
  hub.present.add("a");
  expect(status(hub, passing())).toBe(409);
  hub.present.delete("a");
  expect(status(hub, passing())).toBe(200);
});

test("the alarm about a name comes once a minute, whatever is tried", () => {
  const hub = hubIn();
  const kept = keptIdentity();
  expect(status(hub, nodeOf("a", kept).write())).toBe(200);
  statuses(hub, () => nodeOf().write());
  expect(hub.alarms).toEqual([expect.stringContaining("a: the heartbeat is signed with another key")]);
});

test("the hub's answer shows that it has its key, and the node takes no other hub for it", () => {
  const [hub, other] = [hubIn(), hubIn()];
  const node = nodeOf();
  const letter = node.write();
  expect(status(hub, letter)).toBe(200);
  expect(node.learnFrom(hub, letter)).toBeNull();
  expect(node.trust.trusted()).toMatchObject({ keyless: false, time: { hubBootId: "hub-1" } });
  expect(node.learnFrom(other, letter)).toContain("another key");
  // The right key without its owner.
  const { hub: shown } = hub.keys.introduce(read(letter));
  const forged = { node_id: "a", status: "ok", hub: shown && { ...shown, time_ms: shown.time_ms + 1 } };
  expect(node.trust.learn(forged, 1)).toContain("a key that is not its own");
  // An answer to another heartbeat.
  expect(node.learnFrom(hub, { ...letter, text: letter.text.replace(/"seq":\d+/, '"seq":77') })).toBeNull();
  expect(node.trust.learn({ node_id: "a", status: "ok", ...hub.keys.introduce(read(letter)) }, 78)).toContain(
    "not its own",
  );
  // And one that shows nothing.
  expect(node.trust.learn({ node_id: "a", status: "ok" }, 1)).toContain("does not show the key");
  // It says which hub it trusts, so that another one need not wonder.
  expect(judge(other, node.write())).toMatchObject({
    status: 409,
    detail: expect.stringContaining("trusts another hub"),
  });
});

test("a hub with a join token takes unknown nodes with it only, and known ones without", () => {
  const identity = newIdentity();
  const stateDir = emptyStateFolder();
  const hub = hubIn(stateDir, identity);
  const early = nodeOf("early", keptIdentity());
  expect(status(hub, early.write())).toBe(200);
  const { token } = hub.joinTokens.create({ ...NEW_TOKEN, uses: 2 });
  const [, id = "", secret = "", hubId = ""] = token.split(".");
  const joinToken = { id, secret, hubId };
  expect(status(hub, early.write())).toBe(200);
  expect(status(hub, nodeOf("bare").write())).toBe(403);
  expect(
    statuses(hub, (index) =>
      nodeOf(`n${index}`, newIdentity(), { joinToken: { id, secret: `x${index}`, hubId } }).write(),
    ),
  ).toEqual([403]);
  expect(status(hub, nodeOf("b", keptIdentity(), { joinToken }).write())).toBe(200);
  // What was shown is good for that heartbeat alone.
  const shown = nodeOf("c", newIdentity(), { joinToken }).write().headers.get(HEADERS.joinToken) ?? "";
  const thief = nodeOf("c").write();
  thief.headers.set(HEADERS.joinToken, shown);
  expect(status(hub, thief)).toBe(403);
  expect(status(hub, nodeOf("d", newIdentity(), { joinToken }).write())).toBe(200);
  expect(judge(hub, nodeOf("e", newIdentity(), { joinToken }).write())).toMatchObject({
    status: 403,
    detail: "the join token is used up",
  });
});
