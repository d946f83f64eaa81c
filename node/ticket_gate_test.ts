/** Who gets past a node's gate: the hub, once a ticket; nobody else, a thousand times each way. */
import { describe, expect, test } from "bun:test";
import { createTickets, type Ticketed } from "../hub/trust/tickets.ts";
import { parseAddress } from "../shared/address.ts";
import { hashOf, newIdentity } from "../shared/identity.ts";
import { HEADERS } from "../shared/protocol.ts";
import { createTicketGate, type Trusted } from "./ticket_gate.ts";

const TRIES = 1_000;
const hub = newIdentity();
const BODY = new TextEncoder().encode('{"model":"llama3"}');
const WORK = { id: "r-1", method: "POST", path: "/execute", body: BODY } satisfies Ticketed;

/** A node that has heard `hub` say at its time 0 that it is 1,000,000. */
function world(nodeId = "a") {
  const state = { now: 0, hubNow: 1_000_000, stale: 0, refused: 0 };
  let trusted: Trusted = {
    hubKey: hub.publicKey,
    time: { hubBootId: "hub-1", offsetMs: 1_000_000 },
    keyless: false,
  };
  const gate = createTicketGate({
    nodeId,
    bootId: "node-1",
    trusted: () => trusted,
    now: () => state.now,
    onStale: () => state.stale++,
    onRefused: () => state.refused++,
  });
  const tickets = (identity = hub, bootId = "hub-1") => createTickets({ identity, bootId, now: () => state.hubNow });
  const issue = (request: Ticketed = WORK, by = tickets(), to = nodeId, bootId: string | null = "node-1") =>
    by.for({ id: to, publicKey: "key", bootId }, request)?.() ?? "";
  /** What becomes of `request` with `ticket`. */
  const knock = (ticket: string | null, request: Ticketed = WORK, isBlob = false) =>
    gate(
      new Request(`http://node:8001${request.path}`, {
        method: request.method,
        headers: {
          host: "127.0.0.1:8001",
          [HEADERS.requestId]: request.id,
          ...(ticket === null ? {} : { [HEADERS.ticket]: ticket }),
        },
      }),
      isBlob,
      parseAddress("127.0.0.1"),
    );
  return {
    state,
    tickets,
    issue,
    knock,
    trust: (changes: Partial<Trusted>) => {
      trusted = { ...trusted, ...changes };
    },
    later(ms: number) {
      state.now += ms;
      state.hubNow += ms;
    },
  };
}

/** How many of TRIES knocks that `attempt` makes were let in. */
function admitted(attempt: (index: number) => { kind: string }): number {
  let count = 0;
  for (let index = 0; index < TRIES; index++) if (attempt(index).kind === "admitted") count++;
  return count;
}

describe("of a thousand attempts each", () => {
  test("every ticket of the hub for this request is let in, with the hash of its body", () => {
    const { issue, knock } = world();
    expect(admitted(() => knock(issue()))).toBe(TRIES);
    expect(knock(issue())).toEqual({ kind: "admitted", bodyHash: hashOf(BODY) });
  });

  test("no forged ticket gets in", () => {
    const { issue, knock } = world();
    const forge = (ticket: string, index: number) => {
      const at = 2 + ((index * 7919) % (ticket.length - 2));
      const other = ticket[at] === "A" ? "B" : "A";
      return ticket.slice(0, at) + other + ticket.slice(at + 1);
    };
    // The last letter of a signature has two bits that stand for nothing.
    expect(admitted((index) => knock(forge(issue().slice(0, -1), index)))).toBe(0);
    expect(admitted((index) => knock(issue().replace(/\.[^.]*$/, `.${hashOf(String(index)).repeat(2)}`)))).toBe(0);
    expect(admitted(() => knock(null))).toBe(0);
    expect(admitted((index) => knock("x".repeat(index)))).toBe(0);
  });

  test("no ticket gets in twice, at once or later", () => {
    const { issue, knock, later } = world();
    const used = Array.from({ length: TRIES }, () => issue());
    expect(admitted((index) => knock(used[index] ?? ""))).toBe(TRIES);
    expect(admitted((index) => knock(used[index] ?? ""))).toBe(0);
    later(29_000);
    expect(admitted((index) => knock(used[index] ?? ""))).toBe(0);
    later(60_000);
    expect(admitted((index) => knock(used[index] ?? ""))).toBe(0);
  });

  test("no ticket for another node gets in", () => {
    const { issue, knock, tickets } = world();
    expect(admitted((index) => knock(issue(WORK, tickets(), `b${index}`)))).toBe(0);
  });

  test("no ticket of another hub gets in", () => {
    const { issue, knock, tickets } = world();
    const other = tickets(newIdentity());
    expect(admitted(() => knock(issue(WORK, other)))).toBe(0);
  });

  test("no ticket for another request gets in", () => {
    const { issue, knock } = world();
    const others: Ticketed[] = [
      { ...WORK, path: "/ollama/api/generate" },
      { ...WORK, path: "/execute?x" },
      { ...WORK, method: "DELETE" },
      { ...WORK, id: "r-2" },
    ];
    expect(admitted((index) => knock(issue(), others[index % others.length]))).toBe(0);
  });

  test("no ticket gets in after its 30 seconds", () => {
    const { issue, knock, later } = world();
    const ticket = () => {
      const issued = issue();
      later(30_001);
      return issued;
    };
    expect(admitted(() => knock(ticket()))).toBe(0);
  });
});

test.each(["node-0", "", null])(
  "a ticket for another start of the node, %p, is handed back for a new one",
  (bootId) => {
    const { issue, knock, tickets, state } = world();
    const ticket = issue(WORK, tickets(), "a", bootId);
    expect(knock(ticket)).toMatchObject({ kind: "refused", stale: true, awaits: null });
    expect(state.stale).toBe(1);
    // Nor does it help to write this start's on it.
    expect(knock(ticket.replace(/^(2\.\d+\.hub-1)\.[^.]*/, "$1.node-1"))).toMatchObject({
      kind: "refused",
      stale: false,
    });
  },
);

test("a ticket that says nothing of the body is for blobs only", () => {
  const { issue, knock } = world();
  const stream = () => new ReadableStream<Uint8Array>();
  const blob = { ...WORK, path: "/ollama/api/blobs/sha256:0" };
  expect(knock(issue({ ...WORK, body: stream() })).kind).toBe("refused");
  expect(knock(issue({ ...blob, body: stream() }), blob, true)).toEqual({ kind: "admitted", bodyHash: null });
});

test("a node that no hub has taken in lets nobody in, and waits for the first answer", () => {
  const { knock, issue, trust } = world();
  trust({ hubKey: null, time: null });
  expect(knock(null)).toMatchObject({ kind: "refused", stale: false, awaits: "first" });
  expect(knock(issue())).toMatchObject({ kind: "refused", stale: true });
});

test("a node that a hub without a key has taken in lets jobs in without a ticket, once it has met one with a key no more", () => {
  const { knock, trust } = world();
  trust({ hubKey: null, time: null, keyless: true });
  expect(knock(null)).toEqual({ kind: "admitted", bodyHash: null });
  expect(knock(null, { ...WORK, path: "/ollama/api/delete", method: "DELETE" })).toMatchObject({ kind: "refused" });
  trust({ hubKey: hub.publicKey });
  expect(knock(null)).toMatchObject({ kind: "refused", awaits: null });
});

test("a node that has not heard the hub since one of them was started says so, does nothing, and listens for it", () => {
  const { issue, knock, tickets, trust, state } = world();
  trust({ time: null });
  expect(knock(issue())).toMatchObject({ kind: "refused", stale: true });
  trust({ time: { hubBootId: "hub-1", offsetMs: 1_000_000 } });
  expect(knock(issue(WORK, tickets(hub, "hub-2")))).toMatchObject({ kind: "refused", stale: true });
  expect(state.stale).toBe(2);
  // Somebody else's nonsense makes it ask nobody.
  expect(knock("nonsense")).toMatchObject({ kind: "refused", stale: false });
  expect(state.stale).toBe(2);
});

test("a hub whose machine slept is understood again once it is heard, and what was used stays used", () => {
  const { issue, knock, later, state, trust } = world();
  later(60_000);
  const used = issue();
  expect(knock(used).kind).toBe("admitted");
  // The hub's clock stands still for a minute, the node's does not.
  state.now += 60_000;
  expect(knock(issue())).toMatchObject({ kind: "refused", stale: true });
  expect(knock(issue())).toMatchObject({ detail: "the ticket has expired" });
  trust({ time: { hubBootId: "hub-1", offsetMs: state.hubNow - state.now } });
  expect(knock(issue()).kind).toBe("admitted");
  expect(knock(used).kind).toBe("refused");
});

test("what is remembered of used tickets has an end, and what is forgotten is void", () => {
  const { issue, knock, later, state, trust } = world();
  const first = issue();
  expect(knock(first).kind).toBe("admitted");
  for (let second = 0; second < 50; second++) {
    later(1_000);
    expect(knock(issue()).kind).toBe("admitted");
  }
  // As if the clocks had been set back to before its end.
  trust({ time: { hubBootId: "hub-1", offsetMs: 1_000_000 - state.now } });
  expect(knock(first).kind).toBe("refused");
});
