import { expect, test } from "bun:test";
import { addRound, nothingMeasured } from "./measured.ts";
import { FULL } from "./plan.ts";
import { documentOf, spreadText, table, tablesOf } from "./report.ts";

test("a spread is written with its range, and without where there is none", () => {
  expect(spreadText({ median: 1.234, min: 1, max: 2 }, 2)).toBe("1.23 (1.00–2.00)");
  expect(spreadText({ median: 3, min: 3, max: 3 }, 0)).toBe("3");
  expect(spreadText(null, 2)).toBe("–");
});

test("a table is one that Markdown reads, with even columns", () => {
  expect(table(["", "value"], [["hub", "1"]])).toBe("|     | value |\n|-----|-------|\n| hub | 1     |");
});

test("who was not measured has no row", () => {
  const measured = nothingMeasured();
  addRound(measured.streams, "hub", { cpuUs: 20, p50: 0.2, p99: 0.5 });
  const text = tablesOf(measured, FULL);
  expect(text).toMatch(/^\| hub /m);
  expect(text).not.toMatch(/^\| nginx /m);
});

test("the document names what was missed and what went wrong", () => {
  const measured = nothingMeasured();
  addRound(measured.firstByte, "nginx", 0.1);
  addRound(measured.firstByte, "hub", 0.9);
  measured.notes.push("wrk is not installed");
  const how = { commit: "abc", date: "2026-01-01", machine: "2 × x", versions: ["Bun 1"], seconds: 10 };
  const text = documentOf(measured, FULL, how);
  expect(text).toContain("Missed: first byte at one connection, p50, hub over nginx.");
  expect(text).toContain("- wrk is not installed");
  expect(text).toContain("Commit abc, 2026-01-01, 2 × x; Bun 1; 10 s.");
});
