// The fleet page: every node with its state, refreshed from GET /nodes.
import { element, keepFresh, row } from "./page.js";

const percent = (ratio) => (ratio === undefined || ratio === null ? "–" : `${Math.round(ratio * 100)} %`);

function address(node, family, text) {
  const route = node.routes.find((candidate) => candidate.family === family);
  if (!text) return "–";
  const state = !route
    ? "not dialled"
    : route.reachable === null
      ? "untried"
      : route.reachable
        ? "reachable"
        : "unreachable";
  const time = route?.reachable && route.rtt_ms !== null ? `, ${route.rtt_ms} ms` : "";
  return `${text} (${state}${time})`;
}

/** The hub says who is overdue (60 s, the user's own number): the clock of the machine with the browser may be wrong. */
function status(node) {
  const overdue = node.status === "online" && node.liveness !== "fresh";
  const word = overdue ? "offline (no heartbeat lately)" : node.status;
  const text = node.reason ? `${word}: ${node.reason}` : word;
  return element("span", text, node.status === "online" && !overdue ? "good" : "bad");
}

/** Its models, those in memory marked, and those of which another node has another version. */
function models(node) {
  const names = node.models.map((name) => {
    const conflict = node.digest_conflicts.find(({ model }) => model === name);
    const notes = [];
    if (node.loaded.includes(name)) notes.push("loaded");
    if (conflict) {
      const others = conflict.digests.filter(({ nodes }) => !nodes.includes(node.node_id));
      notes.push(`not the same as on ${others.flatMap(({ nodes }) => nodes).join(", ")}`);
    }
    return notes.length > 0 ? `${name} (${notes.join(", ")})` : name;
  });
  return names.join(", ") || "none";
}

/** Its work, and why it gets less at once than it said it could take. */
function slots(node) {
  const taken = `${node.active_jobs} of ${node.slots}`;
  if (node.slots === node.slots_reported) return taken;
  return `${taken} (it reports ${node.slots_reported}, but more than ${node.slots} at once wait inside its Ollama)`;
}

function describe(node) {
  const silentMs = Date.now() - Date.parse(node.last_seen);
  return row([
    node.node_id,
    status(node),
    address(node, "IPv6", node.ipv6),
    address(node, "IPv4", node.ipv4),
    models(node),
    slots(node),
    percent(node.load?.cpu),
    percent(node.load?.memory),
    String(node.failure_count),
    `${Math.max(0, Math.round(silentMs / 1000))} s ago`,
  ]);
}

function show(nodes) {
  const models = new Set(nodes.flatMap((node) => node.models));
  const online = nodes.filter((node) => node.status === "online").length;
  const jobs = nodes.reduce((sum, node) => sum + node.active_jobs, 0);
  document.getElementById("totals").textContent =
    `${online} of ${nodes.length} nodes online, ${models.size} models, ${jobs} active jobs`;
  document.getElementById("empty").hidden = nodes.length > 0;
  document.getElementById("nodes").replaceChildren(...nodes.map(describe));
  const body = JSON.stringify({ model: [...models][0] ?? "llama3", prompt: "Why is the sky blue?" });
  document.getElementById("example").textContent =
    `curl -N ${location.origin}/jobs -H 'Content-Type: application/json' -d '${body}'`;
}

const seconds = (ms) => `${ms < 10_000 ? Math.round(ms / 100) / 10 : Math.round(ms / 1000)} s`;

/** Who waits for a free slot, and what one more would have to expect. */
function showQueue({ waiting, models }) {
  const each = models.map(({ model, waiting, oldest_wait_ms, expected_wait_ms }) => {
    const expected = expected_wait_ms === null ? "" : `, one more would wait about ${seconds(expected_wait_ms)}`;
    return `${waiting} for ${model ?? "any model"} (the first for ${seconds(oldest_wait_ms)}${expected})`;
  });
  document.getElementById("waiting").textContent =
    waiting === 0 ? "Nobody waits for a free slot" : `${waiting} waiting for a free slot: ${each.join("; ")}`;
}

document.getElementById("join").textContent = `SERVER_URL=${location.origin} bun run node`;
keepFresh("/nodes", show);
keepFresh("/queue", showQueue);
