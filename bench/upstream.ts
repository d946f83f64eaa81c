/**
 * The upstream of every contender, a process of its own: an Ollama that costs next to nothing, and ten nodes that answer
 * like it. Commands come as JSON lines on standard input, each is answered by a line; it ends with its input.
 */
import { PATHS } from "../shared/protocol.ts";
import { lastLine, MODELS, paceIn, UPSTREAM_NODES } from "./chunk.ts";
import { readLines } from "./lines.ts";
import { listenAt, type Reply, type UpstreamRequest } from "./upstream_http.ts";
import { createUpstreamNode, type UpstreamNode } from "./upstream_nodes.ts";
import { createPacer } from "./upstream_pace.ts";

export interface UpstreamCommand {
  readonly join?: { readonly url: string; readonly stateDir: string };
  readonly leave?: { readonly url: string };
}

/** The first line it writes. */
export interface UpstreamReady {
  /** Port of what is just an Ollama. */
  readonly port: number;
}

const pacer = createPacer();

const STREAM_HEAD = "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";
const listed = MODELS.map((name, index) => ({
  name: `${name}:latest`,
  model: `${name}:latest`,
  digest: String(index).padStart(64, "0"),
  size: 4e9,
  size_vram: 4e9,
  modified_at: "2026-01-01T00:00:00Z",
  expires_at: "2099-01-01T00:00:00Z",
}));
const LISTS: Readonly<Record<string, string>> = {
  "/api/version": JSON.stringify({ version: "0.33.0" }),
  "/api/tags": JSON.stringify({ models: listed }),
  "/api/ps": JSON.stringify({ models: listed }),
};
/** About 300 bytes, as a short answer. */
const WHOLE = jsonText(lastLine(10, "a word or two"));

/** Answers `request` as Ollama, with a status line and headers that begin with `head`. */
function asOllama({ path, body }: UpstreamRequest, head: string, reply: Reply): void {
  const list = LISTS[path];
  const pace = list === undefined ? paceIn(body) : null;
  if (pace === null) {
    reply.write(head + (list === undefined ? WHOLE : jsonText(list)));
    return reply.end();
  }
  const { first, stop } = pacer.begin(pace, reply.write, reply.end);
  reply.onGone = stop;
  reply.write(head + STREAM_HEAD + first);
}

function jsonText(body: string): string {
  return `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

const OK = "HTTP/1.1 200 OK\r\n";

function startNode(index: number): UpstreamNode {
  const id = `bench-${index}`;
  const head = `${OK}X-Node-Id: ${id}\r\n`;
  const port = listenAt(0, (request, reply) => {
    const { path } = request;
    if (path.startsWith(PATHS.ollama)) {
      return asOllama({ ...request, path: path.slice(PATHS.ollama.length) }, head, reply);
    }
    const question = new URLSearchParams(path.split("?", 2)[1]);
    const health = node.health(question.get("challenge") ?? "", question.get("hub") ?? "", question.get("at") ?? "");
    reply.write(head + jsonText(JSON.stringify(health)));
    reply.end();
  });
  const node = createUpstreamNode(id, port);
  return node;
}

async function obey({ join, leave }: UpstreamCommand): Promise<void> {
  if (leave) for (const node of nodes) node.leave(leave.url);
  if (join) for (const node of nodes) await node.join(join.url, `${join.stateDir}/${node.id}`);
}

const port = listenAt(0, (request, reply) => asOllama(request, OK, reply));
const nodes = Array.from({ length: UPSTREAM_NODES }, (_, index) => startNode(index));
console.log(JSON.stringify({ port } satisfies UpstreamReady));
for await (const line of readLines(Bun.stdin.stream())) {
  const problem = await obey(JSON.parse(line)).then(
    () => null,
    (error: unknown) => String(error),
  );
  console.log(JSON.stringify({ problem }));
}
process.exit(0);
