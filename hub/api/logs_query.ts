/** What `GET /logs` can be asked. */
import { z } from "zod";
import { KEPT_REQUESTS } from "../request_log.ts";

export const logsQuery = z.object({ limit: z.coerce.number().int().min(1).max(KEPT_REQUESTS).default(100) });
