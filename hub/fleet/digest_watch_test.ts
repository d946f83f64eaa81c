import { expect, test } from "bun:test";
import { silentLogger } from "../../shared/log.ts";
import { alikeTags } from "./alike.ts";
import { createDigestWatch, type DiskOfNode, MOST_NAMED } from "./digest_watch.ts";

const A = "a".repeat(64);
const B = "b".repeat(64);

const node = (nodeId: string, digest: string, name = "llama3:latest"): DiskOfNode => ({
  id: nodeId,
  ...alikeTags([{ name, digest, size: 1, modified_at: "2026-01-01T00:00:00Z" }]),
});

function open() {
  const lines: string[] = [];
  const write = (level: string) => (_: object, text: string) => lines.push(`${level}: ${text}`);
  const watch = createDigestWatch(
    Object.assign(Object.create(silentLogger), { warn: write("warn"), info: write("info") }),
  );
  return { watch, lines: () => lines.splice(0) };
}

const conflict =
  "warn: nodes have different models named llama3:latest: aaaaaaaaaaaa on a, b; bbbbbbbbbbbb on c; " +
  "pull it again on all of them (X-Node-Id: *)";

test("a disagreement is told once, with who has what, and that it is over", () => {
  const { watch, lines } = open();
  watch.look([node("a", A), node("b", A), node("c", A)]);
  expect(lines()).toEqual([]);
  for (let look = 0; look < 3; look++) watch.look([node("a", A), node("b", A), node("c", B)]);
  expect(lines()).toEqual([conflict]);
  expect(watch.conflicts).toEqual([
    {
      model: "llama3:latest",
      digests: [
        { digest: A, nodes: ["a", "b"] },
        { digest: B, nodes: ["c"] },
      ],
    },
  ]);
  watch.look([node("a", A), node("b", A)]);
  expect(lines()).toEqual(["info: only one version of llama3:latest is left"]);
  expect(watch.conflicts).toEqual([]);
  watch.look([node("a", A), node("b", A), node("c", B)]);
  expect(lines()).toEqual([conflict]);
});

test("a disagreement that changed is told again", () => {
  const { watch, lines } = open();
  watch.look([node("a", A), node("b", B)]);
  watch.look([node("a", A), node("b", B), node("c", B)]);
  expect(lines()).toHaveLength(2);
});

test("in which order the nodes are heard is no news", () => {
  const { watch, lines } = open();
  watch.look([node("a", A), node("b", B)]);
  watch.look([node("b", B), node("a", A)]);
  expect(lines()).toHaveLength(1);
});

test("models are told apart, and names compared as Ollama does", () => {
  const { watch, lines } = open();
  watch.look([node("a", A, "llama3:latest"), node("b", B, "mistral:latest")]);
  expect(lines()).toEqual([]);
  watch.look([node("a", A, "llama3:latest"), node("b", B, "LLaMA3")]);
  expect(lines()).toHaveLength(1);
});

test("a fleet without nodes or models disagrees about nothing", () => {
  const { watch, lines } = open();
  watch.look([]);
  watch.look([{ id: "a", disk: [], modifiedAt: [] }]);
  expect(lines()).toEqual([]);
  expect(watch.conflicts).toEqual([]);
});

test("of thousands that differ a few are named, in the log and to each of them, itself among those", () => {
  const { watch, lines } = open();
  const count = 5_000;
  watch.look(Array.from({ length: count }, (_, index) => node(`n${index}`, index % 2 ? A : B)));
  expect(lines().join().length).toBeLessThan(500);
  for (let index = 0; index < count; index++) {
    const [told] = watch.of(`n${index}`);
    const own = told?.digests.find(({ digest }) => digest === (index % 2 ? A : B));
    expect(own?.nodes).toContain(`n${index}`);
    expect(told?.digests.map(({ nodes, node_count }) => [nodes.length, node_count])).toEqual([
      [MOST_NAMED, count / 2],
      [MOST_NAMED, count / 2],
    ]);
  }
  expect(watch.of("another")).toEqual([]);
});
