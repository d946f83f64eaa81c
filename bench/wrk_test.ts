import { expect, test } from "bun:test";
import { readWrk } from "./wrk.ts";

const PRINTED = `Running 3s test @ http://127.0.0.1:1/api/generate
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   812.21us  319.41us   8.61ms   88.29%
    Req/Sec    39.52k     1.54k   41.37k    83.87%
  121886 requests in 3.10s, 56.60MB read
`;

test("requests a second and their number are read from what wrk prints", () => {
  expect(readWrk(`${PRINTED}Requests/sec:  39317.55\nTransfer/sec:     18.26MB\n`)).toEqual({
    requestsPerSecond: 39317.55,
    requests: 121886,
    failed: 0,
  });
});

test("what broke and what was refused is counted as failed", () => {
  const bad = "  Socket errors: connect 1, read 2, write 0, timeout 3\n  Non-2xx or 3xx responses: 40\n";
  expect(readWrk(`${PRINTED}${bad}Requests/sec:  39317.55\n`).failed).toBe(46);
});

test("a wrk that could not run is told with its own words", () => {
  expect(() => readWrk("unable to connect to 127.0.0.1:1 Connection refused")).toThrow("Connection refused");
});
