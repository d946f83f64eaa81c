// Saying an answer: tokens at their pace in a route's voice, and the faults that strike after n tokens.
import type { EngineSettings, FakeExecution, Job } from "./fake_ollama_engine.ts";
import { type FakeFault, faultText } from "./fake_ollama_faults.ts";
import { type Exchange, ExchangeOver } from "./fake_ollama_http.ts";
import { Refusal } from "./fake_ollama_json.ts";
import { type Piece, piecesOf, type ToolCall } from "./fake_ollama_pieces.ts";
import type { Pause } from "./fake_ollama_runner.ts";
import { nanoseconds } from "./fake_ollama_time.ts";
import { promptTokens } from "./fake_ollama_tokens.ts";

/** The finished answer, as every voice words it. Durations in nanoseconds. */
export interface Answer {
  text: string;
  thinking: string;
  tools: ToolCall[];
  doneReason: "stop" | "length" | "load";
  totalNs: number;
  loadNs: number;
  promptTokens: number;
  promptNs: number;
  evalTokens: number;
  evalNs: number;
}

/** How a route words an answer: payloads only, no HTTP. An empty string says nothing. */
export interface Voice {
  streamHeaders: Record<string, string>;
  /** Before the first piece, given its kind. */
  opening?(): string;
  piece(piece: Piece): string;
  /** The last chunks of a stream. */
  closing(answer: Answer): string[];
  /** What a stream says when the model fails in its middle. */
  lateError(message: string): string;
  /** What ends a message of the stream: LF, or LF LF. */
  messageEnd: string;
  wholeHeaders: Record<string, string>;
  whole(answer: Answer): string;
}

/** Moments of one execution, `performance.now()` ms. */
export interface Course {
  execution: FakeExecution;
  pause: Pause;
  fault: FakeFault | undefined;
  loadedAt: number;
  slotAt: number;
  evaluatedAt: number;
}

// A real model counts its end-of-text token as well, which no line shows.
const endTokens = 1;

/** Answers `job` in `voice`, streamed or whole. @throws Refusal for an error before the first byte; ExchangeOver. */
export async function speak(
  exchange: Exchange,
  job: Job,
  voice: Voice,
  course: Course,
  settings: EngineSettings,
): Promise<void> {
  const { execution, pause, fault } = course;
  const slowMs = fault?.kind === "slow" ? fault.msPerToken : 0;
  const intervalMs = 1000 / settings.tokensPerSecond + slowMs;
  const firstDue = course.evaluatedAt + slowMs;
  const said: Piece[] = [];
  const strike = () => faultAfterTokens(exchange, job, voice, fault, said, settings.version);
  for (const piece of piecesOf(job, settings)) {
    await strike();
    // Due times are absolute, so the pace holds however late single timers fire.
    await pause.sleep(firstDue + said.length * intervalMs - performance.now());
    said.push(piece);
    if (job.stream) await say(exchange, voice, () => voice.piece(piece));
    execution.tokensSent = said.length;
  }
  await strike();
  const answer = answerOf(job, course, said);
  if (!job.stream) return exchange.send(200, voice.wholeHeaders, voice.whole(answer));
  await begin(exchange, voice);
  for (const payload of voice.closing(answer)) await exchange.write(payload);
  await exchange.end();
}

/** Lets a fault "after n tokens" happen when n tokens have been said. Returns when there is none. */
async function faultAfterTokens(
  exchange: Exchange,
  job: Job,
  voice: Voice,
  fault: FakeFault | undefined,
  said: Piece[],
  version: string,
): Promise<void> {
  if (fault === undefined || !("tokens" in fault) || fault.tokens !== said.length) return;
  if (fault.kind === "hangAfterTokens") await exchange.hang();
  if (fault.kind === "malformedAfterTokens") {
    const broken = () => fault.line ?? halved(voice.piece({ kind: "text", text: "broken" }));
    if (job.stream) await say(exchange, voice, () => broken() + voice.messageEnd);
    else await exchange.send(200, voice.wholeHeaders, fault.line ?? halved(voice.whole(emptyAnswer)));
  } else {
    const message = faultText(fault, job.requested);
    const early = said.length === 0 && !hidesEarlyErrors(version);
    if (!job.stream || early) throw new Refusal(500, message, job.stream ? "stream" : "handler");
    await say(exchange, voice, () => voice.lateError(message));
  }
  if (job.stream) await exchange.end();
  throw new ExchangeOver("cut");
}

/** The head and opening of a streamed answer, if they are not out yet. */
async function begin(exchange: Exchange, voice: Voice): Promise<void> {
  if (exchange.started) return;
  await exchange.start(200, voice.streamHeaders);
  await exchange.write(voice.opening?.() ?? "");
}

/** One chunk; worded after the opening, because some routes number what they say. */
async function say(exchange: Exchange, voice: Voice, payload: () => string): Promise<void> {
  await begin(exchange, voice);
  await exchange.write(payload());
}

/** The first half of a body: no valid JSON any more. */
export function halved(body: string): string {
  return body.slice(0, Math.floor(body.length / 2));
}

function textOf(pieces: Piece[], kind: "text" | "thinking"): string {
  return pieces.map((piece) => (piece.kind === kind ? piece.text : "")).join("");
}

/** An answer in which nothing was said. */
export const emptyAnswer: Answer = {
  text: "",
  thinking: "",
  tools: [],
  doneReason: "stop",
  totalNs: 0,
  loadNs: 0,
  promptTokens: 0,
  promptNs: 0,
  evalTokens: 0,
  evalNs: 0,
};

function answerOf(job: Job, course: Course, said: Piece[]): Answer {
  const now = performance.now();
  const reason = job.numPredict === undefined ? "stop" : "length";
  const prompt = promptTokens(job.prompt);
  return {
    text: textOf(said, "text"),
    thinking: textOf(said, "thinking"),
    tools: said.flatMap((piece) => (piece.kind === "tool" ? [piece.tool] : [])),
    doneReason: reason,
    totalNs: nanoseconds(now - job.arrivedAt),
    loadNs: nanoseconds(course.loadedAt - job.arrivedAt),
    promptTokens: prompt,
    promptNs: nanoseconds(course.evaluatedAt - course.slotAt),
    evalTokens: said.length + (reason === "stop" ? endTokens : 0),
    evalNs: nanoseconds(now - course.evaluatedAt),
  };
}

/** Ollama before 0.12.6 answered 200 and an error line when a stream failed before its first token. */
function hidesEarlyErrors(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.-]/).map(Number);
  return major === 0 && (minor < 12 || (minor === 12 && patch < 6));
}
