/** What the table of nodes notes about one of them and tells of: trust, slots, intent, its Ollama, its starts. */
import type { Clock } from "../../shared/clock.ts";
import type { NodeIntent } from "../../shared/protocol.ts";
import * as ejection from "../policy/ejection.ts";
import * as learnedSlots from "../policy/learned_slots.ts";
import type { FleetEvent } from "./fleet_event.ts";
import { type Entry, NodeLost } from "./node_record.ts";

export interface StandingDeps {
  readonly clock: Pick<Clock, "now">;
  readonly tell: (event: FleetEvent["event"], nodeId: string, detail: string) => void;
  /** Called when a waiting request may find a place now. */
  readonly changed: (node: Entry) => void;
  /** Called when its slots or its failures are others than before. */
  readonly noted: (node: Entry) => void;
}

/** Replaced boots remembered per node, so that an old process cannot speak for it again. */
const REMEMBERED_BOOTS = 16;

export type Standing = ReturnType<typeof createStanding>;

/** The changes of a node's record that people hear of, or that follow from one another. For the registry only. */
export function createStanding({ clock, tell, changed, noted }: StandingDeps) {
  function setTrust(node: Entry, trust: ejection.Trust): void {
    const before = node.trust.kind;
    node.trust = trust;
    noted(node);
    if (trust.kind === before) return;
    if (trust.kind === "ejected") tell("ejected", node.id, trust.reason);
    else if (trust.kind === "admitted") tell("admitted", node.id, "its trial is over");
    changed(node);
  }

  function setSlots(node: Entry, learned: learnedSlots.LearnedSlots): void {
    const { slots, reported } = learned;
    if (slots !== node.slots && slots !== reported)
      tell("slots", node.id, `works on ${slots} at once, not ${reported}`);
    node.learned = learned;
    node.slots = slots;
    noted(node);
  }

  function setOllama(node: Entry, ok: boolean): void {
    if (node.ollamaOk === ok) return;
    node.ollamaOk = ok;
    node.conditionSince = clock.now();
  }

  function setIntent(node: Entry, intent: NodeIntent): void {
    if (node.intent === intent) return;
    node.intent = intent;
    node.conditionSince = clock.now();
    tell("intent", node.id, intent);
    changed(node);
  }

  /** Takes note of the boot an agent spoke of; false when it is one that a newer one has replaced. */
  function noteBoot(node: Entry, bootId: string | null): boolean {
    if (bootId === null || bootId === node.bootId) return true;
    // Two agents by one name: the newer one has it, until it leaves.
    if (isReplaced(node, bootId)) return false;
    const former = node.bootId;
    node.bootId = bootId;
    if (former === null) return true;
    node.formerBoots = [...node.formerBoots, former].slice(-REMEMBERED_BOOTS);
    node.seq = null;
    node.restingUntil = 0;
    node.routes = node.routes.map((route) => ({ ...route, reachable: null }));
    tell("restarted", node.id, "the agent was started again");
    setSlots(node, learnedSlots.asReported(node.learned.reported, clock.now()));
    setTrust(node, ejection.afterRestart(node.trust, clock.now()));
    // Its old process is gone and what it was doing with it, even where the connections do not show it.
    giveUpWork(node, new NodeLost("the agent was started again", true));
    return true;
  }

  function isReplaced(node: Entry, bootId: string): boolean {
    return node.formerBoots.includes(bootId) && node.intent !== "left";
  }

  function giveUpWork(node: Entry, reason: NodeLost): void {
    const { losing } = node;
    node.losing = null;
    losing?.abort(reason);
  }

  return { setTrust, setSlots, setOllama, setIntent, noteBoot, isReplaced, giveUpWork };
}
