/** Heartbeats under the name of an agent of this test process, signed as that agent would: all of them have one key. */
import { createHubClient, type HeartbeatOutcome } from "../../node/hub_client.ts";
import { createHubTrust } from "../../node/hub_trust.ts";
import { createFleetFetch } from "../fleet_fetch.ts";
import { loadIdentity } from "../identity.ts";
import type { HeartbeatBody } from "../protocol.ts";
import { emptyStateFolder, stateFolderForTest } from "./state_folder.ts";

/** Above every number that an agent reaches in a test. */
let seq = 1_000_000;

/** Sends `body` to the hub at `url`. The agent's own heartbeats come too late after that, for as long as it runs. */
export function signedHeartbeat(url: string, body: HeartbeatBody): Promise<HeartbeatOutcome> {
  seq += 1;
  const trust = createHubTrust({
    identity: loadIdentity(stateFolderForTest(), "node"),
    stateDir: emptyStateFolder(),
    serverUrl: url,
    nodeId: body.node_id,
    bootId: "",
    joinToken: null,
    acceptHub: false,
    now: () => performance.now(),
    mayLeadHere: () => true,
    onWarning: () => {},
  });
  return createHubClient(url, createFleetFetch(), trust).heartbeat({ ...body, seq }, 5_000);
}
