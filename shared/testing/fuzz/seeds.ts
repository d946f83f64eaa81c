// What random changes begin from: requests that are right, one for each kind of route, and those that mean harm.
import { HOSTILE_REQUESTS } from "./hostile_requests.ts";
import { head, latin1, post } from "./raw_client.ts";

const CHAT = '{"model":"llama3","messages":[{"role":"user","content":"hello"}],"stream":false,"options":{"seed":1}}';
const JSON_TYPE = "Content-Type: application/json";
const FORM =
  '--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nllama3\r\n--x\r\nContent-Disposition: form-data; name="file"; ' +
  'filename="a.wav"\r\n\r\nRIFF\r\n--x--\r\n';

const RIGHT = [
  ...[
    "/",
    "/healthz",
    "/nodes",
    "/nodes/a",
    "/queue",
    "/logs?limit=5&format=ndjson",
    "/stats?node_id=a",
    "/access",
    "/docs",
    "/openapi.json",
    "/static/fleet.js",
    "/api/tags",
    "/api/ps",
    "/api/version",
    "/v1/models",
    "/v1/models/llama3",
  ].map((path) => head(`GET ${path} HTTP/1.1`, "Host: localhost", "Accept: text/html", "Accept-Encoding: gzip")),
  head(
    "HEAD /api/blobs/sha256:29fdb92e57cf0827ded04ae6461b5931d01fa595843f55d36f5b275a52087dd2 HTTP/1.1",
    "Host: [::1]:8000",
  ),
  head(
    "OPTIONS /api/chat HTTP/1.1",
    "Host: localhost",
    "Origin: http://localhost:3000",
    "Access-Control-Request-Method: POST",
  ),
  post("/api/chat", CHAT, JSON_TYPE),
  post("/k/ohk_key/api/chat", CHAT, "Authorization: Bearer ohk_key"),
  post("/api/generate", '{"model":"llama3","prompt":"x","keep_alive":0}'),
  post("/api/embed", '{"model":"llama3","input":["a","b"]}'),
  post("/api/show", '{"name":"llama3"}'),
  post("/v1/chat/completions", CHAT, JSON_TYPE),
  post("/v1/messages", '{"model":"llama3","max_tokens":1,"messages":[{"role":"user","content":"x"}]}', "x-api-key: k"),
  post("/v1/responses", '{"model":"llama3","input":"x","instructions":"y"}'),
  post("/v1/audio/transcriptions", FORM, "Content-Type: multipart/form-data; boundary=x"),
  post("/jobs", '{"model":"llama3","prompt":"x","stream":false,"options":{"temperature":0.8}}'),
  post("/explain", '{"model":"llama3"}'),
  post("/api/pull", '{"model":"llama3","stream":true}', "X-Node-Id: *"),
  post("/api/copy", '{"source":"llama3","destination":"b"}'),
  post("/login", '{"key":"ohk_key"}', JSON_TYPE),
  post("/logout", "", "Cookie: oc_session=id.9999999999.nonce.mac"),
  post(
    "/nodes/heartbeat",
    '{"node_id":"fuzzed","ipv4":"127.0.0.1","port":9009,"models":["llama3"],"load":{"cpu":0.1,"memory":0.2},"seq":1,"boot_id":"b"}',
  ),
  `${head("POST /api/chat HTTP/1.1", "Host: localhost", "Transfer-Encoding: chunked")}${CHAT.length.toString(16)}\r\n${CHAT}\r\n0\r\n\r\n`,
];

/** All of them. */
export const SEEDS: readonly Uint8Array[] = [
  ...RIGHT.map(latin1),
  // The very long ones only cost time.
  ...HOSTILE_REQUESTS.map(({ bytes }) => bytes).filter(({ byteLength }) => byteLength < 20_000),
];
