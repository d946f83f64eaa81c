/** A whole system inside the test's process: a hub, and nodes each with a fake Ollama of its own, over real sockets. */
import { type FakeOllama, type FakeOllamaOptions, startFakeOllama } from "./fake_ollama.ts";
import { eventually, type StartHubOptions, startTestHub, type TestHub } from "./start_hub.ts";
import { startNode, type TestNode } from "./start_node.ts";

export interface FleetOptions {
  /** Node ids; one node and one fake Ollama for each. */
  readonly nodes?: readonly string[];
  readonly hub?: StartHubOptions;
  readonly ollama?: FakeOllamaOptions;
  /** Options of single fake Ollamas, by node id; win over `ollama`. */
  readonly ollamas?: Readonly<Record<string, FakeOllamaOptions>>;
  readonly slots?: number;
}

export interface Fleet extends AsyncDisposable {
  readonly hub: TestHub;
  node(id: string): TestNode;
  ollama(id: string): FakeOllama;
  /** Starts the agent of `id` again on the port it had, after it was killed. */
  revive(id: string): Promise<TestNode>;
}

/** Starts it; every node is online when this resolves. */
export async function startFleet(options: FleetOptions = {}): Promise<Fleet> {
  const hub = startTestHub(options.hub);
  const nodes = new Map<string, TestNode>();
  const ollamas = new Map<string, FakeOllama>();

  async function startOne(id: string, port = 0): Promise<TestNode> {
    const node = await startNode({
      nodeId: id,
      serverUrl: hub.url,
      ollamaUrl: need(ollamas, id).url,
      slots: options.slots ?? 4,
      port,
    });
    nodes.set(id, node);
    const inMemory = { ...options.ollama, ...options.ollamas?.[id] }.loaded?.length ?? 1;
    await hub.nodeThat(
      id,
      ({ status, models, loaded, ollama }) =>
        // Until it has proven to be where it says.
        status !== "pending" && ollama.ok && models.length > 0 && loaded.length >= inMemory,
    );
    return node;
  }

  for (const id of options.nodes ?? ["a", "b"]) {
    ollamas.set(id, await startFakeOllama({ ...options.ollama, ...options.ollamas?.[id] }));
    await startOne(id);
  }
  return {
    hub,
    node: (id) => need(nodes, id),
    ollama: (id) => need(ollamas, id),
    revive: (id) => eventually(() => startOne(id, need(nodes, id).port)),
    async [Symbol.asyncDispose]() {
      await hub.stop();
      await Promise.all([...nodes.values()].map((node) => node.stop()));
      await Promise.all([...ollamas.values()].map((ollama) => ollama.stop()));
    },
  };
}

function need<T>(map: ReadonlyMap<string, T>, id: string): T {
  const found = map.get(id);
  if (!found) throw new Error(`no node ${id} in this fleet`);
  return found;
}
