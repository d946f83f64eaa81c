/** One question to Ollama and what becomes of it: the answer as it comes, or what the node says instead. */
import { failureWords } from "../shared/failure_words.ts";
import { errorCode, neverConnected } from "../shared/fleet_fetch.ts";
import type { Arrival } from "./arrival.ts";
import type { OllamaClient, OllamaRequest } from "./ollama.ts";
import { decline, problem } from "./own_answer.ts";
import { relayAnswer } from "./relay.ts";
import type { Story } from "./story.ts";

export interface AskDeps {
  readonly ollama: Pick<OllamaClient, "send">;
  /** Told when Ollama refused the connection. */
  readonly onRefused: () => void;
  /** Told when Ollama answered a request for `model`, "" when nobody said which. */
  readonly onAnswered: (model: string) => void;
}

export interface Question {
  readonly request: OllamaRequest;
  /** "" when it is for none, or for one nobody named. */
  readonly model: string;
  readonly onFirstByte: () => void;
  /** Called exactly once, however it ended; `status` is Ollama's, null when it gave none. */
  readonly onEnd: (status: number | null) => void;
}

/** Puts `question` to Ollama for `arrival`. Ends `story`, and never rejects. */
export async function askOllama(
  { ollama, onRefused, onAnswered }: AskDeps,
  arrival: Arrival,
  story: Story,
  question: Question,
): Promise<Response> {
  const { signal } = arrival.request;
  try {
    const answer = await ollama.send(question.request, arrival.requestId, signal);
    onAnswered(question.model);
    return relayAnswer(answer, arrival.request, {
      onFirstByte() {
        story.tell({ first_byte_ms: story.ms() });
        question.onFirstByte();
      },
      onEnd(end, bytes) {
        question.onEnd(answer.status);
        story.end(end, answer.status, bytes);
      },
    });
  } catch (error) {
    question.onEnd(null);
    if (signal.aborted) return story.left();
    story.tell({ error: failureWords(error) });
    if (!neverConnected(error)) return story.answer(problem(502, brokenSentence(error)), "no_answer");
    onRefused();
    return story.answer(decline("ollama_down"), "ollama_down");
  }
}

function brokenSentence(error: unknown): string {
  return errorCode(error) === "ECONNRESET"
    ? "Ollama closed the connection before it answered"
    : `Ollama's answer could not be read: ${failureWords(error)}`;
}
