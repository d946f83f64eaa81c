import { expect, test } from "bun:test";
import { modelKey } from "../../shared/model_name.ts";
import { ejected, facts, onTrial } from "../testing/node_facts.ts";
import { type Home, holdersOf, homesFor } from "./model_home.ts";

const GB = 1e9;
const LLAMA = modelKey("llama3");
const OTHER = modelKey("other");

/** A healthy node without models, graphics cards or known memory, changed by `changes`. */
function home(id: string, changes: Partial<Home> = {}): Home {
  const { trust, reserved } = facts();
  return { id, trust, reserved, models: new Set(), gpu: [], metadata: {}, routes: [{ reachable: null }], ...changes };
}

const has = (...models: string[]) => ({ models: new Set(models) });
const cards = (...sizes: (number | null)[]) => ({ gpu: sizes.map((memory_total) => ({ memory_total })) });
const memory = (memory_total: unknown) => ({ metadata: { memory_total } });

test.each<[why: string, first: Home, then: Home]>([
  ["has it already", home("z", has(LLAMA)), home("a", cards(48 * GB))],
  ["has the most memory on its cards", home("z", cards(24 * GB)), home("a", cards(12 * GB))],
  ["has it on several cards", home("z", cards(12 * GB, 16 * GB)), home("a", cards(24 * GB))],
  ["has a small card before a large machine", home("z", cards(4 * GB)), home("a", memory(512 * GB))],
  ["has a card whose size is known", home("z", cards(1)), home("a", cards(null))],
  ["has the larger machine", home("z", memory(64 * GB)), home("a", memory(32 * GB))],
  ["says a size that is one", home("z", memory(1)), home("a", memory("lots"))],
  ["has less work", home("z", { reserved: 1 }), home("a", { reserved: 2 })],
  ["has more room before less work", home("z", { ...memory(2), reserved: 9 }), home("a", memory(1))],
  ["has fewer models", home("z", has(OTHER)), home("a", has("b", "c"))],
  ["comes first in the alphabet", home("a"), home("z")],
  ["is trusted", home("z"), home("a", { trust: ejected(), ...cards(24 * GB) })],
  ["is trusted, though another has the model", home("z"), home("a", { trust: onTrial, ...has(LLAMA) })],
  ["was reached last time", home("z"), home("a", { routes: [{ reachable: false }], ...has(LLAMA) })],
  [
    "is reached by one of its addresses",
    home("z", { routes: [{ reachable: false }, { reachable: true }], ...memory(1) }),
    home("a"),
  ],
])("a model goes to the node that %s", (_, first, then) => {
  const ids = [first.id, then.id];
  expect(homesFor([first, then], LLAMA).map(({ id }) => id)).toEqual(ids);
  expect(homesFor([then, first], LLAMA).map(({ id }) => id)).toEqual(ids);
});

test("for a model nobody named, what a node has decides nothing", () => {
  const nodes = [home("a", has(LLAMA)), home("b", has(LLAMA, OTHER)), home("c")];
  expect(homesFor(nodes, null).map(({ id }) => id)).toEqual(["c", "a", "b"]);
});

test("the holders of a model are those that have it, the best of them first", () => {
  const nodes = [home("a", has(LLAMA)), home("b", cards(GB)), home("c", { ...has(LLAMA), ...cards(GB) })];
  expect(holdersOf(nodes, LLAMA).map(({ id }) => id)).toEqual(["c", "a"]);
  expect(holdersOf(nodes, OTHER)).toEqual([]);
});
