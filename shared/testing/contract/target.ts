/** Whom the contract suite asks: the stand-in Ollama itself, and a hub in front of one or more of them. */
import { afterAll, afterEach, beforeAll, beforeEach, describe } from "bun:test";
import net from "node:net";
import { type FakeOllama, type FakeOllamaOptions, startFakeOllama } from "../fake_ollama.ts";
import { exchangeBytes, postBytes, type WireAnswer } from "../fake_ollama_wire.ts";
import { type Fleet, startFleet } from "../start_fleet.ts";
import { type Answer, readAnswer } from "./answer.ts";

export interface TargetOptions {
  readonly ollama: FakeOllamaOptions;
  /** Options of single stand-ins, by node; win over `ollama`. */
  readonly ollamas?: Readonly<Record<string, FakeOllamaOptions>>;
  /** Nodes behind the hub; default one, called "a". */
  readonly nodes?: readonly string[];
  /** A new target for every test, because tests change it; default one for all. */
  readonly fresh?: boolean;
}

/** Milliseconds without a byte after which an answer counts as stuck. */
const SILENCE_MS = 3000;

/** A request line with headers and no body. */
export function requestBytes(method: string, path: string, headers: Record<string, string> = {}): string {
  const lines = Object.entries({ Host: "localhost", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** A request with a body that comes in chunks, without a length. */
export function chunkedBytes(path: string, parts: readonly string[], headers: Record<string, string> = {}): string {
  const chunks = parts.map((part) => `${Buffer.byteLength(part).toString(16)}\r\n${part}\r\n`).join("");
  return `${requestBytes("POST", path, { ...headers, "Transfer-Encoding": "chunked" })}${chunks}0\r\n\r\n`;
}

/** A DELETE, or whatever else, with a body. */
export function bodyBytes(method: string, path: string, body: unknown): string {
  return postBytes(path, body).replace(/^POST/, method);
}

/** Something that claims to be an Ollama. Works between `start` and `stop` only. */
export class Target {
  readonly viaHub: boolean;
  readonly #options: TargetOptions;
  #fleet: Fleet | undefined;
  #single: FakeOllama | undefined;

  constructor(viaHub: boolean, options: TargetOptions) {
    this.viaHub = viaHub;
    this.#options = options;
  }

  get port(): number {
    return this.#fleet?.hub.port ?? this.ollama().port;
  }

  /** The stand-in behind it; of several the one of `node`. */
  ollama(node = this.#nodes[0] ?? "a"): FakeOllama {
    const found = this.#fleet?.ollama(node) ?? this.#single;
    if (found === undefined) throw new Error("this target is not started");
    return found;
  }

  /** The hub in front, with what it knows of its nodes. */
  get fleet(): Fleet {
    if (this.#fleet === undefined) throw new Error("no hub in front of this target, or it is not started");
    return this.#fleet;
  }

  get #nodes(): readonly string[] {
    return this.#options.nodes ?? ["a"];
  }

  async start(): Promise<void> {
    const { ollama, ollamas } = this.#options;
    if (!this.viaHub) {
      this.#single = await startFakeOllama(ollama);
      return;
    }
    // A fleet is up when every node has a model, so a node without any begins with one and loses it.
    const bare = ollama.models?.length === 0;
    this.#fleet = await startFleet({
      nodes: this.#nodes,
      ollama: bare ? { ...ollama, models: ["llama3.2"] } : ollama,
      ...(ollamas === undefined ? {} : { ollamas }),
      hub: { environment: { QUEUE_TIMEOUT: "0.3" } },
    });
    if (bare) await this.lose();
  }

  async stop(): Promise<void> {
    await this.#fleet?.[Symbol.asyncDispose]();
    await this.#single?.stop();
    this.#fleet = undefined;
    this.#single = undefined;
  }

  /** Takes every model off every stand-in, and waits until the hub knows. */
  async lose(): Promise<void> {
    for (const node of this.#nodes) {
      this.ollama(node).setModels([]);
      this.ollama(node).setLoaded([]);
    }
    await this.knows((models) => models.length === 0);
  }

  /** Resolves when the models the hub lists for every node satisfy `condition`; at once without a hub. */
  async knows(condition: (models: readonly string[], node: string) => boolean): Promise<void> {
    if (this.#fleet === undefined) return;
    for (const id of this.#nodes) await this.#fleet.hub.nodeThat(id, ({ models }) => condition(models, id));
  }

  /** Every byte that comes back until `enough` is satisfied, or nothing has come for 3 s. */
  async talk(bytes: string, enough: (received: string) => boolean): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const socket = net.connect(this.port, "127.0.0.1", () => socket.write(bytes));
    socket.setTimeout(SILENCE_MS, resolve);
    socket.on("error", () => resolve());
    socket.on("close", () => resolve());
    let received = "";
    socket.on("data", (data) => {
      received += data.toString();
      if (enough(received)) resolve();
    });
    await promise;
    socket.destroy();
    return received;
  }

  /** The wire as it is. */
  exchange(bytes: string, silenceMs = SILENCE_MS): Promise<WireAnswer> {
    return exchangeBytes(this.port, bytes, silenceMs);
  }

  /** The answer to raw bytes. @throws Error when it is cut or badly framed. */
  async send(bytes: string): Promise<Answer> {
    const method = bytes.slice(0, bytes.indexOf(" "));
    return readAnswer(await this.exchange(bytes), method, this.viaHub);
  }

  /** POST with a JSON body, or with a text as it is. */
  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send(postBytes(path, body, headers));
  }

  /** A request without a body. */
  call(method: string, path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send(requestBytes(method, path, headers));
  }
}

/** Puts the same questions to the stand-in itself and to a hub in front of it. */
export function onEveryTarget(theme: string, options: TargetOptions, questions: (target: Target) => void): void {
  onTarget(`${theme}, asked directly`, new Target(false, options), options, questions);
  throughTheHub(theme, options, questions);
}

/** Puts questions to a hub only: what it does with several nodes, and what it does on purpose in another way. */
export function throughTheHub(theme: string, options: TargetOptions, questions: (target: Target) => void): void {
  onTarget(`${theme}, through the hub`, new Target(true, options), options, questions);
}

function onTarget(name: string, target: Target, { fresh }: TargetOptions, questions: (target: Target) => void): void {
  describe(name, () => {
    if (fresh === true) {
      beforeEach(() => target.start());
      afterEach(() => target.stop());
    } else {
      beforeAll(() => target.start());
      afterAll(() => target.stop());
    }
    questions(target);
  });
}
