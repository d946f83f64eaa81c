// `bun shared/testing/fuzz/main.ts --minutes 10 [--seed N]`: fuzzes a hub for a long time, open first, closed after that.
import { fuzzHub } from "./fuzz_hub.ts";

const numberAfter = (name: string, fallback: number) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const minutes = numberAfter("--minutes", 10);
const seed = numberAfter("--seed", Date.now() % 1_000_000);

let failed = false;
for (const environment of [{}, { API_KEYS: "admin:ohk_key" }]) {
  const report = await fuzzHub((minutes * 60_000) / 2, seed, environment);
  console.log(JSON.stringify({ closed: "API_KEYS" in environment, ...report, findings: report.findings.length }));
  for (const finding of report.findings) console.log(finding);
  failed ||= report.findings.length > 0;
}
process.exit(failed ? 1 : 0);
