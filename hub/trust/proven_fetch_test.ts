import { expect, test } from "bun:test";
import type { FleetFetch } from "../../shared/fleet_fetch.ts";
import { HEADERS } from "../../shared/protocol.ts";
import type { NodeRecord } from "../fleet/node_record.ts";
import { createProvenFetch } from "./proven_fetch.ts";

const ORIGIN = "http://192.0.2.1:8001";
const REQUEST = { method: "POST", headers: { [HEADERS.nodeId]: "a" }, signal: new AbortController().signal } as const;

/** A node at one address, in doubt or not, and what was asked of it. */
function worldWith(doubted: readonly string[]) {
  const node = { id: "a", routes: [{ origin: ORIGIN }], doubted: new Set(doubted) } as unknown as NodeRecord;
  const sent: string[] = [];
  const questions: PromiseWithResolvers<void>[] = [];
  const fetch: FleetFetch = async (url) => {
    sent.push(url);
    return new Response();
  };
  const confirm = () => {
    const question = Promise.withResolvers<void>();
    questions.push(question);
    return question.promise;
  };
  const registry = { get: (id: string) => (id === "a" ? node : undefined) };
  return { sent, questions, provenFetch: createProvenFetch({ fetch, registry, confirm }) };
}

test("what goes to an address that nobody doubts, or to no node, is sent at once", async () => {
  const { sent, questions, provenFetch } = worldWith(["http://192.0.2.9:8001"]);
  await provenFetch(`${ORIGIN}/execute`, REQUEST);
  await provenFetch("http://elsewhere/", { method: "GET", signal: REQUEST.signal });
  expect([sent.length, questions.length]).toEqual([2, 0]);
});

test("requests that meet an address in doubt wait for one proof together", async () => {
  const { sent, questions, provenFetch } = worldWith([ORIGIN]);
  const requests = Array.from({ length: 64 }, () => provenFetch(`${ORIGIN}/execute`, REQUEST));
  await Bun.sleep(0);
  expect([sent.length, questions.length]).toEqual([0, 1]);
  questions[0]?.resolve();
  await Promise.all(requests);
  expect(sent.length).toBe(64);
});

test("without the proof nothing is sent, and the next request asks again", async () => {
  const { sent, questions, provenFetch } = worldWith([ORIGIN]);
  const first = provenFetch(`${ORIGIN}/execute`, REQUEST);
  questions[0]?.reject(new Error("somebody else"));
  await expect(first).rejects.toThrow("somebody else");
  void provenFetch(`${ORIGIN}/execute`, REQUEST).catch(() => {});
  expect([sent.length, questions.length]).toEqual([0, 2]);
});

test("a request that is given up waits no longer for a proof, and leaves the others their own", async () => {
  const { sent, questions, provenFetch } = worldWith([ORIGIN]);
  const leaving = new AbortController();
  const left = provenFetch(`${ORIGIN}/execute`, { ...REQUEST, signal: leaving.signal });
  const other = provenFetch(`${ORIGIN}/execute`, REQUEST);
  leaving.abort(new Error("gone"));
  await expect(left).rejects.toThrow("gone");
  questions[0]?.resolve();
  await other;
  expect(sent.length).toBe(1);
});
