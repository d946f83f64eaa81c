/** The rule of who is let in, as tables: every combination of what a request says of itself, in both modes. */
import { expect, test } from "bun:test";
import { parseAddress } from "../../shared/address.ts";
import { type AccessRequest, type AccessRules, type Credential, judgeAccess } from "./access.ts";
import { NO_NETWORKS, parseNetworks } from "./networks.ts";
import { type Asked, KEY_ROLES, type LeastRole, ROLES, satisfies } from "./roles.ts";

const RULES: AccessRules = {
  mode: "open",
  nodesClosed: false,
  ownName: "Workshop.corp.example",
  allowedHosts: ["hub.example.org", "*.hub.example.net"],
  allowedOrigins: ["http://page.example"],
  trustedNetworks: NO_NETWORKS,
};

const SOURCES: readonly [address: string, near: boolean][] = [
  ["127.0.0.1", true],
  ["127.8.8.8", true],
  ["::1", true],
  ["::ffff:127.0.0.1", true],
  ["10.1.2.3", true],
  ["172.16.0.1", true],
  ["172.31.255.255", true],
  ["192.168.1.5", true],
  ["::ffff:192.168.1.5", true],
  ["100.64.0.1", true],
  ["100.127.255.254", true],
  ["169.254.3.4", true],
  ["fd00::5", true],
  ["fe80::1%eth0", true],
  ["203.0.113.7", false],
  ["::ffff:203.0.113.7", false],
  ["172.32.0.1", false],
  ["172.15.255.255", false],
  ["192.169.0.1", false],
  ["100.63.255.255", false],
  ["100.128.0.1", false],
  ["11.0.0.1", false],
  ["2001:db8::1", false],
  ["64:ff9b::10.0.0.1", false],
  ["2002:c0a8:101::1", false],
  ["fec0::1", false],
  ["0.0.0.0", false],
  ["224.0.0.1", false],
  ["", false],
];

const HOSTS: readonly [host: string, good: boolean][] = [
  ["127.0.0.1:8000", true],
  ["192.168.1.5", true],
  ["203.0.113.9:8000", true],
  ["[::1]:8000", true],
  ["[fd00::5]", true],
  ["localhost:8000", true],
  ["LOCALHOST", true],
  ["hub", true],
  ["ollama_hub:8000", true],
  ["hub.local", true],
  ["hub.local.:8000", true],
  ["hub.lan:8000", true],
  ["a.b.internal", true],
  ["hub.home.arpa", true],
  ["x.localhost", true],
  ["workshop.corp.example:8000", true],
  ["hub.example.org", true],
  ["a.hub.example.net", true],
  ["hub.example.net", false],
  ["evil.example.com:8000", false],
  ["evil.local.example.com", false],
  ["notlocal", true],
  ["hublocal.com", false],
  ["192.168.1.5.evil.example", false],
  ["127.0.0.1.nip.io", false],
  ["workshop.corp.example.evil.example", false],
];

/** What a browser says, beside `host`. */
const BROWSERS: readonly [what: string, words: (host: string) => Partial<AccessRequest["browser"]>, good: boolean][] = [
  ["no browser", () => ({}), true],
  ["the hub's own page", (host) => ({ origin: `http://${host}`, fetchSite: "same-origin" }), true],
  ["an allowed page", () => ({ origin: "http://page.example", fetchSite: "cross-site" }), true],
  ["a page of this machine", () => ({ origin: "http://localhost:3000", fetchSite: "same-site" }), true],
  ["an address typed in", () => ({ fetchSite: "none", navigates: true }), true],
  ["a link on another site", () => ({ fetchSite: "cross-site", navigates: true }), true],
  ["another site's page", () => ({ origin: "http://evil.example", fetchSite: "cross-site" }), false],
  ["another site's page in an old browser", () => ({ origin: "http://evil.example" }), false],
  ["a sandboxed frame", () => ({ origin: "null", fetchSite: "cross-site" }), false],
  ["an image of another site", () => ({ fetchSite: "cross-site" }), false],
];

const FORWARDED = [null, "x-forwarded-for"] as const;

const KEYS: readonly [what: string, credential: Credential][] = [
  ["none", { kind: "none" }],
  ["unknown", { kind: "unknown" }],
  ["expired", { kind: "expired" }],
  ["two", { kind: "two" }],
  ...KEY_ROLES.map((role): [string, Credential] => [role, { kind: "key", role, cookie: false }]),
];

const ASKED: readonly LeastRole[] = [...ROLES, "any key"];

const nobody = { origin: "", fetchSite: "", navigates: false };
const usual: AccessRequest = {
  source: parseAddress("127.0.0.1"),
  host: "localhost:8000",
  browser: nobody,
  forwarded: null,
  credential: { kind: "none" },
  asked: "caller",
  isHealth: false,
};

/** Every combination there is, with what has to come of the four things an open hub looks at. */
function* combinations() {
  for (const [address, near] of SOURCES) {
    for (const [host, goodHost] of HOSTS) {
      for (const [browser, words, goodBrowser] of BROWSERS) {
        for (const forwarded of FORWARDED) {
          for (const [key, credential] of KEYS) {
            const request: AccessRequest = {
              ...usual,
              source: parseAddress(address),
              host,
              browser: { ...nobody, ...words(host) },
              forwarded,
              credential,
            };
            const name = `${address} as ${host} by ${browser}, ${forwarded ?? "direct"}, key ${key}`;
            const status = !near || forwarded !== null ? 401 : !goodHost ? 421 : !goodBrowser ? 403 : 200;
            yield { name, request, status };
          }
        }
      }
    }
  }
}

const statusOf = (request: AccessRequest, rules: AccessRules = RULES) => {
  const access = judgeAccess(request, rules);
  return access.allowed ? 200 : access.status;
};

test("open: every combination of source, Host, browser, proxy and key is answered by the rule", () => {
  const wrong: string[] = [];
  let seen = 0;
  for (const { name, request, status } of combinations()) {
    for (const asked of ["caller", "anonymous"] satisfies Asked[]) {
      seen++;
      const got = statusOf({ ...request, asked });
      if (got !== status) wrong.push(`${name}: ${got} instead of ${status}`);
    }
  }
  expect(wrong.slice(0, 5)).toEqual([]);
  expect(seen).toBe(SOURCES.length * HOSTS.length * BROWSERS.length * FORWARDED.length * KEYS.length * 2);
});

test("a node's heartbeat follows the same rule while nodes need no token, whatever callers need", () => {
  const wrong: string[] = [];
  for (const { name, request, status } of combinations()) {
    for (const mode of ["open", "closed"] as const) {
      const got = statusOf({ ...request, asked: "node" }, { ...RULES, mode });
      if (got !== status) wrong.push(`${name}, ${mode}: ${got} instead of ${status}`);
      const closed = statusOf({ ...request, asked: "node" }, { ...RULES, mode, nodesClosed: true });
      if (closed !== 200) wrong.push(`${name}: not left to its signature`);
    }
  }
  expect(wrong.slice(0, 5)).toEqual([]);
});

test("whether the hub runs, everybody may know", () => {
  const strange = {
    ...usual,
    source: parseAddress("203.0.113.1"),
    host: "evil.example",
    forwarded: "via",
    isHealth: true,
  };
  expect([statusOf(strange), statusOf(strange, { ...RULES, mode: "closed" })]).toEqual([200, 200]);
});

test("closed: every key × every kind of route, from wherever and by whatever name", () => {
  for (const [address] of SOURCES) {
    for (const host of ["localhost:8000", "hub.example.com"]) {
      for (const [name, credential] of KEYS) {
        for (const asked of ASKED) {
          if (asked === "node") continue;
          const request = { ...usual, source: parseAddress(address), host, credential, asked };
          const role = credential.kind === "key" ? credential.role : "anonymous";
          const right =
            credential.kind === "two" ? 400 : satisfies(role, asked) ? 200 : credential.kind === "key" ? 403 : 401;
          expect([address, name, asked, statusOf(request, { ...RULES, mode: "closed" })]).toEqual([
            address,
            name,
            asked,
            right,
          ]);
        }
      }
    }
  }
});

test("closed: a login counts for the hub's own pages and the allowed ones only", () => {
  const credential: Credential = { kind: "key", role: "admin", cookie: true };
  for (const [name, words, good] of BROWSERS) {
    const request = { ...usual, credential, browser: { ...nobody, ...words(usual.host) } };
    expect([name, statusOf(request, { ...RULES, mode: "closed" })]).toEqual([name, good ? 200 : 403]);
  }
});

test("a route without a row is for nobody, in either mode, with any key", () => {
  for (const mode of ["open", "closed"] as const) {
    for (const [, credential] of KEYS) {
      expect(statusOf({ ...usual, credential, asked: "nobody" }, { ...RULES, mode })).toBe(403);
    }
  }
});

test("every refusal says what to set or to send", () => {
  const sentence = (changes: Partial<AccessRequest>, rules = RULES) => {
    const access = judgeAccess({ ...usual, ...changes }, rules);
    return access.allowed ? "" : access.sentence;
  };
  expect(sentence({ source: parseAddress("203.0.113.7") })).toMatch(
    /203\.0\.113\.7.*API_KEYS.*TRUSTED_NETWORKS=203\.0\.113\.7/,
  );
  expect(sentence({ source: parseAddress("2001:db8::7"), asked: "node" })).toMatch(/JOIN_TOKEN/);
  expect(sentence({ host: "hub.example.com:8000" })).toMatch(/ALLOWED_HOSTS=hub\.example\.com .*proxy.*API_KEYS/);
  expect(sentence({ forwarded: "forwarded" })).toMatch(/forwarded.*API_KEYS/);
  expect(sentence({ browser: { ...nobody, origin: "http://evil.example" } })).toContain("OLLAMA_ORIGINS");
  expect(sentence({}, { ...RULES, mode: "closed" })).toMatch(/Bearer.*x-api-key.*\/k\//);
});

test("networks that are called one's own are near", () => {
  const trustedNetworks = parseNetworks("203.0.113.0/24, 2001:db8:1::/48,198.51.100.7");
  const near = (address: string) =>
    statusOf({ ...usual, source: parseAddress(address) }, { ...RULES, trustedNetworks }) === 200;
  const cases = ["203.0.113.255", "::ffff:203.0.113.1", "2001:db8:1:ff::9", "198.51.100.7", "192.168.1.1"];
  expect(cases.filter((address) => !near(address))).toEqual([]);
  expect(["203.0.114.1", "2001:db8:2::1", "198.51.100.8", "cb00:7100::"].filter(near)).toEqual([]);
});

test.each([
  "0.0.0.0/0",
  "::/0",
  "10.0.0.0/33",
  "hub",
  "10.0.0.0/",
  "10.0.0.0/x",
  "1.2.3.4/24/8",
  "10.0.0.0/8/",
  "fe80::1%eth0/64",
])("%s is no network", (text) => {
  expect(() => parseNetworks(text)).toThrow(text);
});

test("a decision takes microseconds", () => {
  const rules = { ...RULES, trustedNetworks: parseNetworks("2001:db8:1::/48") };
  const request = { ...usual, source: parseAddress("192.168.1.5"), host: "hub.example.org:8000" };
  const count = 20_000;
  const startedAt = performance.now();
  for (let index = 0; index < count; index++) judgeAccess(request, rules);
  const each = ((performance.now() - startedAt) * 1000) / count;
  console.log(`  one decision: ${each.toFixed(2)} µs`);
  expect(each).toBeLessThan(100);
});
