import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import net from "node:net";
import { HEADERS } from "../shared/protocol.ts";
import type { FakeOllamaOptions } from "../shared/testing/fake_ollama.ts";
import { exchangeBytes } from "../shared/testing/fake_ollama_wire.ts";
import { everybody, type StartNodeOptions, startNode, type TestNode } from "../shared/testing/start_node.ts";
import { healthOf, startNodeWithOllama } from "./testing/node_with_ollama.ts";
import { startSlowOllama } from "./testing/slow_ollama.ts";
import { startStubHub } from "./testing/stub_hub.ts";
import { until } from "./testing/until.ts";

const toEnd: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0)) await end();
});

async function start(ollamaOptions: FakeOllamaOptions = {}, nodeOptions: StartNodeOptions = {}) {
  const both = await startNodeWithOllama(ollamaOptions, nodeOptions);
  toEnd.push(both.stop);
  return both;
}

async function startSlow() {
  const ollama = await startSlowOllama();
  const node = await startNode({ ollamaUrl: ollama.url, gate: everybody });
  toEnd.push(node.stop, ollama.stop);
  return { ollama, node };
}

function send(node: TestNode, method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  return fetch(`${node.url}/ollama${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
}

const MEGABYTE = 2 ** 20;
const EMPTY_DIGEST = `sha256:${"0".repeat(64)}`;

/** Sends `count` megabytes of a blob on a socket of its own, as fast as they are taken. */
function upload(node: TestNode, count: number, framing: "length" | "chunked") {
  const socket = net.connect(node.port, "127.0.0.1");
  const state = { sent: 0, answer: "" };
  const head = framing === "length" ? `Content-Length: ${count * MEGABYTE}` : "Transfer-Encoding: chunked";
  socket.on("error", () => {});
  socket.on("data", (data) => {
    state.answer += data;
  });
  socket.write(`POST /ollama/api/blobs/${EMPTY_DIGEST} HTTP/1.1\r\nHost: n\r\n${head}\r\n\r\n`);
  const piece = Buffer.alloc(MEGABYTE);
  const chunk = framing === "length" ? piece : Buffer.concat([Buffer.from("100000\r\n"), piece, Buffer.from("\r\n")]);
  const next = () => {
    if (state.sent === count) {
      if (framing === "chunked") socket.write("0\r\n\r\n");
      return;
    }
    state.sent += 1;
    socket.write(chunk, next);
  };
  next();
  return { socket, state };
}

describe("a blob", () => {
  test("of 50 MB passes as it is", async () => {
    const { node, ollama } = await start();
    const blob = crypto.getRandomValues(new Uint8Array(65_536));
    const whole = Buffer.concat(Array.from({ length: 800 }, () => blob));
    const digest = `sha256:${createHash("sha256").update(whole).digest("hex")}`;
    const url = `${node.url}/ollama/api/blobs/${digest}`;
    expect((await fetch(url, { method: "HEAD" })).status).toBe(404);
    const answer = await fetch(url, { method: "POST", body: whole });
    expect([answer.status, answer.headers.get("content-length"), await answer.text()]).toEqual([201, "0", ""]);
    expect((await fetch(url, { method: "HEAD" })).status).toBe(200);
    const seen = ollama.seen.find(({ method, path }) => method === "POST" && path.startsWith("/api/blobs/"));
    const headers = Object.fromEntries((seen?.headers ?? []).map(([name, value]) => [name.toLowerCase(), value]));
    expect(headers["content-length"]).toBe(String(whole.length));
    expect(headers["transfer-encoding"]).toBeUndefined();
  });

  // More than the 256 MB that the node would hold of a prompt, and than Bun takes unless told otherwise.
  test.each(["length", "chunked"] as const)("of 400 MB is never held: it waits for Ollama (%s)", async (framing) => {
    const { node, ollama } = await startSlow();
    const memory = process.memoryUsage.rss();
    const { state } = upload(node, 400, framing);
    await until("Ollama has the request", () => ollama.heads.length === 1);
    expect(ollama.heads[0]).toContain(
      framing === "length" ? "Content-Length: 419430400" : "Transfer-Encoding: chunked",
    );
    await Bun.sleep(500);
    // What the kernel's buffers and one piece on its way take.
    expect(state.sent).toBeLessThan(40);
    ollama.resume();
    await until("Ollama has it all", () => ollama.read >= 400 * MEGABYTE, 20_000);
    expect((process.memoryUsage.rss() - memory) / MEGABYTE).toBeLessThan(150);
    await Bun.sleep(50);
    ollama.answer("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    await until("the answer is there", () => state.answer.includes("\r\n\r\n"));
    expect(state.answer).toStartWith("HTTP/1.1 201 ");
  });

  test("that Ollama refuses before it has it all is refused with Ollama's words", async () => {
    const { node, ollama } = await startSlow();
    const { state, socket } = upload(node, 100, "length");
    await until("Ollama has the request", () => ollama.heads.length === 1);
    ollama.answer('HTTP/1.1 400 Bad Request\r\nContent-Length: 13\r\nContent-Type: a/b\r\n\r\n{"error":"x"}');
    await until("the answer is there", () => state.answer.includes("error"));
    expect(state.answer).toStartWith("HTTP/1.1 400 ");
    expect(state.answer).toEndWith('{"error":"x"}');
    socket.destroy();
  });

  test.each(["length", "chunked"] as const)("whose sender leaves is not whole for Ollama (%s)", async (framing) => {
    const { node, ollama } = await startSlow();
    const { socket } = upload(node, 100, framing);
    await until("Ollama has the request", () => ollama.heads.length === 1);
    socket.resetAndDestroy();
    ollama.resume();
    await until("Ollama noticed", () => ollama.left === 1);
    expect(ollama.read).toBeLessThan(100 * MEGABYTE);
  });
});

describe("a caller that leaves", () => {
  test("before Ollama answered stops the request", async () => {
    const { node, ollama } = await startSlow();
    const caller = new AbortController();
    const answer = send(node, "POST", "/api/pull", { model: "a" }, caller.signal).catch(() => null);
    await until("Ollama has the request", () => ollama.heads.length === 1);
    caller.abort();
    await until("Ollama noticed", () => ollama.left === 1);
    await answer;
  });

  test("in the middle of a pull stops it", async () => {
    const { node, ollama } = await start({ pullMs: 60_000 });
    const caller = new AbortController();
    const answer = await send(node, "POST", "/api/pull", { model: "mistral" }, caller.signal);
    const reader = answer.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toContain("pulling manifest");
    expect((await healthOf(node)).running).toBe(0);
    caller.abort();
    await reader?.read().catch(() => {});
    const tags = await (await fetch(`${ollama.url}/api/tags`)).text();
    expect(tags).not.toContain("mistral");
    // Nothing is left that a drain would wait for.
    const began = performance.now();
    await node.drain();
    expect(performance.now() - began).toBeLessThan(2500);
  });
});

describe("when Ollama cannot be asked", () => {
  test.each([
    ["GET", "/api/tags"],
    ["POST", "/api/show"],
    ["POST", "/api/pull"],
    ["POST", "/api/me"],
    ["POST", "/api/chat"],
  ])("a refused connection is declined as Ollama being down (%s %s)", async (method, path) => {
    const { node, ollama } = await start({}, { ollamaLookMs: 60_000 });
    await until("the node has looked", () => ollama.seen.some((seen) => seen.path === "/api/ps"));
    ollama.refuse({ cut: true });
    const answer = await send(node, method, path, method === "POST" ? { model: "llama3" } : undefined);
    expect(answer.status).toBe(503);
    expect(answer.headers.get(HEADERS.declined)).toBe("ollama_down");
    expect(await answer.json()).toEqual({ detail: "Ollama is not running on this node" });
    expect((await healthOf(node)).ollama).toMatchObject({ ok: false });
    await ollama.accept();
    expect((await send(node, "GET", "/api/tags")).status).toBe(200);
    await until("the node looked again", () => ollama.seen.filter(({ path }) => path === "/api/version").length > 1);
  });

  test("an upload is declined without waiting for its body", async () => {
    const node = await startNode({ gate: everybody });
    toEnd.push(node.stop);
    const { socket, state } = upload(node, 100, "length");
    await until("it is declined", () => state.answer.includes("x-declined: ollama_down"));
    socket.destroy();
  });

  test("an Ollama that hangs up is a 502, one that breaks off breaks the connection", async () => {
    const { node, ollama } = await startSlow();
    const broken = send(node, "POST", "/api/show", {});
    await until("Ollama has the request", () => ollama.heads.length === 1);
    ollama.stop();
    const answer = await broken;
    expect(answer.status).toBe(502);
    expect(await answer.json()).toEqual({ detail: "Ollama closed the connection before it answered" });

    const other = await startSlow();
    const cut = exchangeBytes(other.node.port, "GET /ollama/api/status HTTP/1.1\r\nHost: n\r\n\r\n");
    await until("Ollama has the request", () => other.ollama.heads.length === 1);
    other.ollama.answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    await Bun.sleep(50);
    other.ollama.stop();
    expect(await cut).toMatchObject({ body: "abc", complete: false, ended: "reset" });
  });
});

describe("while the node drains", () => {
  test("management is handed back, what tells and what runs is as always, and a pull under way is finished", async () => {
    const { node } = await start({ pullMs: 1000 });
    const pull = await send(node, "POST", "/api/pull", { model: "mistral" });
    const drained = node.drain();
    for (const [method, path] of [
      ["POST", "/api/copy"],
      ["DELETE", "/api/delete"],
      ["HEAD", `/api/blobs/${EMPTY_DIGEST}`],
      ["POST", "/api/chat"],
    ] as const) {
      const refused = await send(node, method, path);
      expect([path, refused.status, refused.headers.get(HEADERS.declined)]).toEqual([path, 503, "draining"]);
    }
    for (const [method, path] of [
      ["GET", "/api/tags"],
      ["HEAD", "/"],
      ["POST", "/api/show"],
    ] as const) {
      const answer = await send(node, method, path, path === "/api/show" ? { model: "llama3" } : undefined);
      expect([path, answer.status]).toEqual([path, 200]);
    }
    expect(await pull.text()).toEndWith('{"status":"success"}\n');
    await drained;
  });
});

describe("a change of the models", () => {
  test.each([
    ["pulled", "POST", "/api/pull", { model: "mistral:7b" }, ["llama3:latest", "mistral:7b"]],
    ["copied", "POST", "/api/copy", { source: "llama3", destination: "alias" }, ["alias:latest", "llama3:latest"]],
    ["created", "POST", "/api/create", { model: "mine", from: "llama3" }, ["llama3:latest", "mine:latest"]],
    ["deleted", "DELETE", "/api/delete", { model: "llama3" }, []],
  ])("is told the hub at once (%s)", async (_name, method, path, body, models) => {
    const hub = startStubHub();
    const { node, ollama } = await start({}, { serverUrl: hub.url, ollamaLookMs: 60_000, hubLookMs: 60_000 });
    toEnd.push(hub.stop);
    await node.joined;
    await until("the node has looked", () => ollama.seen.some((seen) => seen.path === "/api/ps"));
    const answer = await send(node, method, path, body);
    expect(answer.status).toBe(200);
    await answer.text();
    const told = () => hub.heartbeats.at(-1)?.models.toSorted();
    await until("the hub knows", () => JSON.stringify(told()) === JSON.stringify(models), 2000);
    expect(
      hub.heartbeats
        .at(-1)
        ?.tags?.map(({ name }) => name)
        .toSorted(),
    ).toEqual(models);
    // An alias shares the runner of its model.
    if (path === "/api/copy") expect(hub.heartbeats.at(-1)?.loaded?.toSorted()).toEqual(models);
    expect(hub.invalid).toEqual([]);
  });

  test("that failed, or only looks like one, makes nobody look", async () => {
    const { node, ollama } = await start({}, { ollamaLookMs: 60_000 });
    await until("the node has looked", () => ollama.seen.some((seen) => seen.path === "/api/ps"));
    await (await send(node, "POST", "/api/copy", { source: "nix", destination: "a" })).text();
    await send(node, "HEAD", `/api/blobs/${EMPTY_DIGEST}`);
    await Bun.sleep(50);
    expect(ollama.seen.filter(({ path }) => path === "/api/version").length).toBe(1);
  });
});
