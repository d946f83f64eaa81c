// One question to the hub's /api/chat, read as it comes: what arrived, from which node, how fast.

/**
 * @typedef {object} Answer
 * @property {string | null} node
 * @property {number} attempts
 * @property {number | null} position Its place in the queue when it came, if it had to wait.
 * @property {number | null} firstMs From asking to the first text.
 * @property {number} totalMs
 * @property {number | null} tokens As the model counted them.
 * @property {number | null} perSecond Tokens a second, by the model's own time where it told.
 * @property {string | null} cut Why it ended early: the model's word, such as "length".
 *
 * @typedef {object} Hear
 * @property {(answer: Answer) => void} begun When the node is known.
 * @property {(text: string, kind: "text" | "thought") => void} said
 */

/**
 * Asks `model`, on `node` if one is named. Resolves when the answer is whole; rejects with a sentence, or with an
 * AbortError when `signal` says so.
 * @param {{ model: string, node: string, prompt: string, signal: AbortSignal }} question @param {Hear} hear
 * @returns {Promise<Answer>}
 */
export async function chat({ model, node, prompt, signal }, hear) {
  const startedAt = performance.now();
  const response = await fetch("/api/chat", {
    method: "POST",
    headers: { "content-type": "application/json", ...(node === "" ? {} : { "x-node-id": node }) },
    body: JSON.stringify({ model, messages: [{ role: "user", content: prompt }], stream: true }),
    signal,
  });
  if (!response.ok) throw new Error(await problemOf(response));
  /** @type {Answer} */
  const answer = {
    node: response.headers.get("x-node-id"),
    attempts: Number(response.headers.get("x-attempts") ?? 1),
    position: numberOf(response.headers.get("x-queue-position")),
    firstMs: null,
    totalMs: 0,
    tokens: null,
    perSecond: null,
    cut: null,
  };
  hear.begun(answer);
  let done = false;
  for await (const line of linesOf(response)) {
    if (line.error) throw new Error(String(line.error));
    const { content = "", thinking = "" } = line.message ?? {};
    if (content || thinking) answer.firstMs ??= performance.now() - startedAt;
    if (thinking) hear.said(thinking, "thought");
    if (content) hear.said(content, "text");
    if (!line.done) continue;
    done = true;
    answer.tokens = line.eval_count ?? null;
    if (line.eval_count && line.eval_duration) answer.perSecond = (line.eval_count * 1e9) / line.eval_duration;
    if (line.done_reason && line.done_reason !== "stop") answer.cut = line.done_reason;
  }
  answer.totalMs = performance.now() - startedAt;
  if (!done) throw new Error("the answer broke off");
  return answer;
}

/** @param {string | null} text */
const numberOf = (text) => (text === null ? null : Number(text));

/** @param {Response} response */
async function* linesOf(response) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  while (reader) {
    const { value, done } = await reader.read();
    const lines = (rest + (value ?? "")).split("\n");
    rest = done ? "" : (lines.pop() ?? "");
    for (const line of lines) if (line.trim() !== "") yield JSON.parse(line);
    if (done) return;
  }
}

/** What went wrong, in the hub's or the model's words. @param {Response} response */
async function problemOf(response) {
  const body = await response.json().catch(() => null);
  const told = body?.error ?? body?.detail?.message ?? body?.detail;
  return typeof told === "string" ? told : `the hub answered with status ${response.status}`;
}
