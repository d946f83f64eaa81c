/** What of a request reaches Ollama through hub and node, and what does not; what the answer says of the way. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { headerOf } from "../fake_ollama_http.ts";
import { exchangeBytes, postBytes } from "../fake_ollama_wire.ts";
import { startTestHub, type TestHub } from "../start_hub.ts";
import { startNode, type TestNode } from "../start_node.ts";
import { headersOf } from "./answer.ts";
import { type RecordingOllama, startRecordingOllama } from "./recording_ollama.ts";
import { chunkedBytes } from "./target.ts";

let ollama: RecordingOllama;
let hub: TestHub;
let node: TestNode;

beforeAll(async () => {
  ollama = await startRecordingOllama();
  hub = startTestHub();
  node = await startNode({ nodeId: "box-7", serverUrl: hub.url, ollamaUrl: ollama.url });
  await hub.nodeThat("box-7", ({ models, loaded }) => models.length === 4 && loaded.length === 4);
});
afterAll(async () => {
  await hub.stop();
  await node.stop();
  ollama.stop();
});

/** Valid, and nothing a JSON library would write: spaces, big numbers, escapes, doubles, more after the end. */
const odd = (fields: string) =>
  `\r\n\t { "unknown" : [1.0, 1E5, -0, 12345678901234567890, 0.1000] ,${fields} ,\n "a":"\\u00e9é\\u2028\\/ \u{1f600}" , "a":{ } }  \n`;
const MESSAGES = '"messages" :[ {"role":"user" , "content":"x\\u0041\\n"} ]';

const ROUTES: [path: string, body: string][] = [
  ["/api/generate", odd('"model" : "llama3.2","prompt":"hi" , "options":{"temperature":1.0e-1,"seed":1E2}')],
  ["/api/generate", odd('"Model":"LLAMA3.2" ,"prompt":"hi","stream" :false')],
  ["/api/chat", odd(`"model":"llama3.2",${MESSAGES},"stream":true`)],
  ["/api/chat", `${odd(`"model":"llama3.2","stream":false,${MESSAGES}`)}{"model":"nope"}`],
  ["/api/embed", odd('"model":"all-minilm","input":[ "b" , "a" ]')],
  ["/api/embeddings", odd('"model":"all-minilm","prompt":"a"')],
  ["/api/show", odd('"name":"llama3.2"')],
  ["/v1/chat/completions", odd(`"model":"llama3.2",${MESSAGES},"stream":true`)],
  ["/v1/completions", odd('"model":"llama3.2","prompt":"hi"')],
  ["/v1/embeddings", odd('"model":"all-minilm","input":"a"')],
  ["/v1/responses", odd('"model":"llama3.2","input":"hi","stream":true')],
  ["/v1/messages", odd(`"model":"llama3.2","max_tokens":9,${MESSAGES}`)],
];

/** A part of a form whose boundary is B. */
const part = (head: string, content: string) => `--B\r\n${head}\r\n\r\n${content}\r\n`;
const MODEL = 'Content-Disposition: form-data; name="model"';
const GOOD = part(MODEL, "llama3.2") + part('Content-Disposition: form-data; name="file"; filename="a.wav"', "RIFF");

const CLIENT = {
  "Content-Type": "text/plain; charset=utf-8; odd=1",
  "User-Agent": "ollama-python/0.6.2 (x86_64 linux) Python/3.12",
  Accept: "application/json",
  Origin: "http://localhost:3000",
  Authorization: "Bearer secret",
  Cookie: "session=secret",
  "Sec-Fetch-Site": "cross-site",
  "Sec-Fetch-Mode": "cors",
};

describe("what reaches Ollama", () => {
  for (const [path, body] of ROUTES) {
    const start = JSON.stringify(body.slice(body.indexOf(",", 70), body.indexOf(",", 70) + 30));
    test(`${path} with ${start}…: the same bytes, from the client by name, without its secrets`, async () => {
      const headers = { ...CLIENT, Host: `127.0.0.1:${hub.port}` };
      const wire = await exchangeBytes(hub.port, postBytes(path, body, headers));
      expect(wire.head).toStartWith("HTTP/1.1 200 OK\r\n");
      const request = ollama.newest(path);
      expect(request.method).toBe("POST");
      expect(Buffer.from(request.body).toString()).toBe(body);
      expect(headerOf(request, "content-type")).toBe(CLIENT["Content-Type"]);
      expect(headerOf(request, "user-agent")).toBe(CLIENT["User-Agent"]);
      expect(headerOf(request, "host")).toBe(`127.0.0.1:${ollama.port}`);
      for (const name of ["origin", "authorization", "cookie", "sec-fetch-site", "sec-fetch-mode"]) {
        expect([name, headerOf(request, name)]).toEqual([name, undefined]);
      }
    });

    test(`${path} with ${start}…: the answer says who gave it`, async () => {
      const all = headersOf(await exchangeBytes(hub.port, postBytes(path, body)));
      expect(all["x-request-id"]).toMatch(/\S/);
      if (path === "/api/show") return;
      expect(all).toMatchObject({ "x-node-id": "box-7", "x-attempts": "1" });
    });
  }

  test("a body in chunks arrives whole", async () => {
    const [path, body] = ROUTES[0] ?? ["", ""];
    const wire = await exchangeBytes(hub.port, chunkedBytes(path, [body.slice(0, 50), body.slice(50)]));
    expect(wire.head).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(Buffer.from(ollama.newest(path).body).toString()).toBe(body);
  });

  test("a body without a Content-Type gets none on the way", async () => {
    const body = '{"model":"llama3.2","prompt":"hi"}';
    await exchangeBytes(hub.port, postBytes("/api/generate", body));
    expect(headerOf(ollama.newest("/api/generate"), "content-type")).toBeUndefined();
  });

  test("a body that is none arrives as it is, for Ollama to say what is wrong with it", async () => {
    for (const body of ["hello", '{"model":"llama3.2', "[1]"]) {
      await exchangeBytes(hub.port, postBytes("/api/chat", body));
      expect(Buffer.from(ollama.newest("/api/chat").body).toString()).toBe(body);
    }
  });

  test("no query: a model in it would come before the one in a form, which is the one the hub has judged", async () => {
    const form = new FormData();
    form.set("model", "llama3.2");
    form.set("file", new Blob(["RIFF"]), "a.wav");
    const bodies: [string, FormData | string][] = [["/v1/audio/transcriptions", form], ...ROUTES];
    for (const [path, body] of bodies) {
      const answer = await fetch(`${hub.url}${path}?model=nope&MODEL=x`, { method: "POST", body });
      await answer.text();
      expect([path, answer.status]).toEqual([path, 200]);
      expect(ollama.newest(path).target).toBe(path);
    }
  });

  test("a compressed body stays compressed, and says so", async () => {
    const path = "/v1/chat/completions";
    const body = Bun.zstdCompressSync('{"model":"llama3.2","messages":[{"role":"user","content":"packed"}]}');
    const headers = { "Content-Encoding": "zstd", "Content-Type": "application/json" };
    const answer = await fetch(hub.url + path, { method: "POST", body, headers });
    expect(answer.status).toBe(200);
    const request = ollama.newest(path);
    expect(headerOf(request, "content-encoding")).toBe("zstd");
    expect(Buffer.from(request.body).equals(Buffer.from(body))).toBe(true);
  });

  test("a recording arrives byte for byte, boundary and all", async () => {
    const path = "/v1/audio/transcriptions";
    const bytes = Uint8Array.from({ length: 1 << 16 }, (_, index) => (index * 7919) & 0xff);
    const form = new FormData();
    form.set("model", "llama3.2");
    form.set("file", new Blob([bytes]), "a.wav");
    const sent = new Request("http://x", { method: "POST", body: form });
    const type = sent.headers.get("content-type") ?? "";
    const body = new Uint8Array(await sent.arrayBuffer());
    const answer = await fetch(hub.url + path, { method: "POST", body, headers: { "Content-Type": type } });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("x-node-id")).toBe("box-7");
    const request = ollama.newest(path);
    expect(headerOf(request, "content-type")).toBe(type);
    expect(Buffer.from(request.body).equals(Buffer.from(body))).toBe(true);
  });

  test.each<[what: string, body: string]>([
    ["a name in another encoding", `${part("Content-Disposition: form-data; name*=utf-8''model", "nope")}${GOOD}--B--`],
    ["blanks behind a boundary", `--B  ${part(MODEL, "nope").slice(3)}${GOOD}--B--`],
    ["two names of one part", `${part(`${MODEL}\r\nContent-Disposition: form-data; name="x"`, "nope")}${GOOD}--B--`],
  ])("no form that the hub and Ollama would read differently: %s", async (_, body) => {
    const path = "/v1/audio/transcriptions";
    const before = ollama.count(path);
    const headers = { "Content-Type": "multipart/form-data; boundary=B" };
    const answer = await fetch(hub.url + path, { method: "POST", body, headers });
    expect(answer.status).toBe(400);
    const error = { message: expect.stringContaining("The form could not be read"), type: "invalid_request_error" };
    expect(await answer.json()).toEqual({ error: { ...error, param: null, code: null } });
    expect(ollama.count(path)).toBe(before);
  });
});
