import { expect, test } from "bun:test";
import { forwardingHeader } from "./forwarding.ts";

test.each([
  "Forwarded",
  "Via",
  "X-Forwarded-For",
  "X-Forwarded-Host",
  "X-Forwarded-Proto",
  "X-Forwarded-Port",
  "X-Forwarded-Server",
  "X-Forwarded-Prefix",
  "X-Forwarded",
  "X-FORWARDED-SSL",
  "X-Real-IP",
  "X-Client-IP",
  "X-Cluster-Client-IP",
  "CF-Connecting-IP",
  "CF-Connecting-IPv6",
  "True-Client-IP",
])("%s tells of a proxy, also when it is empty", (name) => {
  expect(forwardingHeader(new Headers({ host: "hub", [name]: "192.0.2.1" }))).toBe(name.toLowerCase());
  expect(forwardingHeader(new Headers({ host: "hub", [name]: "" }))).toBe(name.toLowerCase());
});

test("what clients send by themselves tells of none", () => {
  const headers = {
    host: "hub",
    accept: "*/*",
    "user-agent": "curl",
    "x-requested-with": "x",
    "x-api-key": "x",
    origin: "x",
  };
  expect(forwardingHeader(new Headers(headers))).toBeNull();
});
