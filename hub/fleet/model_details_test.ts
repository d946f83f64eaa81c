import { expect, test } from "bun:test";
import { fakeFleet } from "../testing/fake_fleet.ts";
import { modelDetails } from "./model_details.ts";

const DIGEST = "A80C4F17ACD55265FEEC403C7AEF86BE0C25983AB279D83F3BCD3ABBCB5B8B72".toLowerCase();

const tag = (name: string, more: object = {}) => ({
  name,
  digest: DIGEST,
  size: 2_019_393_189,
  modified_at: "2026-01-01T00:00:00Z",
  details: { parameter_size: "3.2B", quantization_level: "Q4_K_M" },
  ...more,
});

const running = {
  name: "llama3:latest",
  digest: DIGEST,
  size: 3,
  size_vram: 2,
  expires_at: "2026-01-01T00:05:00+01:00",
};

test("every model is told with what Ollama's lists say of it, in the order of the names", () => {
  const fleet = fakeFleet();
  const names = ["mistral:latest", "llama3:latest"];
  fleet.beat({
    models: names,
    tags: [tag("llama3:latest"), tag("mistral:latest", { digest: `sha256:${DIGEST}` })],
    ps: [running],
    loaded: ["llama3:latest"],
  });
  const known = { size: 2_019_393_189, digest: "a80c4f17acd5", parameter_size: "3.2B", quantization: "Q4_K_M" };
  expect(modelDetails(fleet.node())).toEqual([
    { name: "mistral:latest", ...known, loaded: false, size_vram: null, expires_at: null },
    { name: "llama3:latest", ...known, loaded: true, size_vram: 2, expires_at: "2026-01-01T00:05:00+01:00" },
  ]);
});

test("of an older agent's models only the names are known, and which are loaded", () => {
  const fleet = fakeFleet();
  fleet.beat({ models: ["llama3"], loaded: ["llama3:latest"] });
  const unknown = { size: null, digest: null, parameter_size: null, quantization: null };
  expect(modelDetails(fleet.node())).toEqual([
    { name: "llama3", ...unknown, loaded: true, size_vram: null, expires_at: null },
  ]);
});

test.each<[what: string, more: object, shown: object]>([
  ["no details", { details: undefined }, { parameter_size: null, quantization: null }],
  ["details of another kind", { details: "3B" }, { parameter_size: null }],
  ["a number", { details: { parameter_size: 3 } }, { parameter_size: null }],
  ["a text of a thousand letters", { details: { parameter_size: "x".repeat(1_000) } }, { parameter_size: null }],
  ["empty texts, as a cloud model has", { details: { parameter_size: "" } }, { parameter_size: null }],
  ["a digest that is none", { digest: "<script>alert(1)</script>" }, { digest: null }],
  ["a short digest", { digest: "abc" }, { digest: null }],
])("what is none is unknown: %s", (_, more, shown) => {
  const fleet = fakeFleet();
  fleet.beat({ models: ["m"], tags: [tag("m", more)] });
  expect(modelDetails(fleet.node())[0]).toMatchObject(shown);
});

test("they are read again when the node says something new, and not before", () => {
  const fleet = fakeFleet();
  fleet.beat({ models: ["llama3"], loaded: [] });
  const first = modelDetails(fleet.node());
  expect(modelDetails(fleet.node())).toBe(first);
  fleet.beat({ models: ["llama3"], loaded: ["llama3"] });
  expect(modelDetails(fleet.node())[0]?.loaded).toBe(true);
});
