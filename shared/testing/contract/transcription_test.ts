/** The contract of /v1/audio/transcriptions: multipart in, JSON or text out (reference 1.14). */
import { expect, test } from "bun:test";
import { bare, openaiRefusal } from "./answer.ts";
import { onEveryTarget, type Target } from "./target.ts";
import { EXAMPLE, WORDS } from "./wire_examples.ts";

const PATH = "/v1/audio/transcriptions";
const BOUNDARY = "----odd'boundary(1)+_,-./:=?";
const TYPE = `multipart/form-data; boundary="${BOUNDARY}"`;
const said = WORDS.join("");

/** Parts as they stand between two boundaries: head and content. */
const field = (name: string, value: string) => `Content-Disposition: form-data; name="${name}"\r\n\r\n${value}`;
const file = (content: string) =>
  `Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n${content}`;

const form = (...parts: string[]) =>
  `${parts.map((part) => `--${BOUNDARY}\r\n${part}\r\n`).join("")}--${BOUNDARY}--\r\n`;
const upload = (target: Target, ...parts: string[]) => target.post(PATH, form(...parts), { "Content-Type": TYPE });

onEveryTarget("transcriptions", { ollama: EXAMPLE }, (target) => {
  test("a recording is answered with JSON, with text when asked", async () => {
    const json = bare("200 OK", `{"text":"${said}"}\n`);
    expect(await upload(target, file("RIFF"), field("model", "llama3.2"))).toEqual(json);
    expect(await upload(target, file("RIFF"), field("model", "llama3.2"), field("response_format", "json"))).toEqual(
      json,
    );
    const more = [field("language", "en"), field("prompt", "x"), field("response_format", "text")];
    const text = await upload(target, file("RIFF"), field("model", "llama3.2"), ...more);
    expect(text.status).toBe("200 OK");
    expect(text.headers["content-type"]).toStartWith("text/plain");
    expect(text.body.trimEnd()).toBe(said);
  });

  test("the model may stand before the recording, and the recording be large", async () => {
    const json = bare("200 OK", `{"text":"${said}"}\n`);
    expect(await upload(target, field("model", "llama3.2"), file("RIFF"))).toEqual(json);
    expect(await upload(target, file("R".repeat(3 << 20)), field("model", "llama3.2"))).toEqual(json);
    expect(await upload(target, field("model", "llama3.2"), file("\r\n--no boundary\r\n"))).toEqual(json);
  });

  test("an unknown model is not found", async () => {
    expect(await upload(target, file("RIFF"), field("model", "nope"))).toEqual(
      openaiRefusal("404 Not Found", "not_found_error", "model 'nope' not found"),
    );
  });

  test("a form without a recording or without a model is refused, and so is a body that is no form", async () => {
    const refused = [
      await upload(target, field("model", "llama3.2")),
      await upload(target, file("RIFF")),
      await target.post(PATH, { model: "llama3.2" }, { "Content-Type": "application/json" }),
      await target.post(PATH, "hello", { "Content-Type": TYPE }),
      await target.post(PATH, "", { "Content-Type": TYPE }),
    ];
    for (const { status, body } of refused) {
      expect(status).toBe("400 Bad Request");
      const { error } = JSON.parse(body);
      expect(error).toEqual({ message: expect.any(String), type: "invalid_request_error", param: null, code: null });
    }
  });
});
