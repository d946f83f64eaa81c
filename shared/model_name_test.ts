import { expect, test } from "bun:test";
import fc from "fast-check";
import { modelKey, shortName } from "./model_name.ts";

/** reference/ollama-api.md 2.9 */
test.each<[name: string, key: string, shown: string]>([
  ["llama3", "registry.ollama.ai/library/llama3:latest", "llama3:latest"],
  ["llama3:latest", "registry.ollama.ai/library/llama3:latest", "llama3:latest"],
  ["LLaMA3:Latest", "registry.ollama.ai/library/llama3:latest", "llama3:latest"],
  ["  llama3 ", "registry.ollama.ai/library/llama3:latest", "llama3:latest"],
  ["library/llama3", "registry.ollama.ai/library/llama3:latest", "llama3:latest"],
  ["registry.ollama.ai/library/llama3:latest", "registry.ollama.ai/library/llama3:latest", "llama3:latest"],
  ["https://registry.ollama.ai/library/llama3", "registry.ollama.ai/library/llama3:latest", "llama3:latest"],
  ["qwen2.5:7b", "registry.ollama.ai/library/qwen2.5:7b", "qwen2.5:7b"],
  ["llama3:8B", "registry.ollama.ai/library/llama3:8b", "llama3:8b"],
  ["me/x", "registry.ollama.ai/me/x:latest", "me/x:latest"],
  ["hf.co/me/x:Q4_0", "hf.co/me/x:q4_0", "hf.co/me/x:q4_0"],
  ["HF.co/Me/X:q4_0", "hf.co/me/x:q4_0", "hf.co/me/x:q4_0"],
  ["hf.co/library/x", "hf.co/library/x:latest", "hf.co/library/x:latest"],
  ["localhost:5000/me/x", "localhost:5000/me/x:latest", "localhost:5000/me/x:latest"],
  ["http://localhost:5000/me/x:7b", "localhost:5000/me/x:7b", "localhost:5000/me/x:7b"],
  ["llama3:local", "registry.ollama.ai/library/llama3:latest", "llama3:latest"],
  ["llama3:8b:local", "registry.ollama.ai/library/llama3:8b", "llama3:8b"],
  ["gpt-oss:120b-cloud", "registry.ollama.ai/library/gpt-oss:120b-cloud", "gpt-oss:120b-cloud"],
])("%p is compared as %s and shown as %s", (name, key, shown) => {
  expect(modelKey(name)).toBe(key);
  expect(shortName(key)).toBe(shown);
});

test.each<[a: string, b: string]>([
  ["llama3", "llama3:8b"],
  ["llama3", "llama3.1"],
  ["me/llama3", "llama3"],
  ["hf.co/library/llama3", "llama3"],
  ["llama3:cloud", "llama3"],
])("%p and %p are different models", (a, b) => {
  expect(modelKey(a)).not.toBe(modelKey(b));
});

test("a key is the key of itself and of its short name, whatever the name", () => {
  const part = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}$/);
  const name = fc
    .tuple(fc.array(part, { maxLength: 2 }), part, fc.option(part))
    .map(([path, model, tag]) => [...path, model].join("/") + (tag === null ? "" : `:${tag}`));
  fc.assert(
    fc.property(name, (text) => {
      const key = modelKey(text);
      fc.pre(!key.endsWith(":local"));
      expect(modelKey(key)).toBe(key);
      expect(modelKey(shortName(key))).toBe(key);
    }),
  );
});

test("whatever text comes, a key comes out", () => {
  fc.assert(fc.property(fc.string(), (text) => expect(modelKey(text)).toContain(":")));
});
