/** Which node a client asks for: the one reading of X-Node-Id. */
import { HEADERS } from "../../shared/protocol.ts";

/** The node named in a client's `headers`, or null where it names none: no header, or an empty one. */
export function askedNode(headers: Headers): string | null {
  return headers.get(HEADERS.nodeId)?.trim() || null;
}
