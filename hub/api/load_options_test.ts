import { expect, test } from "bun:test";
import { loadOptionsOf } from "./load_options.ts";

test.each([
  [undefined, ""],
  [null, ""],
  ["none", ""],
  [{ temperature: 0.5, seed: 1 }, ""],
  [{ num_ctx: 8192 }, "num_ctx 8192"],
  [{ num_gpu: 0, temperature: 1, num_ctx: 2048 }, "num_ctx 2048, num_gpu 0"],
  [{ num_ctx: "8192" }, ""],
])("of options %j a load depends on %j", (options, expected) => {
  expect(loadOptionsOf(options)).toBe(expected);
});
