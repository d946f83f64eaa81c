import { expect, test } from "bun:test";
import fc from "fast-check";
import { ANY_MODEL, isCloudName, isModelName, isSameSpelling, modelKey, shortName } from "./model_name.ts";

/** As Ollama reads names, each tried there. */
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

test.each([
  "llama3",
  "LLaMA3:8B",
  "  llama3 ",
  "qwen2.5:7b-instruct-q4_K_M",
  "_x:_y",
  "me/x",
  "hf.co/me/x.y:Q4_0",
  "localhost:5000/me/x",
  "https://registry.ollama.ai/library/llama3",
  "llama3:local",
  "gpt-oss:120b-cloud",
  "a".repeat(80),
  `${"h".repeat(350)}/me/x`,
])("%p is a model's name", (name) => {
  expect(isModelName(name)).toBe(true);
});

test.each([
  "",
  " ",
  ":",
  ":x",
  "x:",
  ":local",
  "a//b",
  "/x",
  "x/",
  "a b",
  "x:a b",
  "x:-a",
  "x:.a",
  "-x",
  ".x",
  "../../etc/passwd",
  "me.too/x",
  "a/b/c/d",
  "x:y:z",
  "x\u0000",
  "x\ny",
  "x?y",
  "x#y",
  "日本",
  "\ud800",
  "a".repeat(81),
  `x:${"a".repeat(81)}`,
  `${"n".repeat(81)}/x`,
  `${"h".repeat(351)}/me/x`,
  "x:cloud:local",
  "x:8b-cloud:local",
])("%p is none", (name) => {
  expect(isModelName(name)).toBe(false);
});

test("what is no model's name never has the key of one that is known", () => {
  expect(isModelName(ANY_MODEL)).toBe(false);
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(modelKey(text)).not.toBe(ANY_MODEL);
      if (isModelName(text)) expect(isModelName(shortName(modelKey(text)))).toBe(true);
    }),
  );
});

test.each<[name: string, cloud: boolean]>([
  ["gpt-oss:120b-cloud", true],
  ["gpt-oss:cloud", true],
  ["GPT-OSS:120B-Cloud", true],
  [" gpt-oss:cloud ", true],
  ["me/x:cloud", true],
  ["hf.co/me/x:q4-cloud", true],
  ["localhost:5000/me/x:cloud", true],
  ["llama3", false],
  ["llama3:8b", false],
  ["cloud", false],
  ["x-cloud", false],
  ["x:cloudy", false],
  ["x:cloud-8b", false],
  ["x:mycloud", false],
  ["localhost:5000/me/x-cloud", false],
  ["", false],
])("%p runs at a cloud service: %p", (name, cloud) => {
  expect(isCloudName(name)).toBe(cloud);
});

test.each<[a: string, b: string, same: boolean]>([
  ["llama3", "llama3:latest", true],
  ["library/llama3", "llama3", true],
  ["llama3:local", "llama3", true],
  ["LLaMA3", "llama3", false],
  ["llama3:8B", "llama3:8b", false],
])("%p is spelled as %p is: %p", (a, b, same) => {
  expect(isSameSpelling(a, b)).toBe(same);
});
