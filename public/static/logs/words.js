// What the hub calls the ends of attempts, in words for people.

/** @type {Readonly<Record<string, string>>} */
const OUTCOMES = {
  ok: "ok",
  unreachable: "not reached",
  connection_lost: "connection lost",
  node_lost: "node fell silent",
  node_restarted: "node restarted",
  first_byte_timeout: "no answer in time",
  stalled: "stopped midway",
  truncated: "broke off",
  protocol_error: "answer not understood",
  model_missing: "model not there",
  route_missing: "endpoint not there",
  busy: "busy",
  declined: "handed back",
  out_of_memory: "out of memory",
  runner_crashed: "model crashed",
  server_error: "server error",
  deadline: "out of time",
  hub_stopping: "hub was stopping",
  hub_exhausted: "hub out of connections",
};

/** How an attempt ended. @param {string} outcome @returns {string} */
export const outcomeWords = (outcome) =>
  Object.hasOwn(OUTCOMES, outcome) ? (OUTCOMES[outcome] ?? outcome) : outcome.replaceAll("_", " ");
