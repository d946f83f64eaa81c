// A JSON schema as people read it: fields with types and what they mean, what is nested folded below them.
import { element } from "./docs_element.js";

const NAMED = "#/components/schemas/";

/** A sentence in which what stands between backticks is code. */
export function sentence(tag, text) {
  const made = element(tag);
  made.append(...text.split("`").map((piece, index) => (index % 2 === 1 ? element("code", piece) : piece)));
  return made;
}

function nameOf(schema) {
  return schema.$ref?.startsWith(NAMED) ? schema.$ref.slice(NAMED.length) : null;
}

function resolved(schema, api) {
  const name = nameOf(schema);
  return name === null ? schema : api.components.schemas[name];
}

/** The alternatives of a schema, "or nothing" left out; itself alone where it has none. */
function choices(schema) {
  const all = schema.anyOf ?? schema.oneOf;
  return all ? all.filter(({ type }) => type !== "null") : [schema];
}

const mayBeNull = (schema) =>
  (schema.anyOf ?? []).some(({ type }) => type === "null") || [schema.type].flat().includes("null");

/** The type in words: "string", "array of Node", "integer or null". */
export function typeOf(schema, api) {
  const nullable = mayBeNull(schema) && schema.type !== "null" ? " or null" : "";
  const words = choices(schema).map((each) => plainType(each, api));
  return [...new Set(words)].join(" or ") + nullable;
}

function plainType(schema, api) {
  const name = nameOf(schema);
  if (name !== null) return isSimple(resolved(schema, api)) ? typeOf(resolved(schema, api), api) : name;
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((each) => JSON.stringify(each)).join(" | ");
  if (schema.type === "array") return `array of ${typeOf(schema.items ?? {}, api)}`;
  if (schema.type === "object" && !schema.properties && isType(schema.additionalProperties)) {
    return `object of ${typeOf(schema.additionalProperties, api)}`;
  }
  const types = [schema.type ?? "anything"].flat().filter((type) => type !== "null");
  return types.join(" or ") || "null";
}

const isType = (schema) => typeof schema === "object" && Object.keys(schema).length > 0;

/** True where there is nothing to unfold. */
function isSimple(schema) {
  return (
    !schema.properties &&
    !schema.items &&
    !(schema.anyOf ?? schema.oneOf ?? []).some((each) => !isSimple(each)) &&
    !schema.$ref
  );
}

/** Limits worth telling. */
function limits(schema) {
  const {
    default: usual,
    minimum,
    maximum,
    exclusiveMinimum,
    minLength,
    maxLength,
    maxItems,
    format,
    pattern,
  } = schema;
  return [
    usual === undefined ? "" : `default ${JSON.stringify(usual)}`,
    minimum === undefined ? "" : `at least ${minimum}`,
    exclusiveMinimum === undefined ? "" : `more than ${exclusiveMinimum}`,
    maximum === undefined ? "" : `at most ${maximum}`,
    maxLength === undefined ? "" : `at most ${maxLength} characters`,
    minLength === 1 ? "not empty" : "",
    maxItems === undefined ? "" : `at most ${maxItems}`,
    pattern !== undefined && format === undefined ? pattern : "",
  ].filter((text) => text !== "");
}

/** Every object that `schema` holds, itself or in a list or as one of several, with its name where it has one. */
function objectsIn(schema, api, name = null) {
  const own = nameOf(schema) ?? name;
  const target = resolved(schema, api);
  if (target.properties && Object.keys(target.properties).length > 0) return [{ name: own, schema: target }];
  if (target.items) return objectsIn(target.items, api);
  if (isType(target.additionalProperties)) return objectsIn(target.additionalProperties, api);
  return (target.anyOf ?? target.oneOf ?? []).flatMap((each) => objectsIn(each, api));
}

/**
 * `schema` with all its fields. Marked are those that a request must have (`asked`), and those that an answer may lack.
 * `above` are the names it stands in, which must not be unfolded once more.
 */
export function schemaView(schema, api, { asked, above = [] }) {
  const made = element("div", "", "schema");
  const target = resolved(schema, api);
  const objects = objectsIn(schema, api);
  const several = objects.length > 1;
  if (several) made.append(element("p", `${typeOf(schema, api)}, one of:`, "type"));
  else if (!target.properties || nameOf(schema)) made.append(element("p", typeOf(schema, api), "type"));
  if (target.description) made.append(sentence("p", target.description));
  for (const { name, schema: object } of objects) {
    if (several && name) made.append(element("p", name, "one-of"));
    made.append(fieldsView(object, api, { asked, above: name ? [...above, name] : above }));
  }
  return made;
}

function fieldsView(object, api, place) {
  const list = element("dl", "", "fields");
  const required = new Set(object.required ?? []);
  const entries = Object.entries(object.properties);
  // What must be given stands first.
  const sorted = [
    ...entries.filter(([name]) => required.has(name)),
    ...entries.filter(([name]) => !required.has(name)),
  ];
  for (const [name, field] of sorted)
    list.append(...fieldView({ name, field, required: required.has(name) }, api, place));
  return list;
}

function fieldView({ name, field, required }, api, { asked, above }) {
  const term = element("dt");
  term.append(element("code", name, "name"), element("span", typeOf(field, api), "type"));
  if (required && asked) term.append(element("span", "required", "required"));
  if (!required && !asked) term.append(element("span", "may be missing", "limits"));
  const target = resolved(field, api);
  const meaning = element("dd");
  const description = field.description ?? target.description;
  if (description) meaning.append(sentence("p", description));
  const limited = limits(choices(target)[0] ?? target);
  if (limited.length > 0) meaning.append(element("p", limited.join(", "), "limits"));
  for (const object of objectsIn(field, api)) {
    if (object.name && above.includes(object.name)) continue;
    const fold = element("details");
    fold.append(element("summary", object.name ?? `fields of ${name}`));
    fold.append(fieldsView(object.schema, api, { asked, above: object.name ? [...above, object.name] : above }));
    meaning.append(fold);
  }
  return [term, meaning];
}
