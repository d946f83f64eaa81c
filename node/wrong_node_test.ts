/** A request that is meant for a node of another name: what an agent does that got its address. */
import { afterEach, expect, test } from "bun:test";
import { HEADERS } from "../shared/protocol.ts";
import { type NodeWithOllama, startNodeWithOllama } from "./testing/node_with_ollama.ts";

let both: NodeWithOllama | null = null;
afterEach(async () => {
  await both?.stop();
  both = null;
});

async function start(): Promise<NodeWithOllama> {
  both = await startNodeWithOllama({}, { nodeId: "b" });
  return both;
}

type Row = readonly [method: string, path: string, body: string | null];

const LISTING: Row = ["GET", "/ollama/api/tags", null];
const REQUESTS: readonly [Row, ...Row[]] = [
  ["POST", "/execute", '{"model":"llama3","prompt":"x","stream":false}'],
  ["POST", "/execute", "not even JSON"],
  ["POST", "/ollama/api/chat", '{"model":"llama3","messages":[{"role":"user","content":"x"}],"stream":false}'],
  ["POST", "/ollama/api/pull", '{"model":"fresh","stream":false}'],
  ["DELETE", "/ollama/api/delete", '{"model":"llama3"}'],
  LISTING,
  ["HEAD", `/ollama/api/blobs/sha256:${"0".repeat(64)}`, null],
];
const [JOB] = REQUESTS;

const send = ({ node }: NodeWithOllama, [method, path, body]: Row, headers: Record<string, string>) =>
  fetch(node.url + path, { method, headers, ...(body === null ? {} : { body }) });

/** Requests at Ollama but for the looks of the agent itself. */
const atOllama = ({ ollama }: NodeWithOllama) =>
  ollama.seen.filter(({ method, path }) => method !== "GET" && path !== "/").length;

test.each(REQUESTS)("%s %s for another node is declined before Ollama hears of it", async (method, path, body) => {
  const fleet = await start();
  const answer = await send(fleet, [method, path, body], { [HEADERS.nodeId]: "a" });
  const { headers } = answer;
  expect([answer.status, headers.get(HEADERS.declined), headers.get(HEADERS.agentError)]).toEqual([
    421,
    "wrong_node",
    "1",
  ]);
  expect(headers.get(HEADERS.nodeId)).toBe("b");
  if (method !== "HEAD") {
    expect(await answer.json()).toEqual({ detail: "This is node b, not a, which the request is for" });
  }
  expect(atOllama(fleet)).toBe(0);
});

test.each<[name: string | null]>([[null], [""], [" "], ["b"], [" b "]])(
  "a request that names this node or none is served: %j",
  async (name) => {
    const headers: Record<string, string> = name === null ? {} : { [HEADERS.nodeId]: name };
    const fleet = await start();
    expect((await send(fleet, JOB, headers)).status).toBe(200);
    expect((await send(fleet, LISTING, headers)).status).toBe(200);
  },
);

test("a name without end is not all said back", async () => {
  const answer = await send(await start(), JOB, { [HEADERS.nodeId]: "x".repeat(5000) });
  expect(answer.status).toBe(421);
  expect((await answer.text()).length).toBeLessThan(300);
});
