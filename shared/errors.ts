/** Errors as people read them: what was thrown, and what was wrong with the input, field by field, in one sentence. */
import type { z } from "zod";

/** What a schema found wrong, as `field: why` joined by semicolons. */
export function describeIssues(error: z.core.$ZodError): string {
  return error.issues.map((issue) => `${fieldName(issue.path)}${plain(issue)}`).join("; ");
}

function fieldName(path: readonly PropertyKey[]): string {
  if (path.length === 0) return "";
  const name = path.map(String).reduce((text, part) => (/^\d+$/.test(part) ? `${text}[${part}]` : `${text}.${part}`));
  return `${name}: `;
}

/** zod says "Invalid input: expected string, received undefined" of a field that is simply missing. */
function plain(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type" && /received undefined$/.test(issue.message))
    return `is required (${issue.expected})`;
  return issue.message.replace(/^Invalid input: /, "").replace(/^expected record\b/, "expected object");
}

/** What was thrown, in words; not everything that is thrown is an Error. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
