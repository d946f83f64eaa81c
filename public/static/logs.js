// The request log: the newest requests from GET /logs, with a filter and a search.
import { element, keepFresh, row } from "./page.js";

const filter = document.getElementById("show");
const search = document.getElementById("search");
let requests = [];

const milliseconds = (value) => (value === null ? "–" : `${Math.round(value)} ms`);

function attempts(request) {
  return request.attempts.map((one) => `${one.node_id} ${one.ip_version ?? ""} ${one.outcome}`).join(" → ") || "–";
}

function describe(request) {
  return row([
    new Date(request.timestamp).toLocaleTimeString(),
    request.request_ip,
    `${request.method} ${request.endpoint}`,
    request.model ?? "–",
    attempts(request),
    element("span", String(request.status_code), request.success ? "good" : "bad"),
    milliseconds(request.first_byte_ms),
    milliseconds(request.duration_ms),
    request.error ?? "",
  ]);
}

function wanted(request) {
  if (filter.value === "success" && !request.success) return false;
  if (filter.value === "errors" && request.success) return false;
  return JSON.stringify(request).toLowerCase().includes(search.value.toLowerCase());
}

function show() {
  document.getElementById("requests").replaceChildren(...requests.filter(wanted).map(describe));
}

filter.addEventListener("change", show);
search.addEventListener("input", show);
keepFresh("/logs?limit=1000", (fresh) => {
  requests = fresh;
  show();
});
