/** A hub against requests changed at random, for a short while; for a long one: bun shared/testing/fuzz/main.ts --minutes 10. */
import { expect, test } from "bun:test";
import { fuzzHub } from "../../shared/testing/fuzz/fuzz_hub.ts";

const MS = 8_000;

test.skipIf(process.platform !== "linux").each<[what: string, environment: Record<string, string>]>([
  ["an open hub", {}],
  ["a closed one", { API_KEYS: "admin:ohk_key" }],
])(
  "whatever is sent to %s: no crash, no unhandled rejection, no status above 499 that is not specified",
  async (_, environment) => {
    const report = await fuzzHub(MS, 7, environment);
    console.log(`  ${JSON.stringify(report)}`);
    expect(report.findings).toEqual([]);
    expect(report.sent).toBeGreaterThan(100);
  },
  30_000,
);
