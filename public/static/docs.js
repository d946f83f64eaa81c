// The page of the API: every route of /openapi.json, readable, each with a curl line that works with this hub.
import { element } from "./docs_element.js";
import { schemaView, sentence, typeOf } from "./docs_schema.js";

const find = (id) => document.getElementById(id);
const METHODS = ["get", "head", "post", "delete"];

/** What the schema of a stream is of. */
const STREAMS = {
  "application/x-ndjson": "application/x-ndjson, each line:",
  "text/event-stream": "text/event-stream, the data of each event:",
};

/** An element around others. */
function around(tag, children, className = "") {
  const made = element(tag, "", className);
  made.append(...children);
  return made;
}

/** What `value` stands for: itself, or what its reference names. */
function resolved(value, api) {
  const path = value?.$ref?.slice(2).split("/");
  return path ? path.reduce((found, step) => found[step], api) : value;
}

function heading(level, text, id) {
  const made = element(`h${level}`, text);
  if (id) made.id = id;
  return made;
}

function methodBadge(method) {
  return element("span", method.toUpperCase(), `method ${method}`);
}

/** A value in quotes for a shell. */
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

function curl({ method, path, operation, api }) {
  const parameters = (operation.parameters ?? []).map((each) => resolved(each, api));
  const target = parameters
    .filter((each) => each.in === "path")
    .reduce((filled, { name, example }) => filled.replace(`{${name}}`, encodeURIComponent(example)), path)
    .replaceAll("%3A", ":");
  const [type, media] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const value = Object.values(media?.examples ?? {})[0]?.value;
  const verb = { head: " -I", delete: " -X DELETE", post: type ? "" : " -X POST" }[method] ?? "";
  const streams =
    value?.stream === true || ("application/x-ndjson" in content200(operation) && value?.stream !== false);
  const lines = [`curl${streams ? " -N" : ""}${verb} ${location.origin}${target}`];
  if (type === "multipart/form-data") {
    for (const [name, field] of Object.entries(value)) {
      lines.push(`-F ${name}=${media.schema && fileFields(media.schema, api).includes(name) ? "@" : ""}${field}`);
    }
  } else if (type === "application/json") {
    lines.push(`-H 'Content-Type: application/json'`, `-d ${quoted(JSON.stringify(value))}`);
  } else if (type) lines.push("--data-binary @file");
  return lines.join(" \\\n  ");
}

const content200 = (operation) => operation.responses["200"]?.content ?? {};

function fileFields(schema, api) {
  const { properties = {} } = resolved(schema, api);
  return Object.keys(properties).filter((name) => properties[name].format === "binary");
}

/** Puts `text` on the clipboard; browsers give it to pages of https and of this machine only, hence the second way. */
async function copy(text, pre) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(pre);
    return document.execCommand("copy");
  }
}

function copyable(text, label) {
  const pre = element("pre", text);
  const button = element("button", "Copy");
  button.type = "button";
  button.setAttribute("aria-label", `Copy: ${label}`);
  button.addEventListener("click", async () => {
    button.textContent = (await copy(text, pre)) ? "Copied" : "Press Ctrl+C";
    setTimeout(() => {
      button.textContent = "Copy";
    }, 2000);
  });
  return around("div", [pre, button], "copyable");
}

const pretty = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

/** Something that is shown when it is asked for. */
function folded(title, content, className = "") {
  return around("details", [element("summary", title), ...content], className);
}

function parametersView(operation, api) {
  const rows = (operation.parameters ?? []).map((each) => {
    const { name, required, description, schema, ...parameter } = resolved(each, api);
    const term = around("dt", [
      element("code", name, "name"),
      element("span", `${typeOf(schema, api)}, in ${parameter.in}`, "type"),
      ...(required ? [element("span", "required", "required")] : []),
    ]);
    return [term, around("dd", [sentence("p", description)])];
  });
  if (rows.length === 0) return [];
  return [heading(4, "Parameters"), around("dl", rows.flat(), "fields")];
}

function requestView(operation, api) {
  const [type, media] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  if (!type) return [];
  const examples = Object.values(media.examples ?? {}).map(({ summary, value }) =>
    folded(`Example: ${summary}`, [copyable(pretty(value), summary)], "example"),
  );
  const title = around("h4", ["Request ", element("span", type, "type")]);
  return [title, schemaView(media.schema, api, { asked: true }), ...examples];
}

function answerView(status, answer, api) {
  const media = Object.entries(answer.content ?? {}).flatMap(([type, { schema, example }]) => [
    element("p", STREAMS[type] ?? type, "type"),
    schemaView(schema, api, { asked: false }),
    ...(example === undefined ? [] : [folded("Example", [element("pre", pretty(example))], "example")]),
  ]);
  const headers = Object.entries(answer.headers ?? {}).map(([name, header]) => {
    const { description, schema } = resolved(header, api);
    const term = around("dt", [element("code", name, "name"), element("span", schema.type, "type")]);
    return [term, around("dd", [sentence("p", description)])];
  });
  const shownHeaders = headers.length > 0 ? [folded("Headers", [around("dl", headers.flat(), "fields")])] : [];
  const title = around("summary", [
    element("strong", status, `status s${status[0]}`),
    sentence("span", answer.description),
  ]);
  const made = around("details", [title, ...media, ...shownHeaders], "answer");
  made.open = status.startsWith("2");
  return made;
}

function operationView(entry, api) {
  const { method, path, operation } = entry;
  const title = around("h3", [methodBadge(method), element("code", path)]);
  const summary = around("summary", [title, element("span", operation.summary, "what")]);
  const answers = Object.entries(operation.responses).map(([status, answer]) =>
    answerView(status, resolved(answer, api), api),
  );
  const made = around("details", [
    summary,
    ...operation.description.split("\n\n").map((text) => sentence("p", text)),
    copyable(curl({ ...entry, api }), `curl for ${method} ${path}`),
    ...parametersView(operation, api),
    ...requestView(operation, api),
    heading(4, "Answers"),
    ...answers,
  ]);
  made.id = operation.operationId;
  made.className = "operation";
  return made;
}

function link(entry) {
  const made = around("a", [methodBadge(entry.method), element("span", entry.path)]);
  made.href = `#${entry.operation.operationId}`;
  made.title = entry.operation.summary;
  return around("li", [made]);
}

/** Every route of `api`, in the order of its tags. */
function entriesOf(api) {
  return Object.entries(api.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]).map((method) => ({ method, path, operation: methods[method] })),
  );
}

function show(api) {
  const entries = entriesOf(api);
  const rows = [];
  for (const { name, description } of api.tags) {
    const own = entries.filter(({ operation }) => operation.tags.includes(name));
    if (own.length === 0) continue;
    const id = `tag-${name}`;
    const views = own.map((entry) => operationView(entry, api));
    const section = around("section", [heading(2, name, id), sentence("p", description), ...views]);
    section.setAttribute("aria-labelledby", id);
    const links = own.map(link);
    const list = around("ul", links);
    list.setAttribute("aria-label", name);
    const group = around("section", [element("p", name, "group"), list]);
    find("operations").append(section);
    find("links").append(group);
    rows.push({
      whole: [section, group],
      each: own.map((entry, index) => ({ entry, shown: [views[index], links[index]] })),
    });
  }
  find("introduction").append(...api.info.description.split("\n\n").map((text) => sentence("p", text)));
  const source = around("p", ["For programs: ", around("a", ["/openapi.json"])]);
  source.lastChild.href = "/openapi.json";
  find("introduction").append(source);
  find("search").addEventListener("input", () => filter(rows, find("search").value.trim().toLowerCase()));
  find("state").textContent = `version ${api.info.version}, ${entries.length} routes`;
}

function filter(rows, words) {
  // What is found stands right below the search, on a phone too.
  find("introduction").hidden = words !== "";
  for (const { whole, each } of rows) {
    const hits = each.map(({ entry: { method, path, operation }, shown }) => {
      const hit = `${method} ${path} ${operation.summary} ${operation.tags}`.toLowerCase().includes(words);
      for (const one of shown) one.hidden = !hit;
      return hit;
    });
    for (const one of whole) one.hidden = !hits.includes(true);
  }
}

/** Opens the route that the address names. */
function openNamed() {
  const named = location.hash ? find(decodeURIComponent(location.hash.slice(1))) : null;
  if (named?.tagName !== "DETAILS") return;
  named.open = true;
  named.scrollIntoView();
  named.querySelector("summary").focus({ preventScroll: true });
}

async function start() {
  try {
    const response = await fetch("/openapi.json");
    if (!response.ok) throw new Error(`the hub answered ${response.status}`);
    show(await response.json());
    // Beside the text there is room for the list; above it, it would be in the way.
    find("list").open = matchMedia("(min-width: 60rem)").matches;
    addEventListener("hashchange", openNamed);
    openNamed();
  } catch (error) {
    find("state").textContent = `the description could not be loaded: ${error.message}`;
    find("state").className = "bad";
  }
}

void start();
