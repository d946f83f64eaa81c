import { expect, test } from "bun:test";
import fc from "fast-check";
import { allowsAny, isSameOrigin, mayUse, parseOrigins } from "./origins.ts";

test.each<[text: string, entries: string[]]>([
  ["", []],
  ["*", ["*"]],
  ["http://example.com", ["http://example.com"]],
  [" http://a.example , https://b.example ", ["http://a.example", "https://b.example"]],
  ["http://a.example,,", ["http://a.example"]],
  ['"http://a.example,https://b.example"', ["http://a.example", "https://b.example"]],
  ["'*'", ["*"]],
  ["HTTP://A.Example", ["http://a.example"]],
  ["http://a.example/", ["http://a.example"]],
  ["file://", ["file://"]],
  ["chrome-extension://*,moz-extension://abc", ["chrome-extension://*", "moz-extension://abc"]],
  ["*.example.com", ["*.example.com"]],
  ["http://[fd00::5]:3000", ["http://[fd00::5]:3000"]],
])("OLLAMA_ORIGINS=%s is read as %j", (text, entries) => {
  expect(parseOrigins(text)).toEqual(entries);
});

test.each<[text: string, sentence: string]>([
  ["http://*.a.*", 'has the entry "http://*.a.*" with more than one *'],
  ["http://ok.example,**", 'has the entry "**" with more than one *'],
  ["example.com", 'has the entry "example.com", which is no origin such as http://example.com, http://10.0.0.5:* or *'],
  ["http://a.example/app", 'has the entry "http://a.example/app", which is no origin'],
  ["http://a.example b", 'has the entry "http://a.example b", which is no origin'],
])("OLLAMA_ORIGINS=%s is refused by the name of the entry", (text, sentence) => {
  expect(() => parseOrigins(text)).toThrow(sentence);
});

const HOST = "hub.lan:8000";

test.each<[origin: string, allowed: string, may: boolean]>([
  ["http://hub.lan:8000", "", true],
  ["https://hub.lan:8000", "", true],
  ["http://hub.lan", "", false],
  ["http://hub.lan:8001", "", false],
  ["http://localhost", "", true],
  ["https://localhost", "", true],
  ["http://localhost:5173", "", true],
  ["https://127.0.0.1:8443", "", true],
  ["http://0.0.0.0:1", "", true],
  ["http://localhost.evil.example", "", false],
  ["http://127.0.0.10:80", "", false],
  ["http://[::1]:3000", "", false],
  ["http://[::1]:3000", "http://[::1]:*", true],
  ["app://obsidian.md", "", true],
  ["file://", "", true],
  ["tauri://localhost", "", true],
  ["vscode-webview://1a2b", "", true],
  ["vscode-file://vscode-app", "", true],
  ["chrome-extension://abc", "", false],
  ["chrome-extension://abc", "chrome-extension://*", true],
  ["null", "", false],
  ["null", "*", true],
  ["https://anything.example", "*", true],
  ["https://example.com", "https://example.com", true],
  ["HTTPS://Example.com", "https://example.com", true],
  ["http://example.com", "https://example.com", false],
  ["https://example.com:444", "https://example.com", false],
  ["https://a.example.com", "https://*.example.com", true],
  ["https://example.com", "https://*.example.com", false],
  ["https://a.example.com.evil.example", "https://*.example.com", false],
  ["http://10.0.0.5:3000", "http://10.0.0.5:*", true],
  ["http://10.0.0.50:3000", "http://10.0.0.5:*", false],
  ["https://aba", "https://ab*ba", false],
  ["http://localhost:1", "https://only.example", true],
])("a page of %s with OLLAMA_ORIGINS=%s: %p", (origin, allowed, may) => {
  expect(mayUse(origin, HOST, parseOrigins(allowed))).toBe(may);
});

test("what the hub itself served is told apart from what is allowed beside it", () => {
  expect(isSameOrigin("http://hub.lan:8000", HOST)).toBe(true);
  expect(isSameOrigin("http://localhost:8000", HOST)).toBe(false);
  expect(allowsAny(parseOrigins("http://a.example,*"))).toBe(true);
  expect(allowsAny(parseOrigins("http://a.*"))).toBe(false);
});

test("an origin that is written into the list may use the hub, whatever else is there", () => {
  fc.assert(
    fc.property(fc.webAuthority(), fc.array(fc.webAuthority()), (authority, others) => {
      const origin = `https://${authority.toLowerCase()}`;
      const allowed = [...others.map((other) => `http://${other.toLowerCase()}`), origin];
      expect(mayUse(origin, HOST, allowed)).toBe(true);
    }),
  );
});
