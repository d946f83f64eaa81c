// What of a form is read, and which forms are refused: by those that real clients send, and by those that readers differ on.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import OpenAI from "openai";
import { readForm } from "./form_fields.ts";

const FORM = "multipart/form-data; boundary=B";
const MODEL = 'Content-Disposition: form-data; name="model"';
const read = (body: string, type: string) => readForm(new TextEncoder().encode(body), type);
const part = (head: string, content: string) => `--B\r\n${head}\r\n\r\n${content}\r\n`;
const good = part(MODEL, "good");
const end = "--B--\r\n";

/** What each client sends for the model `good` and a file of four bytes with an awkward name: head of the file, then of the model. */
const CLIENTS: readonly (readonly [client: string, label: string, file: string, model?: string])[] = [
  [
    "Chromium 156, Bun 1.4, node 22",
    "boundary=B",
    'form-data; name="file"; filename="a%22b\\é.wav"\r\nContent-Type: audio/wav',
  ],
  [
    "curl 7.88 -F",
    "boundary=B",
    'form-data; name="file"; filename="a%22b\\c.wav"\r\nContent-Type: application/octet-stream',
  ],
  [
    "curl -F before 7.81, Go",
    "boundary=B",
    'form-data; name="file"; filename="a\\"b\\\\é.wav"\r\nContent-Type: application/octet-stream',
  ],
  [
    "openai for Python, httpx",
    "boundary=B",
    'form-data; name="file"; filename="a%22b\\\\é.wav"\r\nContent-Type: audio/x-wav',
  ],
  ["requests 2.34", "boundary=B", 'form-data; name="file"; filename="a%22b\\é.wav"\r\nContent-Type: audio/wav'],
  ["requests with urllib3 before 1.25", "boundary=B", "form-data; name=\"file\"; filename*=utf-8''a%22b%C3%A9.wav"],
  [
    "aiohttp 3.14",
    "boundary=B",
    'form-data; name="file"; filename="a%22b%5C%C3%A9.wav"',
    'Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="model"',
  ],
  [
    ".NET",
    'boundary="B"',
    "form-data; name=file; filename=\"=?utf-8?B?w6kud2F2?=\"; filename*=utf-8''%C3%A9.wav",
    "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=model",
  ],
  [
    "OkHttp",
    "boundary=B",
    'form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\nContent-Length: 4',
    'Content-Disposition: form-data; name="model"\r\nContent-Length: 4',
  ],
  [
    "Apache HttpClient",
    "boundary=B; charset=UTF-8",
    'form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\nContent-Transfer-Encoding: binary',
    'Content-Disposition: form-data; name="model"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit',
  ],
];

describe("forms of real clients are read", () => {
  test.each(CLIENTS.map(([client, label, file, model = MODEL]) => [client, label, file, model] as const))(
    "%s",
    (_, label, file, model) => {
      const body = part(model, "good") + part(`Content-Disposition: ${file}`, "RIFF") + end;
      expect(read(body, `multipart/form-data; ${label}`)).toEqual({ model: "good", file: "(4 bytes)" });
    },
  );

  test("the openai library as it is", async () => {
    let sent: Record<string, string> | undefined;
    using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      async fetch(request) {
        sent = readForm(await request.bytes(), request.headers.get("content-type") ?? "");
        return Response.json({ text: "" });
      },
    });
    const client = new OpenAI({ baseURL: `${server.url.href}v1`, apiKey: "none", maxRetries: 0 });
    const file = new File(["RIFF"], 'é "x".wav');
    await client.audio.transcriptions.create({
      model: "good",
      file,
      language: "en",
      timestamp_granularities: ["word"],
    });
    expect(sent).toEqual({
      model: "good",
      file: "(4 bytes)",
      language: "en",
      "timestamp_granularities[]": "word",
    });
  });

  test("whatever texts and bytes a browser's form has", async () => {
    const fields = fc.array(fc.tuple(fc.constantFrom("a", "b", "model"), fc.string({ unit: "binary" })));
    await fc.assert(
      fc.asyncProperty(fields, fc.uint8Array({ maxLength: 300 }), async (texts, bytes) => {
        const form = new FormData();
        for (const [name, text] of texts) form.append(name, text);
        form.append("file", new Blob([new Uint8Array(bytes)]), "a.wav");
        const written = new Response(form);
        const type = written.headers.get("content-type") ?? "";
        const first = (
          await new Response(await written.clone().bytes(), { headers: { "content-type": type } }).formData()
        ).get("model");
        const fieldsRead = readForm(await written.bytes(), type);
        expect(fieldsRead?.file).toBe(`(${bytes.byteLength} bytes)`);
        expect(fieldsRead?.model ?? null).toBe(first as string | null);
      }),
    );
  });
});

/** Each with what Go takes for the model: that and nothing else may be read here, unless the form is refused. */
const READ: readonly (readonly [what: string, body: string, go: string | null, type?: string])[] = [
  ["two of one name", part(MODEL, "evil") + good + end, "evil"],
  ["a name without quotes", part("Content-Disposition: form-data; name=model", "evil") + good + end, "evil"],
  ["a parameter in capitals", part('Content-Disposition: form-data; NAME="model"', "evil") + good + end, "evil"],
  ["a kind in capitals", part('Content-Disposition: Form-Data; name="model"', "evil") + good + end, "evil"],
  ["a header without blanks", part('content-disposition:form-data;name="model"', "evil") + good + end, "evil"],
  ["a name in capitals", part('Content-Disposition: form-data; name="Model"', "evil") + good + end, "good"],
  [
    "a name that is escaped elsewhere",
    part('Content-Disposition: form-data; name="mod%65l"', "evil") + good + end,
    "good",
  ],
  ["an empty file name", part(`${MODEL}; filename=""`, "evil") + good + end, "evil"],
  ["a file of that name before", part(`${MODEL}; filename="x"`, "evil") + good + end, "good"],
  ["a file of that name behind", good + part(`${MODEL}; filename="x"`, "evil") + end, "good"],
  ["a type of the part", part(`${MODEL}\r\nContent-Type: application/octet-stream`, "evil") + good + end, "evil"],
  [
    "a name in a file name",
    part('Content-Disposition: form-data; filename="name=\\"z"; name="model"', "evil") + good + end,
    "good",
  ],
  ["a zero", part(MODEL, "good\0") + end, "good\0"],
  ["a byte order mark", part(MODEL, "\ufeffgood") + end, "\ufeffgood"],
  ["no line feed at the end", good + end.trimEnd(), "good"],
  ["quotes around the boundary", part(MODEL, "evil") + good + end, "evil", 'multipart/form-data; boundary="B"'],
  ["a label in capitals", part(MODEL, "evil") + good + end, "evil", "Multipart/Form-Data; Boundary=B"],
  ["no part", end, null],
];

// Rows of equal length, or Bun's test.each gives a callback for what is missing.
test.each(READ.map(([what, body, go, type = FORM]) => [what, body, go, type] as const))(
  "of a form with %s that is read which Go reads",
  (_, body, go, type) => {
    const fields = read(body, type);
    expect(fields).toBeDefined();
    expect(fields?.model ?? null).toBe(go);
  },
);

const REFUSED: readonly (readonly [what: string, body: string, type?: string])[] = [
  ["a name in another encoding", part("Content-Disposition: form-data; name*=utf-8''model", "evil") + good + end],
  ["a name in pieces", part("Content-Disposition: form-data; name*0=mo; name*1=del", "evil") + good + end],
  ["an escaped name", part('Content-Disposition: form-data; name="mo\\del"', "evil") + good + end],
  ["a folded header", part('Content-Disposition: form-data;\r\n name="model"', "evil") + good + end],
  ["two dispositions", part(`${MODEL}\r\nContent-Disposition: form-data; name="x"`, "evil") + good + end],
  ["two dispositions, turned round", part(`Content-Disposition: form-data; name="x"\r\n${MODEL}`, "evil") + good + end],
  ["two names", part('Content-Disposition: form-data; name="x"; name="model"', "evil") + good + end],
  ["a parameter that nobody knows", part('Content-Disposition: form-data; x="y"; name="model"', "evil") + good + end],
  ["a file name that cannot be decoded", part(`${MODEL}; filename*=utf-8''%`, "evil") + good + end],
  ["a file name that is empty once decoded", part(`${MODEL}; filename=a; filename*=utf-8''`, "evil") + good + end],
  ["another disposition", part('Content-Disposition: attachment; name="model"', "evil") + good + end],
  ["no name", part("Content-Disposition: form-data", "x") + good + end],
  ["an empty name", part('Content-Disposition: form-data; name=""', "x") + good + end],
  ["no disposition", part("Content-Type: text/plain", "x") + good + end],
  ["no head", `--B\r\n\r\nx\r\n${good}${end}`],
  ["a head without end", `--B\r\n${MODEL}\r\n${good}${end}`],
  ["a head longer than any", part(`X: ${"x".repeat(20_000)}\r\n${MODEL}`, "evil") + end],
  ["packed content", part(`${MODEL}\r\nContent-Transfer-Encoding: quoted-printable`, "ev=69l") + good + end],
  ["line feeds alone", (part(MODEL, "evil") + end).replaceAll("\r\n", "\n")],
  ["a line feed alone in a head", part(MODEL, "evil").replace("\r\n\r\n", "\n\n") + good + end],
  ["something before the first boundary", `hello\r\n${part(MODEL, "evil")}${good}${end}`],
  ["an empty line before the first boundary", `\r\n${good}${end}`],
  ["blanks behind a boundary", `--B  \r\n${MODEL}\r\n\r\nevil\r\n${good}${end}`],
  ["a boundary in a content", part('Content-Disposition: form-data; name="z"', `--B\n${MODEL}\n\nevil`) + good + end],
  [
    "a boundary behind a line feed",
    part('Content-Disposition: form-data; name="z"', `q\n--B\r\n${MODEL}\r\n\r\nx`) + good + end,
  ],
  ["no end", good],
  ["another form behind its end", good + end + part(MODEL, "evil") + end],
  ["an end that is none", `--B--junk\r\n${part(MODEL, "evil")}${good}${end}`],
  ["more parts than any", good.repeat(1_001) + end],
  ["two boundaries in its label", good + end, "multipart/form-data; boundary=A; boundary=B"],
  ["a boundary in quotes of another parameter", good + end, 'multipart/form-data; x="; boundary=A; "; boundary=B'],
  ["an escaped boundary", good + end, 'multipart/form-data; boundary="\\B"'],
  ["an encoded boundary", good + end, "multipart/form-data; boundary*=utf-8''B"],
  ["an empty boundary", good + end, 'multipart/form-data; boundary=""'],
  ["no boundary", good + end, "multipart/form-data"],
  ["another type", good + end, "multipart/mixed; boundary=B"],
  ["a longer type", good + end, "multipart/form-data-x; boundary=B"],
  ["two types", good + end, "application/json, multipart/form-data; boundary=B"],
];

test.each(REFUSED.map(([what, body, type = FORM]) => [what, body, type] as const))(
  "a form with %s is refused",
  (_, body, type) => {
    expect(read(body, type)).toBeUndefined();
  },
);

test("a form of a hundred megabytes is read in no time", () => {
  const recording = Buffer.alloc(100_000_000, "\r\n--");
  const head = part('Content-Disposition: form-data; name="file"; filename="a.wav"', "").slice(0, -2);
  const body = Buffer.concat([Buffer.from(good + head), recording, Buffer.from(`\r\n${end}`)]);
  const startedAt = performance.now();
  expect(readForm(body, FORM)).toEqual({ model: "good", file: "(100000000 bytes)" });
  expect(performance.now() - startedAt).toBeLessThan(2_000);
});
