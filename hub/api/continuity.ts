/** Whether a request belongs to a conversation, and to which: its first messages stay the same from turn to turn. */
import type { Continuity } from "../conversations.ts";
import { goField } from "./go_fields.ts";
import type { Fields } from "./request_fields.ts";

/** The continuity of a request with these `fields` on Ollama's route `path`. */
export function continuityOf(path: string, fields: Fields): Continuity {
  if (/embed/.test(path)) return { kind: "always the same" };
  // Tokens of one manifest's vocabulary, from its answer before.
  if (path === "/api/generate" && goField(fields, "context") != null) return { kind: "always the same" };
  const messages = goField(fields, "messages") ?? goField(fields, "input");
  if (!Array.isArray(messages)) return { kind: "none" };
  const firstQuestion = messages.findIndex((message) => goField(message, "role") === "user");
  if (firstQuestion < 0) return { kind: "none" };
  const beginning = [
    goField(fields, "model"),
    goField(fields, "system"),
    goField(fields, "instructions"),
    ...messages.slice(0, firstQuestion + 1),
  ];
  const id = idOf(beginning);
  return id === null ? { kind: "none" } : { kind: "conversation", id, begun: messages.length > firstQuestion + 1 };
}

/** All of it tells: assistants begin with the same ten thousand characters. Null for what is nested too deeply to write. */
function idOf(beginning: unknown): string | null {
  try {
    return Bun.hash(JSON.stringify(beginning)).toString(36);
  } catch {
    return null;
  }
}
