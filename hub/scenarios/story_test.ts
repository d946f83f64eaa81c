/** The whole story with real processes: join, list, balance, stream, a killed node, its return, a hub that stops. */
import { expect, test } from "bun:test";
import { expectedText, type FakeOllama, startFakeOllama } from "../../shared/testing/fake_ollama.ts";
import { type Build, type ProgramRun, runProgram } from "../../shared/testing/programs.ts";
import { readStream } from "../../shared/testing/read_stream.ts";
import { eventually, type NodeJson } from "../../shared/testing/start_hub.ts";

const TOKENS = 40;
const BUILDS: Build[] = ["source", "compiled"];

function startNode(build: Build, hub: ProgramRun, id: string, ollama: FakeOllama, port = 0): Promise<ProgramRun> {
  return runProgram("node", build, {
    NODE_ID: id,
    NODE_PORT: String(port),
    NODE_SLOTS: "16",
    SERVER_URL: `http://127.0.0.1:${hub.port}`,
    OLLAMA_BASE_URL: ollama.url,
    ADVERTISE_IPV4: "127.0.0.1",
    ADVERTISE_IPV6: "none",
  });
}

test.each(BUILDS)(
  "the story, from %s",
  async (build) => {
    await using hub = await runProgram("hub", build, { PORT: "0" });
    const url = `http://127.0.0.1:${hub.port}`;
    const ollamas = new Map<string, FakeOllama>();
    const nodes = new Map<string, ProgramRun>();
    await using cleanUp = new AsyncDisposableStack();
    for (const id of ["a", "b", "c"]) {
      const ollama = await startFakeOllama({ parallel: 64, tokens: TOKENS });
      cleanUp.defer(() => ollama.stop());
      ollamas.set(id, ollama);
      nodes.set(id, cleanUp.use(await startNode(build, hub, id, ollama)));
    }
    const ask = (prompt: string, stream = true) =>
      fetch(`${url}/jobs`, { method: "POST", body: JSON.stringify({ model: "llama3", prompt, stream }) });
    const online = async () => {
      const list = (await (await fetch(`${url}/nodes`)).json()) as NodeJson[];
      return list
        .filter(({ status, models }) => status === "online" && models.length > 0)
        .map(({ node_id }) => node_id);
    };
    const executions = (id: string) => ollamas.get(id)?.counters.executions ?? 0;

    // They join, with their models.
    await eventually(async () => expect((await online()).sort()).toEqual(["a", "b", "c"]));

    // Work is spread evenly.
    for (const ollama of ollamas.values()) ollama.configure({ firstTokenMs: 300 });
    const even = await Promise.all(Array.from({ length: 12 }, (_, index) => ask(`even ${index}`, false)));
    expect(even.map(({ status }) => status)).toEqual(Array(12).fill(200));
    expect(["a", "b", "c"].map(executions)).toEqual([4, 4, 4]);

    // Tokens come one by one, not at the end.
    for (const ollama of ollamas.values()) ollama.configure({ firstTokenMs: 0, tokensPerSecond: 50 });
    let runningAtFirst = 0;
    const streamed = await readStream(await ask("one by one"), () => {
      for (const { counters } of ollamas.values()) runningAtFirst += counters.running;
    });
    expect(streamed).toMatchObject({ text: expectedText("one by one", 0, TOKENS), errors: [], dones: 1 });
    expect(runningAtFirst).toBe(1);

    // A node is killed under 40 streams: 20 that have begun, and 20 that have no byte yet.
    let begun = 0;
    const early = Array.from({ length: 20 }, (_, index) => `early ${index}`);
    const late = Array.from({ length: 20 }, (_, index) => `late ${index}`);
    for (const ollama of ollamas.values()) ollama.configure({ tokensPerSecond: 25 });
    const earlyReadings = early.map(async (prompt) => readStream(await ask(prompt), () => begun++));
    await eventually(() => expect(begun).toBe(20));
    for (const ollama of ollamas.values()) ollama.configure({ firstTokenMs: 1500 });
    const before = ["a", "b", "c"].map(executions).reduce((sum, count) => sum + count);
    const lateReadings = late.map(async (prompt) => readStream(await ask(prompt)));
    await eventually(() =>
      expect(["a", "b", "c"].map(executions).reduce((sum, count) => sum + count)).toBe(before + 20),
    );
    expect(executions("c")).toBeGreaterThan(4 + 5);
    await nodes.get("c")?.end("SIGKILL");

    const lateAnswers = await Promise.all(lateReadings);
    for (const [index, answer] of lateAnswers.entries()) {
      expect(answer).toMatchObject({
        status: 200,
        text: expectedText(`late ${index}`, 0, TOKENS),
        errors: [],
        dones: 1,
      });
      expect(answer.nodeId).not.toBe("c");
    }
    const earlyAnswers = await Promise.all(earlyReadings);
    let cut = 0;
    for (const [index, answer] of earlyAnswers.entries()) {
      const whole = expectedText(`early ${index}`, 0, TOKENS);
      expect(answer.unreadable).toEqual([]);
      if (answer.nodeId === "c") {
        cut++;
        expect(answer).toMatchObject({ status: 200, dones: 0, errors: [expect.stringContaining("broke")] });
        expect(whole.startsWith(answer.text)).toBe(true);
      } else {
        expect(answer).toMatchObject({ status: 200, text: whole, errors: [], dones: 1 });
      }
    }
    expect(cut).toBeGreaterThan(0);

    // It comes back on its port and takes work again.
    const c = ollamas.get("c");
    if (!c) throw new Error("unreachable");
    for (const ollama of ollamas.values()) ollama.configure({ firstTokenMs: 200, tokensPerSecond: 100 });
    const served = executions("c");
    nodes.set("c", cleanUp.use(await startNode(build, hub, "c", c, nodes.get("c")?.port)));
    await eventually(async () => {
      await Promise.all(Array.from({ length: 6 }, (_, index) => ask(`again ${index}`, false)));
      expect(executions("c")).toBeGreaterThan(served);
      expect((await online()).sort()).toEqual(["a", "b", "c"]);
    });

    // A node that is told to stop finishes its streams and says goodbye.
    const last = Array.from({ length: 6 }, async (_, index) => readStream(await ask(`last ${index}`)));
    // Not two each: c gets its full share only half a minute after its trial.
    const running = (ids: string[]) => ids.reduce((sum, id) => sum + (ollamas.get(id)?.counters.running ?? 0), 0);
    await eventually(() => expect([running(["a", "b", "c"]), running(["b"]) > 0]).toEqual([6, true]));
    expect(await nodes.get("b")?.end("SIGTERM")).toBe(0);
    for (const { errors, dones } of await Promise.all(last))
      expect({ errors, dones }).toEqual({ errors: [], dones: 1 });
    await eventually(async () => expect((await online()).sort()).toEqual(["a", "c"]));

    // A hub that is told to stop lets its streams finish, too.
    const final = Array.from({ length: 4 }, async (_, index) => readStream(await ask(`final ${index}`)));
    await eventually(() => expect((c?.counters.running ?? 0) + (ollamas.get("a")?.counters.running ?? 0)).toBe(4));
    // Twice, as one Ctrl-C arrives that `bun run` passes on: that is one wish.
    process.kill(hub.pid, "SIGTERM");
    expect(await hub.end("SIGTERM")).toBe(0);
    for (const { errors, dones } of await Promise.all(final))
      expect({ errors, dones }).toEqual({ errors: [], dones: 1 });
    expect(hub.errors()).toBe("");
  },
  60_000,
);

test.each(BUILDS)(
  "600 streams at once pass hub and node, from %s: Bun's fetch limit of 256 is lifted in both",
  async (build) => {
    await using hub = await runProgram("hub", build, { PORT: "0" });
    const ollama = await startFakeOllama({ parallel: 1000, firstTokenMs: 3000 });
    await using node = await runProgram("node", build, {
      NODE_ID: "big",
      NODE_PORT: "0",
      NODE_SLOTS: "1000",
      SERVER_URL: `http://127.0.0.1:${hub.port}`,
      OLLAMA_BASE_URL: ollama.url,
      ADVERTISE_IPV4: "127.0.0.1",
      ADVERTISE_IPV6: "none",
    });
    expect(node.port).toBeGreaterThan(0);
    const url = `http://127.0.0.1:${hub.port}`;
    // With its address proven: until then 512 would wait, and no more.
    await eventually(async () =>
      expect(await (await fetch(`${url}/nodes`)).json()).toMatchObject([
        { status: "online", models: ["llama3:latest"] },
      ]),
    );

    // This test's own fetch has the limit too, so the 600 come from processes of their own.
    const clients = Array.from({ length: 3 }, () =>
      Bun.spawn([process.execPath, "-e", CLIENT, url], { stdout: "pipe" }),
    );
    const whole = await Promise.all(clients.map(async (client) => Number(await client.stdout.text())));
    expect(whole).toEqual([200, 200, 200]);
    expect(ollama.counters).toMatchObject({ peakRunning: 600, completed: 600 });
    await ollama.stop();
  },
  60_000,
);

/** 200 streams at once; prints how many ended with a done line. */
const CLIENT = `
const answers = await Promise.all(Array.from({ length: 200 }, async (_, index) => {
  const body = JSON.stringify({ model: "llama3", prompt: "p" + index });
  const response = await fetch(process.argv[1] + "/jobs", { method: "POST", body });
  return (await response.text()).includes('"done":true');
}));
console.log(answers.filter(Boolean).length);`;
