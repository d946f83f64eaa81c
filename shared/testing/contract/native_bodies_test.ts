/** The contract of Ollama's own routes, bodies that are none: refused in the words of Go (reference 0, 4.12). */
import { expect, test } from "bun:test";
import { refusal } from "./answer.ts";
import { onEveryTarget } from "./target.ts";
import { EXAMPLE } from "./wire_examples.ts";

const BAD_REQUEST = "400 Bad Request";

const BODY_CASES: [what: string, body: string, error: string][] = [
  ["no body", "", "missing request body"],
  ["a body of white space", " \r\n\t", "missing request body"],
  ["a word", "hello", "invalid character 'h' looking for beginning of value"],
  ["a page", "<html>", "invalid character '<' looking for beginning of value"],
  ["a form", "model=llama3.2&prompt=x", "invalid character 'm' looking for beginning of value"],
  ["an object that is not closed", '{"model":"llama3.2"', "unexpected EOF"],
  ["a text that is not closed", '{"model":"llama3.2', "unexpected EOF"],
  ["an opening brace", "{", "unexpected EOF"],
  ["single quotes", "{'model':'llama3.2'}", "invalid character '\\'' looking for beginning of object key string"],
  ["a comma too many", '{"model":"llama3.2",}', "invalid character '}' looking for beginning of object key string"],
  ["a word of another language", '{"model":None}', "invalid character 'N' looking for beginning of value"],
];

onEveryTarget("bodies that are none", { ollama: EXAMPLE }, (target) => {
  for (const path of ["/api/generate", "/api/chat", "/api/embed", "/api/embeddings", "/api/show"]) {
    for (const [what, body, error] of BODY_CASES) {
      test(`${path} refuses ${what} in the words of Go (4.12)`, async () => {
        expect(await target.post(path, body)).toEqual(refusal(BAD_REQUEST, error));
      });
    }
  }

  test("a model that is no text is refused with the name of the field", async () => {
    for (const [path, struct] of [
      ["/api/generate", "GenerateRequest"],
      ["/api/chat", "ChatRequest"],
      ["/api/embed", "EmbedRequest"],
      ["/api/embeddings", "EmbeddingRequest"],
      ["/api/show", "ShowRequest"],
    ]) {
      const error = `json: cannot unmarshal number into Go struct field ${struct}.model of type string`;
      expect(await target.post(path ?? "", { model: 1 })).toEqual(refusal(BAD_REQUEST, error));
    }
  });

  test("a body that is no object is refused", async () => {
    const error = "json: cannot unmarshal array into Go value of type api.GenerateRequest";
    expect(await target.post("/api/generate", [{ model: "llama3.2" }])).toEqual(refusal(BAD_REQUEST, error));
  });
});
