/** What it costs that nobody but the hub makes a node work: `bun bench/ticket_cost.ts`. Microseconds on this machine. */
import { createTickets } from "../hub/trust/tickets.ts";
import { createTicketGate } from "../node/ticket_gate.ts";
import { hashOf, newIdentity } from "../shared/identity.ts";
import { HEADERS } from "../shared/protocol.ts";

const ROUNDS = 5_000;
const hub = newIdentity();
const tickets = createTickets({ identity: hub, bootId: crypto.randomUUID(), now: () => 0 });
const bootId = tickets
  .for({ id: "a", publicKey: "k", bootId: "b" }, { id: "", method: "GET", path: "/", body: null })?.()
  .split(".")[2];
const gate = createTicketGate({
  nodeId: "a",
  bootId: "b",
  trusted: () => ({ hubKey: hub.publicKey, time: { hubBootId: bootId ?? "", offsetMs: 0 }, keyless: false }),
  now: () => 0,
  onStale: () => {},
  onRefused: (why) => console.log(why),
});

/** Runs `work` often and prints the middle and the slowest percent. */
function measure(what: string, work: () => void, rounds = ROUNDS): void {
  for (let round = 0; round < rounds / 10; round++) work();
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const began = performance.now();
    work();
    times.push((performance.now() - began) * 1000);
  }
  times.sort((one, other) => one - other);
  const at = (share: number) => (times[Math.floor(times.length * share)] ?? 0).toFixed(0).padStart(6);
  console.log(`${what.padEnd(44)} median ${at(0.5)} µs, p99 ${at(0.99)} µs`);
}

for (const [size, bytes] of [
  ["1 kB", 1_000],
  ["100 kB", 100_000],
  ["1 MB", 1_000_000],
  ["10 MB", 10_000_000],
] as const) {
  const rounds = bytes > 1e6 ? 100 : bytes > 1e5 ? 500 : ROUNDS;
  const body = crypto.getRandomValues(new Uint8Array(Math.min(bytes, 65_536)));
  const whole = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += body.length) whole.set(body.subarray(0, Math.min(body.length, bytes - at)), at);
  const id = crypto.randomUUID();
  const path = "/ollama/api/chat";
  // A body of its own each time: the hash of one that was seen is kept.
  const issue = () =>
    tickets.for({ id: "a", publicKey: "k", bootId: "b" }, { id, method: "POST", path, body: whole.subarray(0) })?.() ??
    "";
  let ticket = "";
  measure(`hub: ticket for a body of ${size}`, () => (ticket = issue()), rounds);
  measure(
    `hub and node: the same, checked, body hashed`,
    () => {
      ticket = issue();
      const headers = { [HEADERS.requestId]: id, [HEADERS.ticket]: ticket };
      const admission = gate(new Request(`http://node:8001${path}`, { method: "POST", headers }), false, null);
      if (admission.kind !== "admitted" || admission.bodyHash !== hashOf(whole)) throw new Error("not admitted");
    },
    rounds,
  );
}
