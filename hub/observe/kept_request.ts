/** What the request log keeps of a request's body: long texts cut, and under LOG_PROMPTS=0 no text of a person's. */

/** Characters of one text, and of all texts of one request: a thousand requests with images must fit the memory. */
const LONGEST_TEXT = 4_000;
/** Characters of a model's name; longer ones are none. */
const LONGEST_NAME = 512;
const LARGEST_REQUEST = 16_000;
const LONGEST_LIST = 50;
const DEEPEST = 6;

/** Characters that may still be kept of one request. */
interface Budget {
  left: number;
}

/** A copy of `value` with long texts and lists cut, each cut said in words. */
export function shorten(value: unknown): unknown {
  return shortenWithin({ left: LARGEST_REQUEST }, value, 0);
}

/** What is kept of a model's name. */
export function keptName(name: string): string {
  return cutText({ left: LONGEST_NAME }, name);
}

function shortenWithin(budget: Budget, value: unknown, depth: number): unknown {
  if (typeof value === "string") return cutText(budget, value);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= DEEPEST) return "… (deeper than the log keeps)";
  if (Array.isArray(value)) {
    const kept = value.slice(0, LONGEST_LIST).map((entry) => shortenWithin(budget, entry, depth + 1));
    if (value.length > LONGEST_LIST) kept.push(`… (${value.length - LONGEST_LIST} more)`);
    return kept;
  }
  const entries = Object.entries(value);
  const kept = entries
    .slice(0, LONGEST_LIST)
    .map(([key, entry]) => [cutText(budget, key), shortenWithin(budget, entry, depth + 1)]);
  if (entries.length > LONGEST_LIST) kept.push(["…", `${entries.length - LONGEST_LIST} more`]);
  return Object.fromEntries(kept);
}

function cutText(budget: Budget, text: string): string {
  const length = Math.min(text.length, LONGEST_TEXT, budget.left);
  budget.left -= length;
  if (length === text.length) return text;
  // Through bytes, so that it is a copy: a slice would keep the whole text alive, 100 MB of pictures perhaps.
  const kept = Buffer.from(text.slice(0, length)).toString();
  return `${kept}… (${text.length - length} more characters)`;
}

/** What stands for what a person wrote. */
const NOT_LOGGED = "(not logged)";

/** Fields of Ollama's, OpenAI's and Anthropic's that a person writes: only that they were there is kept. */
const WRITTEN = words(`
  prompt suffix system template context messages images tools format input documents texts query instructions text
  response_format tool_choice stop stop_sequences user metadata license modelfile parameters files adapters file name
  source destination from path logit_bias previous_response_id
`);

/** Fields that are numbers and switches, in a request or its options: kept as long as they are that. */
const SWITCHES = words(`
  stream raw truncate shift insecure verbose logprobs top_logprobs dimensions width height steps quantize
  max_tokens max_completion_tokens max_output_tokens n echo best_of store parallel_tool_calls
  num_keep num_predict num_ctx num_batch num_gpu main_gpu num_thread numa low_vram vocab_only use_mmap use_mlock
  seed temperature top_k top_p min_p typical_p tfs_z repeat_last_n repeat_penalty presence_penalty frequency_penalty
  mirostat mirostat_tau mirostat_eta penalize_newline draft_num_predict
`);

/** Fields of which some texts are no person's. */
const TEXTS: Readonly<Record<string, RegExp>> = {
  keep_alive: /^[+-]?[0-9.]{1,12}((ns|us|µs|ms|s|m|h)([0-9.]{1,12}(ns|us|µs|ms|s|m|h)){0,2})?$/,
  think: /^(low|medium|high|max)$/,
};

/** What is kept of `json` under LOG_PROMPTS=0: which model, switches and numbers. All else may be a person's words. */
export function withoutPrompts(json: unknown): unknown {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return null;
  return knownFields(json, (name, value) => {
    if (name === "model") return typeof value === "string" ? keptName(value) : NOT_LOGGED;
    if (name !== "options") return keptValue(name, value);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? knownFields(value, keptValue) : NOT_LOGGED;
  });
}

/** The fields of `object` whose names are known, each value as `keep` has it; of the rest, how many there are. */
function knownFields(object: object, keep: (name: string, value: unknown) => unknown): unknown {
  const kept: [string, unknown][] = [];
  let unknown = 0;
  for (const [key, value] of Object.entries(object)) {
    const name = key.toLowerCase();
    if (isKnown(name) && kept.length < LONGEST_LIST) kept.push([name, keep(name, value)]);
    else unknown++;
  }
  if (unknown > 0) kept.push(["…", `${unknown} more ${NOT_LOGGED}`]);
  return Object.fromEntries(kept);
}

function isKnown(name: string): boolean {
  return (
    name === "model" || name === "options" || WRITTEN.has(name) || SWITCHES.has(name) || Object.hasOwn(TEXTS, name)
  );
}

function keptValue(name: string, value: unknown): unknown {
  if (value === null) return null;
  if (WRITTEN.has(name)) return NOT_LOGGED;
  if (typeof value === "number" || typeof value === "boolean") return value;
  return typeof value === "string" && Object.hasOwn(TEXTS, name) && TEXTS[name]?.test(value) ? value : NOT_LOGGED;
}

function words(list: string): ReadonlySet<string> {
  return new Set(list.trim().split(/\s+/));
}
