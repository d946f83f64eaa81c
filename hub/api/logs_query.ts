/** What `GET /logs` can be asked. */
import { z } from "zod";
import { KEPT_REQUESTS } from "../request_log.ts";

/** Its parameters, with what they are where nothing is said. */
export const logsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(KEPT_REQUESTS).default(100),
  /** "0" leaves out what the client sent, which is most of a record. */
  request_json: z.enum(["0", "1"]).default("1"),
  format: z.enum(["json", "ndjson"]).default("json"),
});
