/** What an older hub's request looks like, which has no key and so no ticket: all that tells it from anybody else's. */
import { type Address, isNearby, parseAddress } from "../shared/address.ts";
import { forwardingHeader } from "../shared/forwarding.ts";
import { withoutQuery } from "../shared/ollama_routes.ts";
import { PATHS } from "../shared/protocol.ts";
import { pathIn } from "../shared/signed_text.ts";

/** Null for a request that an older hub may have sent from `source`, null where that is unknown; else why it has not. */
export function whyNotOlderHub(request: Pick<Request, "url" | "headers">, source: Address | null): string | null {
  const { url, headers } = request;
  // It knows nothing else, and everything else includes the deletion of models.
  if (withoutQuery(pathIn(url)) !== PATHS.execute)
    return "this node's hub has no key, so it gets jobs done and no more";
  if (source === null || !isNearby(source)) {
    return `the request is from ${source?.text ?? "an unknown address"}, which is not in this node's network`;
  }
  const forwarded = forwardingHeader(headers);
  if (forwarded !== null) return `the request came through a proxy (${forwarded})`;
  // A page reaches a machine of its visitor's network under a name its owner points there, or says where it is from.
  const host = (headers.get("host") ?? "").replace(/:\d*$/, "");
  if (host !== "localhost" && parseAddress(host) === null)
    return "the request calls this node by a name, which no hub does";
  if (headers.has("origin") || headers.has("sec-fetch-site")) return "the request is a web page's";
  return null;
}
