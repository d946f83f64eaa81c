// The `ollama` command-line program: the calls of each command in their order, and what the program checks of the answers.
import { describe, expect, test } from "bun:test";
import { embeddingOf, expectedText } from "../fake_ollama.ts";
import {
  endsWithOneSuccess,
  generating,
  loading,
  ollamaCli,
  showing,
  showingModel,
  textOf,
  transferring,
  unloading,
} from "./ollama_cli.ts";
import { streamingSuite } from "./streaming_suite.ts";
import {
  chatModel,
  embeddingModel,
  executions,
  failInTheMiddle,
  forEachTarget,
  models,
  rejectionOf,
  tokens,
} from "./targets.ts";

forEachTarget((target) => {
  const cli = ollamaCli(target);
  const { start, call, fail, lines, listed } = cli;

  for (const path of ["/api/generate", "/api/chat"]) {
    streamingSuite(target, {
      name: `the program at ${path}`,
      start: async (_, prompt) => {
        let left = false;
        const body = { model: chatModel, prompt, messages: [{ role: "user", content: prompt }], options: {} };
        const pieces = async function* () {
          for await (const { response, message } of cli.client.stream(path, body)) {
            yield String(response ?? (message as { content: string }).content);
            if (left) return;
          }
        };
        const leave = () => {
          left = true;
        };
        return { pieces: pieces(), leave };
      },
    });
  }

  describe("ollama run", () => {
    test('run M "text" shows, then generates', async () => {
      await start();
      expect((await call("POST", "/api/show", showing(chatModel)))?.capabilities).toContain("completion");
      const said = await lines("/api/generate", { ...generating(chatModel, "hello"), options: {} });
      expect(textOf(said)).toBe(expectedText("hello", 0, tokens));
      expect(said).toHaveLength(tokens + 1);
      expect(said.at(-1)).toMatchObject({ done: true, done_reason: "stop" });
    });

    test("run of a model that is missing pulls it after the 404 of show, then shows and generates", async () => {
      const name = "pulled-by-run";
      await start();
      expect(await fail(404, "POST", "/api/show", showing(name))).toBe(`model '${name}:latest' not found`);
      endsWithOneSuccess(await lines("/api/pull", transferring(name)));
      await call("POST", "/api/show", showing(name));
      const said = await lines("/api/generate", { ...generating(name, "hello"), options: {} });
      expect(textOf(said)).toBe(expectedText("hello", 0, tokens));
    });

    test("run of an embedding model embeds", async () => {
      await start();
      expect((await call("POST", "/api/show", showing(embeddingModel)))?.capabilities).toEqual(["embedding"]);
      const answer = await call("POST", "/api/embed", { model: embeddingModel, input: "hello", options: null });
      expect(answer?.embeddings).toEqual([embeddingOf("hello", 8, true)]);
    });

    test("run M shows twice, loads, chats turn by turn, saves and shows again", async () => {
      await start();
      await call("POST", "/api/show", showing(chatModel));
      await call("POST", "/api/show", showingModel(chatModel));
      const [loaded, ...more] = await lines("/api/generate", loading(chatModel));
      expect(loaded).toMatchObject({ response: "", done: true, done_reason: "load" });
      expect(more).toEqual([]);
      const messages = [{ role: "user", content: "first turn" }];
      for (const next of ["second turn", "third turn"]) {
        const said = await lines("/api/chat", { model: chatModel, messages, options: {} });
        const content = said.map(({ message }) => (message as { content: string }).content).join("");
        const prompt = messages.map((message) => message.content).join("\n");
        expect(content).toBe(expectedText(prompt, 0, tokens));
        messages.push({ role: "assistant", content }, { role: "user", content: next });
      }
      endsWithOneSuccess(await lines("/api/create", { model: "saved", from: chatModel, messages, name: "" }));
      await call("POST", "/api/show", showing("saved"));
    });

    test("run ends with the program's error when the model fails in the middle", async () => {
      failInTheMiddle(target);
      const failing = await rejectionOf(lines("/api/generate", { ...generating(chatModel, "fail"), options: {} }));
      expect(String(failing)).toContain("an error was encountered while running the model: unexpected EOF");
    });
  });

  describe("what there is", () => {
    test("list prints twelve characters of each digest", async () => {
      await start();
      const list = (await call("GET", "/api/tags"))?.models as Record<string, unknown>[];
      const names = list.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(models.map(({ name }) => `${name}:latest`)));
      expect(new Set(names).size).toBe(names.length);
      for (const { digest, size, modified_at } of list) {
        expect(String(digest).slice(0, 12)).toMatch(/^[0-9a-f]{12}$/);
        expect(size).toBeNumber();
        expect(String(modified_at)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
      }
    });

    test("ps prints twelve characters of each digest, the share of the GPU and the time left", async () => {
      await start();
      await lines("/api/generate", loading(chatModel));
      const list = (await call("GET", "/api/ps"))?.models as Record<string, unknown>[];
      expect(list.map(({ name }) => name)).toContain(`${chatModel}:latest`);
      for (const { digest, size, size_vram, expires_at, context_length } of list) {
        expect(String(digest).slice(0, 12)).toMatch(/^[0-9a-f]{12}$/);
        expect(Number(size_vram) / Number(size)).toBe(1);
        expect(Date.parse(String(expires_at))).toBeGreaterThan(Date.now());
        expect(context_length).toBe(4096);
      }
    });

    test("show tells everything, by the old field for the name", async () => {
      await start();
      const shown = await call("POST", "/api/show", showing(chatModel));
      expect(shown).toMatchObject({ details: { family: "llama" }, capabilities: ["completion", "tools"] });
      expect(Object.keys(shown?.model_info as object)).toContain("general.architecture");
    });

    test("-v asks for the version, without HEAD", async () => {
      expect(await call("GET", "/api/version")).toEqual({ version: "0.33.0" });
    });

    test("bare ollama asks for status, recommendations, the account, models and one of them", async () => {
      await start();
      expect(await call("GET", "/api/status")).toMatchObject({ cloud: { disabled: true } });
      expect(await call("GET", "/api/experimental/model-recommendations")).toEqual({ recommendations: [] });
      expect(await fail(401, "POST", "/api/me")).toBe("unauthorized");
      const [first = ""] = await listed();
      await call("POST", "/api/show", showingModel(first));
    });

    test("signin and signout are refused as by an Ollama that is not signed in", async () => {
      await start();
      expect(await fail(401, "POST", "/api/me")).toBe("unauthorized");
      expect(await fail(401, "POST", "/api/signout")).toBe("you are not currently signed in");
    });
  });

  describe("the wire", () => {
    test("a command's calls share one connection", async () => {
      await start();
      await call("POST", "/api/show", showing(chatModel));
      await lines("/api/generate", { ...generating(chatModel, "one connection"), options: {} });
      await lines("/api/generate", unloading(chatModel));
      await listed();
      expect(cli.client.opened).toBe(1);
    });

    test("the signature of OLLAMA_AUTH is tolerated on every call", async () => {
      const authorization = "c3NoLWVkMjU1MTk=:c2lnbmF0dXJl";
      const answer = await cli.client.call("GET", "/api/tags?ts=1787338102", { authorization });
      expect(answer.status).toBe(200);
      const body = { ...generating(chatModel, "signed"), stream: false, options: {} };
      const signed = await cli.client.call("POST", "/api/generate?ts=1787338102", { authorization, body });
      expect(JSON.parse(signed.body).response).toBe(expectedText("signed", 0, tokens));
    });

    test("Ollama sees the program's User-Agent", async () => {
      await lines("/api/generate", { ...generating(chatModel, "who asks"), options: {} });
      expect(executions(target, "who asks")).toHaveLength(1);
      const agents = target.ollamas.flatMap(({ seen }) =>
        seen
          .filter(({ path }) => path === "/api/generate")
          .flatMap(({ headers }) => headers.filter(([name]) => name.toLowerCase() === "user-agent")),
      );
      expect(new Set(agents.map(([, value]) => value))).toEqual(new Set(["ollama/0.33.0 (amd64 linux) Go/go1.24.1"]));
    });
  });
});
