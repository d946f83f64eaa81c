/** Heartbeats as nodes write and sign them, and a hub that judges them, without sockets. For tests. */
import { createHubTrust } from "../../node/hub_trust.ts";
import { type Identity, newIdentity, readRotations } from "../../shared/identity.ts";
import { silentLogger } from "../../shared/log.ts";
import { heartbeat, heartbeatAnswer } from "../../shared/protocol.ts";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { createJoinTokens } from "../trust/join_tokens.ts";
import { createNodeKeys } from "../trust/node_keys.ts";

/** Attempts of each kind. */
export const TRIES = 1_000;

/** A hub as far as its nodes' keys go; `restart` keeps its folder. */
export function hubIn(
  stateDir = emptyStateFolder(),
  identity = newIdentity(),
  bootId = "hub-1",
  mode: "auto" | "open" = "auto",
) {
  const clock = fakeClock();
  const alarms: string[] = [];
  const forgotten: string[] = [];
  const present = new Set<string>();
  const joinTokens = createJoinTokens({ stateDir, hubId: identity.id, mode, wall: clock.wall });
  const keys = createNodeKeys({
    identity,
    rotations: readRotations(stateDir, "hub"),
    stateDir,
    bootId,
    clock,
    joinTokens,
    isPresent: (id) => present.has(id),
    onImpostor: (nodeId, detail) => alarms.push(`${nodeId}: ${detail}`),
    onForgotten: (nodeId) => forgotten.push(nodeId),
    log: silentLogger,
  });
  return {
    keys,
    clock,
    alarms,
    forgotten,
    stateDir,
    present,
    joinTokens,
    bootId,
    restart: (boot: string) => hubIn(stateDir, identity, boot, mode),
  };
}

/** A heartbeat on its way. */
export interface Letter {
  readonly text: string;
  readonly headers: Headers;
}

/** As if it had been written to a file. */
export const keptIdentity = (): Identity => ({ ...newIdentity(), kept: true });

/** A node that writes heartbeats; `learn` makes it trust the hub. */
export function nodeOf(
  nodeId = "a",
  identity: Identity = keptIdentity(),
  more: Partial<Parameters<typeof createHubTrust>[0]> = {},
) {
  let seq = 0;
  const bootId = crypto.randomUUID();
  const trust = createHubTrust({
    identity,
    stateDir: emptyStateFolder(),
    serverUrl: "http://hub",
    nodeId,
    bootId,
    joinToken: null,
    acceptHub: false,
    now: () => 0,
    mayLeadHere: () => true,
    onWarning: () => {},
    ...more,
  });
  return {
    trust,
    write(challenge = "hub-1", changes: Record<string, unknown> = {}): Letter {
      seq += 1;
      const body = trust.introduce({ node_id: nodeId, port: 8001, models: [], boot_id: bootId, seq });
      const text = JSON.stringify({ ...body, ...changes });
      return { text, headers: new Headers(trust.sign(text, seq, challenge)) };
    },
    learnFrom(hub: ReturnType<typeof hubIn>, letter: Letter): string | null {
      const { node_id } = read(letter);
      const answer = heartbeatAnswer.parse({ node_id, status: "ok", ...hub.keys.introduce(read(letter)) });
      return trust.learn(answer, read(letter).seq ?? 0);
    },
  };
}

/** What it says. */
export const read = ({ text }: Letter) => heartbeat.parse(JSON.parse(text));
/** What the hub makes of it. */
export const judge = ({ keys }: ReturnType<typeof hubIn>, letter: Letter) =>
  keys.judge(read(letter), new TextEncoder().encode(letter.text), letter.headers);
/** The same as a status. */
export const status = (hub: ReturnType<typeof hubIn>, letter: Letter) => {
  const judgement = judge(hub, letter);
  return judgement.kind === "taken" ? 200 : judgement.status;
};

/** The statuses of TRIES letters, each once. */
export function statuses(hub: ReturnType<typeof hubIn>, write: (index: number) => Letter): number[] {
  return [...new Set(Array.from({ length: TRIES }, (_, index) => status(hub, write(index))))];
}
