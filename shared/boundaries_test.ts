/** Keeps the arrows of the architecture true: who may import whom, by the import lines of every source file. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.join(import.meta.dir, "..");

interface Import {
  /** A file of ours as a path from the root, "node:…", "bun:…" or a package. */
  readonly target: string;
  /** Only types: nothing of it is left at run time. */
  readonly typeOnly: boolean;
}

interface Source {
  /** Path from the root, with slashes. */
  readonly file: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

const sources: readonly Source[] = ["hub", "node", "shared"].flatMap((folder) => read(folder));

/** Every source file in `folder`. */
function read(folder: string): Source[] {
  return readdirSync(path.join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .map((name) => path.posix.join(folder, name.replaceAll(path.sep, "/")))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => {
      const text = readFileSync(path.join(ROOT, file), "utf8");
      return { file, text, imports: importsOf(text, file) };
    });
}

/** Every import and re-export, static or dynamic, of `text`, a file at `file`. */
function importsOf(text: string, file: string): Import[] {
  const found: Import[] = [];
  const code = withoutComments(text);
  for (const [, clause = "", name = ""] of code.matchAll(/^(?:import|export)\b([^"';]*?)\bfrom\s*"([^"]+)"/gm)) {
    const names = /^\s*\{([^}]*)\}\s*$/
      .exec(clause)?.[1]
      ?.split(",")
      .filter((each) => each.trim() !== "");
    const typeOnly = /^\s*type\s/.test(clause) || (names?.every((each) => /^\s*type\s/.test(each)) ?? false);
    found.push({ target: resolve(name, file), typeOnly });
  }
  for (const [, name = ""] of code.matchAll(/^import\s*"([^"]+)"/gm)) {
    found.push({ target: resolve(name, file), typeOnly: false });
  }
  for (const [, name = ""] of code.matchAll(/\bimport\(\s*["'`]([^"'`]+)["'`]/g)) {
    found.push({ target: resolve(name, file), typeOnly: false });
  }
  return found;
}

function resolve(name: string, from: string): string {
  return name.startsWith(".") ? path.posix.join(path.posix.dirname(from), name) : name;
}

/** Comments go, so that a sentence about `process.exit` breaks no rule. "http://" in a text stays. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[\s;{}(,])\/\/.*$/gm, "$1");
}

const isTest = (file: string) => file.endsWith("_test.ts");
/** Test equipment lives in folders of that name: shared/testing, node/testing, hub/testing. */
const isTesting = (file: string) => /(^|\/)testing\//.test(file);
const product = sources.filter(({ file }) => !isTest(file) && !isTesting(file));

/** Every forbidden import as "file → target". An empty list is what a rule wants to see. */
function offences(of: readonly Source[], forbidden: (imported: Import, source: Source) => boolean): string[] {
  return of.flatMap((source) =>
    source.imports.filter((each) => forbidden(each, source)).map(({ target }) => `${source.file} → ${target}`),
  );
}

test("the reader of imports sees every kind of them", () => {
  const text = `
    import a from "./not_at_the_start.ts"
import net from "node:net";
import { b } from "./b.ts";
import { type C, type D } from "../c.ts";
import { type E, e } from "./e.ts";
import type { F } from "./f.ts";
import * as g from "./policy/g.ts";
import html from "../public/index.html" with { type: "text" };
import {
  type H,
  type I,
} from "./h.ts";
import "./j.ts";
export { k } from "./k.ts";
export type { L } from "./l.ts";
// import m from "./m.ts";
const n = await import("./n.ts");
`;
  expect(importsOf(text, "hub/x.ts").map(({ target, typeOnly }) => target + (typeOnly ? " (type)" : ""))).toEqual([
    "node:net",
    "hub/b.ts",
    "c.ts (type)",
    "hub/e.ts",
    "hub/f.ts (type)",
    "hub/policy/g.ts",
    "public/index.html",
    "hub/h.ts (type)",
    "hub/k.ts",
    "hub/l.ts (type)",
    "hub/j.ts",
    "hub/n.ts",
  ]);
});

test("the reader found the program", () => {
  const files = product.map(({ file }) => file);
  expect(files).toContain("hub/dispatch.ts");
  expect(files).toContain("hub/policy/selection.ts");
  expect(files).toContain("node/main.ts");
  expect(product.find(({ file }) => file === "hub/dispatch.ts")?.imports.length).toBeGreaterThan(5);
});

test("every import of a file of ours names a file that is there", () => {
  const all = new Set(sources.map(({ file }) => file));
  // This very file quotes imports of files that are not there.
  const others = sources.filter(({ file }) => file !== "shared/boundaries_test.ts");
  expect(offences(others, ({ target }) => /^(hub|node|shared)\/.*\.ts$/.test(target) && !all.has(target))).toEqual([]);
});

test("hub and node never import each other", () => {
  const hub = product.filter(({ file }) => file.startsWith("hub/"));
  const node = product.filter(({ file }) => file.startsWith("node/"));
  expect(offences(hub, ({ target }) => target.startsWith("node/"))).toEqual([]);
  expect(offences(node, ({ target }) => target.startsWith("hub/"))).toEqual([]);
});

test("shared imports neither hub nor node", () => {
  const shared = product.filter(({ file }) => file.startsWith("shared/"));
  expect(offences(shared, ({ target }) => /^(hub|node)\//.test(target))).toEqual([]);
});

/** Files of shared/ that only compute: no clock, log, network or process in them or in what they import. */
const PURE_SHARED = ["shared/address.ts", "shared/address_order.ts", "shared/model_name.ts", "shared/networks.ts"];

test("policy imports policy, types, and files of shared that only compute", () => {
  const policy = product.filter(({ file }) => /\/policy\/|_policy\.ts$/.test(file));
  expect(policy.length).toBeGreaterThan(5);
  const allowed = ({ target, typeOnly }: Import) =>
    /^(hub|node)\/policy\//.test(target) || PURE_SHARED.includes(target) || (typeOnly && target.startsWith("shared/"));
  const forbiddenTypes = ["shared/clock.ts", "shared/log.ts", "shared/fleet_fetch.ts"];
  expect(offences(policy, (each) => !allowed(each) || forbiddenTypes.includes(each.target))).toEqual([]);
});

test("policy takes time, chance and the network as arguments only", () => {
  const impure =
    /\b(Date\.now|new Date|performance|Math\.random|crypto|setTimeout|setInterval|fetch|process|Bun|console)\b/;
  const offenders = product
    .filter(({ file }) => /\/policy\/|_policy\.ts$/.test(file) || PURE_SHARED.includes(file))
    .filter(({ text }) => impure.test(withoutStrings(withoutComments(text))));
  expect(offenders.map(({ file }) => file)).toEqual([]);
});

function withoutStrings(code: string): string {
  return code.replace(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|\/(?![*/])(?:[^/\\\n]|\\.)+\/[gimsuy]*/g, '""');
}

/** The layers of the request path, upper ones first; an import goes down, or stays beside. */
const LAYERS = [
  ...["hub/main.ts", "hub/hub.ts", "hub/app.ts", "hub/observe/observers.ts"],
  ...["hub/api/", "hub/dispatch.ts", "hub/", "hub/policy/"],
];

test("within the hub arrows go down: main, app, api, dispatch, its parts, policy", () => {
  const layerOf = (file: string) => {
    const exact = LAYERS.indexOf(file);
    if (exact >= 0) return exact;
    if (file.startsWith("hub/policy/")) return LAYERS.indexOf("hub/policy/");
    return LAYERS.indexOf(file.startsWith("hub/api/") ? "hub/api/" : "hub/");
  };
  const hub = product.filter(({ file }) => file.startsWith("hub/"));
  expect(offences(hub, ({ target }, { file }) => /^hub\//.test(target) && layerOf(target) < layerOf(file))).toEqual([]);
});

test("no two product files import each other's values in a circle", () => {
  const graph = new Map(
    product.map(({ file, imports }) => [file, imports.filter(({ typeOnly }) => !typeOnly).map(({ target }) => target)]),
  );
  const circles: string[] = [];
  const finished = new Set<string>();
  const visit = (file: string, trail: readonly string[]): void => {
    const before = trail.indexOf(file);
    if (before >= 0) circles.push([...trail.slice(before), file].join(" → "));
    if (before >= 0 || finished.has(file)) return;
    for (const target of graph.get(file) ?? []) visit(target, [...trail, file]);
    finished.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  expect(circles).toEqual([]);
});

test("every value that a file exports is imported by another one", () => {
  const used = new Set<string>();
  const elsewhere = ["bench", "docs", "release"].flatMap((folder) => read(folder));
  for (const { file, text } of [...sources, ...elsewhere]) {
    for (const [, names = "", target = ""] of text.matchAll(/\{([^{}]*)\}\s*from\s*"([^"]+)"/g)) {
      for (const name of names.matchAll(/(?:type )?(\w+)(?: as \w+)?/g))
        used.add(`${resolve(target, file)} ${name[1]}`);
    }
    for (const [, target = ""] of text.matchAll(/\* as \w+ from "([^"]+)"/g)) used.add(`${resolve(target, file)} *`);
  }
  const unused = product.flatMap(({ file, text }) => {
    const names = Array.from(
      text.matchAll(/^export (?:async )?(?:const|class|function\*?) (\w+)/gm),
      ([, name]) => name,
    );
    return names
      .filter((name) => !used.has(`${file} ${name}`) && !used.has(`${file} *`))
      .map((name) => `${file} ${name}`);
  });
  expect(unused).toEqual([]);
});

test("nothing of the product imports test equipment", () => {
  const forbidden = ({ target }: Import) =>
    isTesting(target) || isTest(target) || ["bun:test", "fast-check"].includes(target);
  expect(offences(product, forbidden)).toEqual([]);
});

/** The process's edge. Elsewhere a file gets what it needs as an argument, or asks node:os about the machine. */
const PROCESS_EDGE = ["hub/main.ts", "node/main.ts", "shared/lifecycle.ts", "shared/process_figures.ts"];

test("only main.ts, lifecycle.ts and what tells of the process touch it", () => {
  const touch = /\bprocess\s*\.|\bprocess\[|\bimport\.meta\.env\b|\bBun\.(env|argv)\b/;
  const offenders = product
    .filter(({ text }) => touch.test(withoutComments(text).replace(/"(?:[^"\\\n]|\\.)*"/g, '""')))
    .map(({ file }) => file);
  expect(offenders.filter((file) => !PROCESS_EDGE.includes(file))).toEqual([]);
  expect(offences(product, ({ target }) => target === "node:process" || target === "process")).toEqual([]);
});

test("only listen.ts opens a port, and only main.ts is run", () => {
  const serving = product.filter(({ text }) => /\bBun\.serve\b/.test(withoutComments(text))).map(({ file }) => file);
  expect(serving).toEqual(["shared/listen.ts"]);
  const running = product.filter(({ text }) => /^await runProgram\b/m.test(text)).map(({ file }) => file);
  expect(running.toSorted()).toEqual(["hub/main.ts", "node/main.ts"]);
});

test("no file is named after nothing in particular", () => {
  const vague = /(^|\/)(index|utils?|helpers?|types|constants|common|misc)(_test)?\.ts$/;
  expect(sources.map(({ file }) => file).filter((file) => vague.test(file))).toEqual([]);
});

test("files are named in snake_case", () => {
  const strange = sources.map(({ file }) => file).filter((file) => !/^[a-z0-9_]+(\/[a-z0-9_]+)*\.ts$/.test(file));
  expect(strange).toEqual([]);
});
