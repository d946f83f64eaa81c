/** What a query that is wrong is answered: zod's findings as the one-sentence `detail` the user's clients know. */
import type { Context } from "hono";
import type { z } from "zod";
import { describeIssues } from "../../shared/errors.ts";

/** For zValidator: 400 where `result` is a failure, else nothing. */
export function badRequest(
  result: { success: true } | { success: false; error: z.core.$ZodError },
  context: Context,
): Response | undefined {
  return result.success ? undefined : context.json({ detail: describeIssues(result.error) }, 400);
}
