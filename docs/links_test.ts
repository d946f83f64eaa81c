/** Every file and heading that a document links to or names is there. */
import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

const ROOT = join(import.meta.dir, "..");
const DOCUMENTS = [ROOT, join(ROOT, "docs")]
  .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
  .filter((file) => file.endsWith(".md"))
  .map((file) => relative(ROOT, file));

/** Names of files that are not the repository's: on the reader's machine, made by a build, or of other projects. */
const NOT_OURS =
  /^(\/|~|\.?\/?dist\/|[^/]*…|logs\.html$|ollama\.|(keys|tokens|node_keys|hub\.rotations)\.json$)|[*{}<>$]/;
const FILE = /^[\w./-]+\.(ts|js|md|sh|json|yml|yaml|toml|html|css)$/;

/** Anchors as GitHub makes them from headings. */
function anchors(markdown: string): Set<string> {
  const headings = Array.from(withoutBlocks(markdown).matchAll(/^#{1,6} (.+)$/gm), ([, title = ""]) => title);
  return new Set(
    headings.map((title) =>
      title
        .toLowerCase()
        .replace(/[^\p{Letter}\p{Number} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

function withoutBlocks(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```$/gm, "");
}

function isThere(path: string): boolean {
  return existsSync(join(ROOT, path));
}

test.each(DOCUMENTS)("%s links to what is there", async (document) => {
  const text = withoutBlocks(await Bun.file(join(ROOT, document)).text());
  const missing: string[] = [];
  for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^https?:/.test(target)) continue;
    const [path = "", anchor] = target.split("#");
    const file = path === "" ? document : normalize(join(dirname(document), path));
    if (!isThere(file)) missing.push(target);
    else if (anchor && existsSync(join(ROOT, file))) {
      if (!anchors(await Bun.file(join(ROOT, file)).text()).has(anchor)) missing.push(target);
    }
  }
  expect(missing).toEqual([]);
});

const files = Bun.spawnSync(["git", "ls-files", "--cached", "--others", "--exclude-standard"], { cwd: ROOT })
  .stdout.toString()
  .split("\n");
/** Every file of the repository by its last name, for documents that name a file without its folder. */
const lastNames = new Set(files.map((path) => path.split("/").at(-1) ?? ""));

test.each(DOCUMENTS)("%s names files that are there", async (document) => {
  const text = withoutBlocks(await Bun.file(join(ROOT, document)).text());
  const named = Array.from(text.matchAll(/`([^`\n]+)`/g), ([, code = ""]) => code.replace(/^\.\//, ""));
  const missing = named
    .filter((code) => FILE.test(code) && !NOT_OURS.test(code))
    .filter((code) => !isThere(code) && !isThere(normalize(join(dirname(document), code))))
    .filter((code) => code.includes("/") || (lastNames.size > 1 && !lastNames.has(code)));
  expect([...new Set(missing)]).toEqual([]);
});

/** What is said of the code beside it; a text with `//` in it, such as a URL, says nothing. */
const COMMENT = /\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm;

test("comments name files that are there", async () => {
  const missing: string[] = [];
  // The reader of imports is tried with files that are not there.
  const sources = files.filter(
    (path) => /\.(ts|js)$/.test(path) && path !== "shared/boundaries_test.ts" && isThere(path),
  );
  for (const path of sources) {
    const text = await Bun.file(join(ROOT, path)).text();
    for (const [comment] of text.matchAll(COMMENT)) {
      for (const [named] of comment.matchAll(/[\w./]*\w\.(ts|md)\b/g)) {
        const name = named.replace(/^[./]+/, "");
        const isKnown = lastNames.has(name) || files.some((file) => file === name || file.endsWith(`/${name}`));
        if (!isKnown) missing.push(`${path}: ${named}`);
      }
    }
  }
  expect(missing).toEqual([]);
});
