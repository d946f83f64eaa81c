// Requests that mean harm, each with the statuses that are right for it; null is a connection closed without a word.
import { head, latin1, post } from "./raw_client.ts";

export interface HostileRequest {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Statuses that are right. */
  readonly right: readonly (number | null)[];
}

const GET = "GET /nodes HTTP/1.1";
const HOST = "Host: localhost";
const CHAT = '{"model":"llama3","messages":[{"role":"user","content":"x"}],"stream":false}';
/** As a node without any model: a request that got this far would be told that nobody has it. */
const NOBODY = '{"model":"nobody-has-this","messages":[]}';

type Row = readonly [name: string, text: string, ...right: (number | null)[]];

const FRAMING: readonly Row[] = [
  [
    "length and chunks",
    `${head("POST /api/chat HTTP/1.1", HOST, "Content-Length: 5", "Transfer-Encoding: chunked")}0\r\n\r\n${CHAT}`,
    400,
    null,
  ],
  [
    "chunks and length",
    `${head("POST /api/chat HTTP/1.1", HOST, "Transfer-Encoding: chunked", "Content-Length: 5")}0\r\n\r\n`,
    400,
    null,
  ],
  ["two lengths", `${head("POST /api/chat HTTP/1.1", HOST, "Content-Length: 5", "Content-Length: 6")}hello`, 400, null],
  ["a list of lengths", `${head("POST /api/chat HTTP/1.1", HOST, "Content-Length: 5, 5")}hello`, 400, null],
  ["a negative length", head("POST /api/chat HTTP/1.1", HOST, "Content-Length: -1"), 400, null],
  ["a length with a sign", `${head("POST /api/chat HTTP/1.1", HOST, "Content-Length: +5")}hello`, 400, null],
  ["a length in hexadecimal", `${head("POST /api/chat HTTP/1.1", HOST, "Content-Length: 0x5")}hello`, 400, null],
  [
    "a length beyond all numbers",
    head("POST /api/chat HTTP/1.1", HOST, "Content-Length: 99999999999999999999"),
    400,
    413,
    null,
  ],
  ["a length larger than is taken", head("POST /api/chat HTTP/1.1", HOST, "Content-Length: 99999999999"), 413],
  [
    "an unknown coding",
    `${head("POST /api/chat HTTP/1.1", HOST, "Transfer-Encoding: gzip, chunked")}0\r\n\r\n`,
    400,
    501,
    null,
  ],
  [
    "a coding in disguise",
    `${head("POST /api/chat HTTP/1.1", HOST, "Transfer-Encoding : chunked")}0\r\n\r\n`,
    400,
    null,
  ],
  [
    "two codings",
    `${head("POST /api/chat HTTP/1.1", HOST, "Transfer-Encoding: chunked", "Transfer-Encoding: x")}0\r\n\r\n`,
    400,
    null,
  ],
  [
    "a chunk without a size",
    `${head("POST /api/chat HTTP/1.1", HOST, "Transfer-Encoding: chunked")}zz\r\nhello\r\n0\r\n\r\n`,
    400,
    null,
  ],
  [
    "a chunk of endless size",
    `${head("POST /api/chat HTTP/1.1", HOST, "Transfer-Encoding: chunked")}fffffffffffffffff\r\nx`,
    400,
    413,
    null,
  ],
  [
    "a chunk that lies",
    `${head("POST /api/chat HTTP/1.1", HOST, "Transfer-Encoding: chunked")}3\r\nhello\r\n0\r\n\r\n`,
    400,
    null,
  ],
  ["a folded header", head(GET, HOST, "X-A: b", " c: d"), 400, null],
  ["a header without a name", head(GET, HOST, ": x"), 400, null],
  ["a header without a colon", head(GET, HOST, "nothing"), 400, null],
  ["NUL in a header", head(GET, HOST, "X-A: b\0c"), 400, null],
  ["a line that ends in LF only", `GET /nodes HTTP/1.1\n${HOST}\n\n`, 400, 505, null],
  ["headers beyond all measure", head(GET, HOST, `X-A: ${"a".repeat(20_000)}`), 400, 431, null],
  [
    "headers beyond all number",
    head(GET, HOST, ...Array.from({ length: 300 }, (_, index) => `X-${index}: a`)),
    200,
    400,
    431,
    null,
  ],
  ["HTTP/0.9", "GET /nodes\r\n\r\n", 400, 505, null],
  ["HTTP/2.0", head("GET /nodes HTTP/2.0", HOST), 400, 505, null],
  ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 505, null],
  ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, null],
  ["nothing but noise", "\x00\xff\x80".repeat(200), 400, null],
  ["a body that does not come", `${head("POST /api/chat HTTP/1.1", HOST, "Content-Length: 100")}{`, null],
];

const HOSTS: readonly Row[] = [
  ["no Host", head(GET), 400, null],
  ["an empty Host", head(GET, "Host: "), 400, null],
  ["two Hosts", head(GET, HOST, "Host: evil.example"), 400, null],
  ["two Hosts in one", head(GET, "Host: localhost, evil.example"), 400, null],
  ...[
    "a b",
    "a/b",
    "a?b",
    "a#b",
    "a\\b",
    "u@h",
    "h:99999",
    "h:x",
    "[::1",
    "::1",
    "[fe80::1%25eth0]",
    "[fe80::1%25e/zz]",
    "h:80:80",
    "localhost/x",
    "%6c",
    "\xe9",
    "a".repeat(300),
  ].map((host): Row => [`Host ${host.slice(0, 20)}`, head("GET /x/nodes HTTP/1.1", `Host: ${host}`), 400, null]),
  ["a name of somebody else's", head(GET, "Host: evil.example"), 421],
  ["a name in the request line", head("GET http://evil.example/nodes HTTP/1.1", HOST), 200, 400, 404, 421, null],
  ["HTTP/1.0 without a Host", head("GET /x/nodes HTTP/1.0"), 400, null],
];

const METHODS: readonly Row[] = [
  ...["TRACE", "CONNECT", "PROPFIND", "FOO", "get", "PURGE"].map(
    (method): Row => [`method ${method}`, head(`${method} /nodes HTTP/1.1`, HOST), 400, 404, 405, 501, null],
  ),
  ["CONNECT to a machine", head("CONNECT 10.0.0.1:22 HTTP/1.1", "Host: 10.0.0.1:22"), 400, 404, 405, null],
  ["a method beyond all length", head(`${"A".repeat(5_000)} /nodes HTTP/1.1`, HOST), 400, 405, 431, null],
  ["another method by header", post("/api/tags", "{}", "X-HTTP-Method-Override: DELETE"), 405],
  [
    "an upgrade",
    head(
      GET,
      HOST,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Key: eA==",
      "Sec-WebSocket-Version: 13",
    ),
    200,
    400,
    426,
  ],
];

const PATHS: readonly Row[] = [
  ["..", head("GET /../../etc/passwd HTTP/1.1", HOST), 400, 404],
  [".. in escapes", head("GET /static/..%2f..%2fetc%2fpasswd HTTP/1.1", HOST), 400, 404],
  ["a backslash", head("GET /static\\..\\..\\x HTTP/1.1", HOST), 400, 404],
  ["NUL in a path", head("GET /nodes/%00 HTTP/1.1", HOST), 400, 404],
  ["CR LF in a path", head("GET /nodes/%0d%0aX-Evil:%201 HTTP/1.1", HOST), 400, 404],
  ["CR LF at a redirect", head("GET /api/tags%0d%0aX-Evil:%201/ HTTP/1.1", HOST), 301, 400, 404],
  ["escapes that are none", head("GET /nodes/%zz%e0%a4 HTTP/1.1", HOST), 400, 404],
  ["a path beyond all length", head(`GET /${"a".repeat(14_000)} HTTP/1.1`, HOST), 404, 414, 431],
  ["no path", head("GET  HTTP/1.1", HOST), 400, null],
  ["a path without a slash", head("GET nodes HTTP/1.1", HOST), 400, 404, null],
  ["two slashes", head("GET //evil.example/nodes HTTP/1.1", HOST), 400, 404],
  ["an asterisk", head("OPTIONS * HTTP/1.1", HOST), 400, 404, 405, null],
  ["a node nobody has", head("GET /nodes/__proto__ HTTP/1.1", HOST), 404],
  ["a request nobody made", head("GET /logs/constructor HTTP/1.1", HOST), 404],
];

const BODIES: readonly Row[] = [
  [
    "levels beyond all sense",
    post("/api/chat", `{"model":"nobody-has-this","messages":${"[".repeat(65)}${"]".repeat(65)}}`),
    400,
  ],
  ["levels that never end", post("/api/chat", `{"model":"nobody-has-this","messages":${"[".repeat(100_000)}`), 400],
  [
    "levels for a job",
    post("/jobs", `{"model":"nobody-has-this","prompt":"x","options":${'{"a":'.repeat(70)}1${"}".repeat(71)}`),
    400,
  ],
  [
    "levels for a heartbeat",
    post(
      "/nodes/heartbeat",
      `{"node_id":"x","port":1,"models":[],"metadata":${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}}`,
    ),
    400,
    401,
    409,
  ],
  [
    "a stranger's heartbeat beyond all sense",
    post("/nodes/heartbeat", `{"node_id":"x","tags":[${"0,".repeat(100_000)}`),
    413,
  ],
  [
    "the prototype",
    post("/api/chat", '{"__proto__":{"model":"llama3"},"constructor":{"prototype":{"x":1}},"model":"nobody-has-this"}'),
    404,
    503,
  ],
  ["a second model for a job", post("/jobs", '{"model":"nobody-has-this","MODEL":"llama3","prompt":"x"}'), 400],
  [
    "numbers beyond all measure",
    post("/jobs", '{"model":"nobody-has-this","prompt":"x","options":{"n":1e999999}}'),
    400,
    404,
    503,
  ],
  ["half a surrogate", post("/api/chat", '{"model":"\\ud800","messages":[]}'), 400, 404, 503],
  ["bytes that are no text", post("/api/chat", `{"model":"\xff\xfe","messages":[]}`), 400, 404, 503],
  ["a byte order mark", post("/jobs", `\xef\xbb\xbf${NOBODY}`), 400, 404, 503],
  ["a name of a megabyte", post("/api/chat", `{"model":"${"a".repeat(1_000_000)}","messages":[]}`), 400, 404, 503],
  [
    "names by the thousand",
    post(
      "/api/chat",
      `{${Array.from({ length: 20_000 }, (_, index) => `"k${index}":1`).join()},"model":"nobody-has-this"}`,
    ),
    400,
    404,
    503,
  ],
  ["gzip", post("/api/chat", "\x1f\x8b\x08\x00", "Content-Encoding: gzip"), 415],
  ["two codings of a body", post("/api/chat", CHAT, "Content-Encoding: zstd, gzip"), 415],
  ["a node with a bad name", post("/nodes/heartbeat", '{"node_id":"../x","port":8001,"models":[]}'), 400],
  [
    "a node at the metadata service",
    post("/nodes/heartbeat", '{"node_id":"meta","ipv4":"169.254.169.254","port":80,"models":[]}'),
    200,
    400,
    401,
    403,
  ],
  ["a node named like the prototype", post("/nodes/heartbeat", '{"node_id":"__proto__","port":8001,"models":[]}'), 400],
];

const KEYS: readonly Row[] = [
  ["two keys", head(GET, HOST, "Authorization: Bearer a", "Authorization: Bearer b", "X-Forwarded-For: 10.0.0.1"), 401],
  ["a proxy's header", head(GET, HOST, "X-Forwarded-For: 127.0.0.1"), 401],
  ["a proxy's other header", head(GET, HOST, "Forwarded: for=127.0.0.1"), 401],
  ["a key that is a path", head("GET /k/../../nodes HTTP/1.1", "Host: evil.example"), 421],
  ["a page of another site", post("/api/chat", CHAT, "Origin: http://evil.example"), 403],
  ["an image of another site", head(GET, HOST, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"), 403],
  ["an Origin that is none", post("/api/chat", CHAT, "Origin: null"), 403],
];

/** Every one of them. None may make a model run. */
export const HOSTILE_REQUESTS: readonly HostileRequest[] = [
  ...FRAMING,
  ...HOSTS,
  ...METHODS,
  ...PATHS,
  ...BODIES,
  ...KEYS,
].map(([name, text, ...right]) => ({ name, bytes: latin1(text), right }));
