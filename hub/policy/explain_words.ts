/** A decision in one sentence, for a person who has never heard of slots, leases and ejections. */
import { cpuStep } from "./criteria.ts";
import { type Decision, firstDifference, type JudgedNode } from "./decision.ts";
import { type Ineligible, passesSoon } from "./eligibility.ts";

/** What is said of one node, and of several. */
type Words = readonly [one: string, several: string];

const WORDS: Readonly<Record<Ineligible, Words>> = {
  "not the node asked for": ["is not the node that was asked for", "are not the node that was asked for"],
  "agent too old": ["has an agent too old for it", "have agents too old for it"],
  "model not there": ["does not have the model", "do not have the model"],
  "model claim not believed": [
    "lists the model but said lately that it does not have it",
    "list the model but said lately that they do not have it",
  ],
  "already tried": ["failed at it already", "failed at it already"],
  "proving its address": ["has to prove its address first", "have to prove their addresses first"],
  "address not proven": [
    "was not found at any of the addresses it told",
    "were not found at any of the addresses they told",
  ],
  "no usable address": ["has no address that can be used", "have no address that can be used"],
  offline: ["is offline", "are offline"],
  draining: ["is about to stop and takes no new work", "are about to stop and take no new work"],
  left: ["was stopped", "were stopped"],
  "Ollama not answering": ["has an Ollama that does not answer", "have an Ollama that does not answer"],
  "model does not fit": ["had too little memory for the model lately", "had too little memory for the model lately"],
  ejected: ["failed too often lately", "failed too often lately"],
  "on trial, busy": [
    "failed lately and is busy with the one request it gets on trial",
    "failed lately and are busy with the one request each gets on trial",
  ],
  resting: ["said a moment ago that it is busy", "said a moment ago that they are busy"],
  full: ["has no free slot", "have no free slot"],
};

/** Every reason there is. */
export const REASONS = Object.keys(WORDS) as readonly Ineligible[];

/** Reasons for which a request that was let in still waits for a node. */
const RESTARTED: ReadonlySet<Ineligible> = new Set(["draining", "left", "Ollama not answering"]);

/** Names in a sentence before the rest is a number. */
const NAMED = 4;

/** Why `node` did not get the request, to be read after its name; null where it competed for it. */
export function whyInWords(node: JudgedNode): string | null {
  const { reason, heldBack } = node;
  if (reason === null) return heldBack;
  return reason === "full" ? `has no free slot (${used(node)} used)` : WORDS[reason][0];
}

/** Why the request went where it did, or what it waits for, or why nobody can serve it. */
export function summaryOf(decision: Decision): string {
  if (decision.summary !== null) return decision.summary;
  const { ahead, sample } = decision;
  const outcome = { node: whyThisOne, wait: whatItWaitsFor, none: whyNobody }[decision.outcome](decision);
  const sentence = sample === null ? outcome : `${outcome} ${sample.nodes} of ${sample.of} nodes were looked at.`;
  if (ahead === 0 || decision.outcome === "none") return sentence;
  const who = ahead === 1 ? "One request for the same model waits" : `${ahead} requests for the same model wait`;
  return `${sentence} ${who} already and ${ahead === 1 ? "goes" : "go"} first.`;
}

function whyThisOne(decision: Decision): string {
  const { nodeId, ranked, others, asked } = decision;
  const [first, second] = ranked;
  if (asked !== null && first) return `${nodeId} gets it: the request asks for that node (X-Node-Id).`;
  if (!first) {
    const chosen = others.find(({ id }) => id === nodeId);
    return `${nodeId} gets it although it ${chosen ? whyInWords(chosen) : "is in doubt"}: no other node can serve it.`;
  }
  if (second) return `${nodeId} gets it: ${advantage(decision, first, second)}.`;
  const [held] = others.filter(({ heldBack }) => heldBack !== null);
  if (held) return `${nodeId} gets it: ${merit(first)}. ${couldServe(decision)}.`;
  if (others.length + decision.notShown === 0) return `${nodeId} gets it: there is no other node.`;
  return `${nodeId} gets it: no other node can serve it now. ${reasons(decision)}.`;
}

/** What the only one that competed has, where others were held back. */
function merit(node: JudgedNode): string {
  if (node.inMemory) return "it has the model in memory";
  if (node.loading) return "it is loading the model already";
  return "it is the only one that is asked";
}

/** Why `first` goes before `second`. */
function advantage({ policy }: Decision, first: JudgedNode, second: JudgedNode): string {
  const other = second.id;
  switch (firstDifference(policy, first, second)) {
    case "heartbeat":
      return `it was heard from lately, and ${other} has been silent for a while`;
    case "first token":
      return `its first token is expected soonest, ${token(first)}, before ${other} (${token(second)})`;
    case "jobs":
      return `it has the fewest requests at work (${first.activeJobs}), before ${other} (${second.activeJobs})`;
    case "busy":
      return `${used(first)} used${pace(first)}, before ${other} (${second.activeJobs} of ${second.slots}${pace(second)})`;
    case "in memory": {
      const needs = second.loading ? "is still loading it" : "would have to load it";
      return `it has the model in memory, before ${other}, which ${second.knowsLoaded ? needs : "does not say so"}`;
    }
    case "cpu": {
      const [lower, higher] = loads(first, second);
      return `its CPU is less busy (${lower}), before ${other} (${higher})`;
    }
    case "failures":
      return `it failed less often lately (${first.failures} times in a row), before ${other} (${second.failures})`;
    case "longest ago":
      return `it is its turn, since ${other} is as good and was given a request more recently`;
    case "joined":
      return `it joined first, and nothing else tells it and ${other} apart`;
    case null:
      return `it comes before ${other} in the list and nothing else tells them apart`;
  }
}

function whatItWaitsFor(decision: Decision): string {
  const near = ({ reason, heldBack }: JudgedNode) => heldBack !== null || (reason !== null && passesSoon(reason));
  const soon = { ...decision, others: decision.others.filter(near) };
  if (soon.others.length > 0) return `It waits: ${reasons(soon)}.`;
  // It was let in already, and they may only be being restarted.
  const away = decision.others.filter(({ reason }) => reason !== null && RESTARTED.has(reason));
  if (away.length > 0)
    return `It waits, since they may be back in a moment: ${reasons({ ...decision, others: away })}.`;
  // Not trusted at the moment, and busy too.
  const doubtful = ({ reason }: JudgedNode) => reason === "ejected" || reason === "model does not fit";
  const names = list(decision.others.filter(doubtful), ({ id }) => id);
  return `It waits for ${names}, which failed lately and ${names.includes(" and ") ? "are" : "is"} busy too: no other node can serve it.`;
}

function whyNobody(decision: Decision): string {
  const { asked, others, notShown } = decision;
  if (others.length + notShown === 0) return "No node can serve it: no node has joined this hub.";
  if (asked !== null) {
    const node = others.find(({ id }) => id === asked);
    if (node) return `No node can serve it: it asks for ${asked} (X-Node-Id), which ${whyInWords(node)}.`;
    return `No node can serve it: it asks for ${JSON.stringify(asked)} (X-Node-Id), and there is no node of that name.`;
  }
  if (others.every(({ reason }) => reason === "model not there")) return "No node can serve it: none has the model.";
  return `No node can serve it: ${reasons(decision)}.`;
}

/** Of all nodes but those that competed why they did not, alike ones together. */
function reasons({ others, asked, notShown }: Decision): string {
  const told = others.filter(({ reason }) => asked === null || reason !== "not the node asked for");
  const groups = Map.groupBy(told, ({ reason, heldBack }) => reason ?? heldBack);
  const parts = Array.from(groups.values(), (nodes) => {
    const [{ reason, heldBack } = { reason: null, heldBack: null }] = nodes;
    if (reason === null) return `${list(nodes, ({ id }) => id)} could serve it, but ${heldBack}`;
    const [one, several] = WORDS[reason];
    const names = list(nodes, (node) => (reason === "full" ? `${node.id} (${used(node)} used)` : node.id));
    return `${names} ${nodes.length === 1 ? one : several}`;
  });
  if (notShown > 0) parts.push(`${notShown} more nodes are not listed here`);
  return parts.join("; ");
}

function couldServe(decision: Decision): string {
  const held = decision.others.filter(({ heldBack }) => heldBack !== null);
  return reasons({ ...decision, others: held, notShown: 0 });
}

function list(nodes: readonly JudgedNode[], word: (node: JudgedNode) => string): string {
  const words = nodes.slice(0, nodes.length > NAMED + 1 ? NAMED : nodes.length).map(word);
  const more = nodes.length - words.length;
  if (more > 0) words.push(`${more} others`);
  const last = words.pop() ?? "nobody";
  return words.length === 0 ? last : `${words.join(", ")} and ${last}`;
}

function used({ activeJobs, slots }: JudgedNode): string {
  return `${activeJobs} of ${slots} slots`;
}

function pace({ returning }: JudgedNode): string {
  return returning ? ", just back and given work slowly" : "";
}

/** What its first token counts as, and what that is made of. */
function token({ firstTokenMs, activeJobs, slots, ...node }: JudgedNode): string {
  const seconds = Number(((firstTokenMs ?? 0) / 1000).toPrecision(2));
  return `${seconds} s with ${activeJobs} of ${slots} slots used${node.inMemory || node.inCloud || !node.knowsLoaded ? "" : " and a load"}`;
}

/** In the steps in which it counts, where these differ: said to the per cent, two that are as good would seem to differ. */
function loads(one: JudgedNode, other: JudgedNode): readonly [one: string, other: string] {
  const say = cpuStep(one.cpu) === cpuStep(other.cpu) ? percent : about;
  return [say(one.cpu), say(other.cpu)];
}

function about(ratio: number): string {
  return `about ${cpuStep(ratio) * 10} %`;
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 1000) / 10} %`;
}
