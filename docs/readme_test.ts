/** The README's examples, run as printed, and its tables, compared with the programs. */
import { expect, test } from "bun:test";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startFleet } from "../shared/testing/start_fleet.ts";
import { README, withSettingsTables } from "./settings_table.ts";

interface Example {
  readonly language: string;
  readonly code: string;
}

const readme = await Bun.file(README).text();

/** Fenced blocks that talk to a hub; the others start programs, which the demo and story tests do. */
const examples: Example[] = [...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
  .map(([, language = "", code = ""]) => ({ language, code }))
  .filter(({ code }) => code.includes("http://localhost:8000"));

/** A Python that has what the examples import, or null. */
function pythonWith(code: string): string | null {
  const imports = [...code.matchAll(/^import (\w+)/gm)].map(([, name]) => name).join(", ");
  for (const python of ["python3", "/usr/bin/python3"]) {
    if (Bun.which(python) && Bun.spawnSync([python, "-c", `import ${imports}`]).exitCode === 0) return python;
  }
  return null;
}

/** How to run an example, or why it cannot be run here. */
function commandFor({ language, code }: Example, file: string): string[] | string {
  switch (language) {
    case "bash":
      return Bun.which("curl") ? ["bash", "-euo", "pipefail", file] : "there is no curl";
    case "python": {
      const python = pythonWith(code);
      return python ? [python, file] : "there is no Python with the modules it imports";
    }
    case "js":
      return [Bun.which("node") ?? process.execPath, file];
    default:
      return `nobody knows how to run ${language}`;
  }
}

test("the README has examples for curl, Python and JavaScript", () => {
  const languages = new Set(examples.map(({ language }) => language));
  expect([...languages].sort()).toEqual(["bash", "js", "python"]);
});

for (const [index, example] of examples.entries()) {
  const firstLine = example.code.trim().split("\n")[0]?.slice(0, 60);
  test(`README example ${index + 1} runs as printed (${example.language}: ${firstLine})`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "readme-"));
    const file = join(folder, example.language === "js" ? "example.mjs" : `example.${example.language}`);
    const command = commandFor(example, file);
    if (typeof command === "string") return console.log(`skipped: ${command}`);

    await using fleet = await startFleet({ nodes: ["a"], ollama: { models: ["llama3:latest", "simulated:latest"] } });
    await Bun.write(file, example.code.replaceAll("http://localhost:8000", fleet.hub.url));
    const run = Bun.spawn(command, { stdout: "pipe", stderr: "pipe", env: { ...process.env, NO_PROXY: "*" } });
    const [output, errors, code] = await Promise.all([run.stdout.text(), run.stderr.text(), run.exited]);
    expect({ code, errors: code === 0 ? "" : errors }).toEqual({ code: 0, errors: "" });
    expect(output.trim()).not.toBe("");
    expect(output).not.toContain('"detail"');
    const failed = (await fleet.hub.logs()).filter(({ success }) => !success);
    expect(failed).toEqual([]);
  });
}

test("the README's tables of settings are the programs' own (if not: bun docs/settings_table.ts)", () => {
  expect(readme).toBe(withSettingsTables(readme));
});
