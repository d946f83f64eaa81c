import { expect, test } from "bun:test";
import {
  baseUrl,
  ConfigError,
  describeSettings,
  flag,
  number,
  oneOf,
  portNumber,
  readSettings,
  type Setting,
  settingsHelp,
  wholeNumber,
} from "./settings.ts";

const table = {
  port: { variable: "PORT", fallback: 8000, doc: "Port it listens on", parse: portNumber },
  wait: { variable: "WAIT", fallback: 1.5, unit: "seconds", doc: "How long it waits", parse: number(0, 10) },
  quiet: { variable: "QUIET", fallback: false, doc: "1 says nothing", parse: flag },
  name: { variable: "NAME", fallback: "", fallbackShown: "host name", doc: "What it is called", parse: String },
  models: {
    variable: "MODELS",
    fallback: ["a", "b"],
    doc: "Models",
    parse: (text: string) => text.split(","),
  } satisfies Setting<string[]>,
};

function problems(environment: Record<string, string>): readonly string[] {
  try {
    readSettings(table, environment);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.message).toBe(error.problems.join("\n"));
    return error.problems;
  }
}

test("what is absent, empty or blank falls back", () => {
  const fallbacks = { port: 8000, wait: 1.5, quiet: false, name: "", models: ["a", "b"] };
  expect(readSettings(table, {})).toEqual(fallbacks);
  expect(readSettings(table, { PORT: "", WAIT: "  ", QUIET: undefined })).toEqual(fallbacks);
});

test("what is set is parsed without the spaces around it, and other variables are nobody's business", () => {
  expect(readSettings(table, { PORT: " 80 ", QUIET: "yes", NAME: " a b ", MODELS: "x,y", PATH: "/bin" })).toEqual({
    port: 80,
    wait: 1.5,
    quiet: true,
    name: "a b",
    models: ["x", "y"],
  });
});

test("one error names every bad variable, its value and what would be right", () => {
  expect(problems({ PORT: "x", WAIT: "11", QUIET: "loud", NAME: "fine" })).toEqual([
    "PORT=x is not a whole number from 0 to 65535",
    "WAIT=11 is not a number from 0 to 10",
    "QUIET=loud is neither 1 nor 0",
  ]);
});

test.each<[text: string, value: number | null]>([
  ["0", 0],
  ["10", 10],
  ["0.5", 0.5],
  ["1e1", 10],
  ["-0.1", null],
  ["10.1", null],
  ["ten", null],
  ["1,5", null],
  ["5s", null],
  ["NaN", null],
  ["Infinity", null],
])("%p as a number from 0 to 10 is %p", (text, value) => {
  if (value === null) expect(() => number(0, 10)(text)).toThrow("is not a number from 0 to 10");
  else expect(number(0, 10)(text)).toBe(value);
});

test("a whole number has no fraction", () => {
  expect(wholeNumber(1, 3)("3")).toBe(3);
  expect(() => wholeNumber(1, 3)("1.5")).toThrow("is not a whole number from 1 to 3");
});

test.each<[text: string, value: boolean]>([
  ["1", true],
  ["true", true],
  ["YES", true],
  ["on", true],
  ["0", false],
  ["False", false],
  ["no", false],
  ["OFF", false],
])("the flag %p is %p", (text, value) => {
  expect(flag(text)).toBe(value);
});

test.each(["2", "y", "enabled", "10"])("the flag %p is neither", (text) => {
  expect(() => flag(text)).toThrow("is neither 1 nor 0");
});

test("a choice ignores case and comes out as the table writes it", () => {
  expect(oneOf("INFO", "DEBUG")("info")).toBe("INFO");
  expect(() => oneOf("INFO", "DEBUG")("loud")).toThrow("is not one of INFO, DEBUG");
});

test.each<[text: string, url: string]>([
  ["http://127.0.0.1:11434", "http://127.0.0.1:11434"],
  ["http://hub:8000/", "http://hub:8000"],
  ["https://hub.example/path//", "https://hub.example/path"],
  ["HTTP://hub", "HTTP://hub"],
  ["192.168.1.10:8000", "http://192.168.1.10:8000"],
  ["localhost:8000", "http://localhost:8000"],
  ["[::1]:8000", "http://[::1]:8000"],
])("the base URL %p is %p", (text, url) => {
  expect(baseUrl(text)).toBe(url);
});

test.each(["http://", "http://a b", "::1", "hub:port", "hub:99999", "ftp://hub", "htps://hub:8000", "http:/hub"])(
  "%p is no base URL",
  (text) => {
    expect(() => baseUrl(text)).toThrow("is not a URL such as http://192.168.1.10:8000");
  },
);

test("the table describes itself for people", () => {
  expect(describeSettings(table)).toEqual([
    ["PORT", "8000", "Port it listens on"],
    ["WAIT", "1.5", "How long it waits (seconds)"],
    ["QUIET", "0", "1 says nothing"],
    ["NAME", "host name", "What it is called"],
    ["MODELS", "a,b", "Models"],
  ]);
  expect(settingsHelp(table).split("\n")).toEqual([
    "  PORT=8000       Port it listens on",
    "  WAIT=1.5        How long it waits (seconds)",
    "  QUIET=0         1 says nothing",
    "  NAME=host name  What it is called",
    "  MODELS=a,b      Models",
  ]);
});
