// The `ollama` command-line program: commands that move models about.
import { expect, test } from "bun:test";
import { expectedText } from "../fake_ollama.ts";
import { sha256 } from "../fake_ollama_models.ts";
import {
  endsWithOneSuccess,
  generating,
  loading,
  ollamaCli,
  showingModel,
  textOf,
  transferring,
  unloading,
} from "./ollama_cli.ts";
import { chatModel, forEachTarget, rejectionOf, tokens } from "./targets.ts";

forEachTarget((target) => {
  const cli = ollamaCli(target);
  const { start, call, fail, lines, listed } = cli;

  test("pull reports progress and ends with success, and the model is listed", async () => {
    await start();
    const progress = await lines("/api/pull", transferring("pulled-by-cli"));
    expect(progress[0]).toEqual({ status: "pulling manifest" });
    endsWithOneSuccess(progress);
    for (const { digest, status } of progress.filter((line) => line.digest !== undefined)) {
      expect(String(digest).slice(7, 19)).toMatch(/^[0-9a-f]{12}$/);
      expect(status).not.toBe("");
    }
    expect(await listed()).toContain("pulled-by-cli:latest");
  });

  test("pull of an unknown name ends with the words the program looks for", async () => {
    await start();
    const failing = await rejectionOf(lines("/api/pull", transferring("unheard-of")));
    expect((failing as Error).message).toBe("pull model manifest: file does not exist");
    const answer = await cli.client.call("POST", "/api/show", { body: showingModel("unheard-of:cloud") });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(JSON.parse(answer.body).error).toBeString();
  });

  test("push asks for the account, then reports progress and ends with success", async () => {
    await start();
    expect(await fail(401, "POST", "/api/me")).toBe("unauthorized");
    const progress = await lines("/api/push", transferring(chatModel));
    endsWithOneSuccess(progress);
    for (const { digest, status } of progress) if (digest !== undefined) expect(status).not.toBe("");
  });

  test("cp copies, stop unloads, rm unloads and deletes", async () => {
    await start();
    expect(await call("POST", "/api/copy", { source: chatModel, destination: "copy-of-it" })).toBeUndefined();
    await lines("/api/generate", loading("copy-of-it"));

    await start();
    await call("POST", "/api/show", showingModel("copy-of-it"));
    expect(await lines("/api/generate", unloading("copy-of-it"))).toMatchObject([{ done_reason: "unload" }]);

    await start();
    await call("POST", "/api/show", showingModel("copy-of-it"));
    expect(await lines("/api/generate", unloading("copy-of-it"))).toMatchObject([{ done_reason: "unload" }]);
    expect(await call("DELETE", "/api/delete", { model: "", name: "copy-of-it" })).toBeUndefined();
    expect(await listed()).not.toContain("copy-of-it:latest");
    expect(await fail(404, "POST", "/api/show", showingModel("copy-of-it"))).toBe(
      "model 'copy-of-it:latest' not found",
    );
  });

  test("create uploads two blobs side by side, chunked and without a length, then creates", async () => {
    await start();
    const files = ["model.gguf", "adapter.gguf"].map((name, index) => {
      const bytes = new Uint8Array((5 << 20) + index).fill(index + 1);
      return { name, bytes, digest: `sha256:${sha256(bytes)}` };
    });
    const uploads = await Promise.all(
      files.map(({ bytes, digest }) => cli.client.call("POST", `/api/blobs/${digest}`, { body: goChunks(bytes) })),
    );
    expect(uploads.map(({ status, body }) => `${status} ${body}`)).toEqual(["201 ", "201 "]);
    const request = { model: "of-blobs", files: Object.fromEntries(files.map(({ name, digest }) => [name, digest])) };
    endsWithOneSuccess(await lines("/api/create", { ...request, name: "" }));
    const said = await lines("/api/generate", { ...generating("of-blobs", "hello"), options: {} });
    expect(textOf(said)).toBe(expectedText("hello", 0, tokens));
  });

  test("a blob that is there already is answered 200, one with another digest 400", async () => {
    const bytes = new TextEncoder().encode("a small blob");
    const upload = (digest: string) => cli.client.call("POST", `/api/blobs/${digest}`, { body: goChunks(bytes) });
    const digest = `sha256:${sha256(bytes)}`;
    expect((await upload(digest)).status).toBe(201);
    expect((await upload(digest)).status).toBe(200);
    const wrong = `sha256:${"0".repeat(64)}`;
    const refused = await upload(wrong);
    expect(refused.status).toBe(400);
    expect(JSON.parse(refused.body).error).toBe(`digest mismatch, expected "${wrong}", got "${digest}"`);
  });
});

/** Go sends the byte it probed a body of unknown length with first, then what io.Copy reads at a time. */
function goChunks(bytes: Uint8Array): Uint8Array[] {
  const chunks = [bytes.subarray(0, 1)];
  for (let at = 1; at < bytes.length; at += 32_768) chunks.push(bytes.subarray(at, at + 32_768));
  return chunks;
}
