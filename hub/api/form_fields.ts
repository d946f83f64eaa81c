/** The fields of a form, read only from the one shape that everybody reads alike: what is odd about it is refused. */
import { fold } from "../skim_json.ts";

/** What is said of a form that is not in that shape. */
export const FORM_UNREADABLE =
  "The form could not be read: it must be as browsers and curl -F write it, each part with one Content-Disposition " +
  'such as form-data; name="model", each boundary a line of its own';

/** Parts above which Go, and so Ollama, refuses a form. */
const MOST_PARTS = 1_000;
/** Bytes of what stands before a part's content; programs send two hundred. */
const LONGEST_HEAD = 16_384;
/** Bytes of a text that is kept; of a longer one only its length is told. */
const LONGEST_TEXT = 65_536;
const LINE_END = "\r\n";

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const HEADER = new RegExp(`^(${TOKEN}):[ \\t]*([^\\r\\n\\0]*)$`);
const PARAMETER = new RegExp(
  `[ \\t]*;[ \\t]*(${TOKEN})=(?:(${TOKEN})|"((?:[^"\\\\\\r\\n]|\\\\[^\\r\\n])*)")[ \\t]*`,
  "y",
);
/** A file's name as .NET and older Python write it, in the shape in which Go surely takes it for one. */
const EXTENDED = /^utf-8'[\w-]*'(?:%[0-9a-f]{2}|[^%'"\\])+$/i;
/** How the content stands there: as it is. Go would unpack `quoted-printable`. */
const AS_IT_IS = /^(binary|8bit|7bit)$/i;

interface Part {
  readonly name: string;
  readonly isFile: boolean;
  readonly content: Buffer;
}

/**
 * The texts in `bytes`, a form labelled `type`, and of its files how large they are: the first text of a name, as Go
 * takes it. Undefined where a part, a boundary or the label has any other shape than clients give it: in those readers
 * of forms differ, and Ollama would get to see another model than was judged here.
 */
export function readForm(bytes: Uint8Array, type: string): Record<string, string> | undefined {
  const boundary = boundaryOf(type);
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts = boundary === null ? null : split(whole, `--${boundary}`)?.map(readPart);
  if (!parts) return undefined;
  const texts = new Map<string, string>();
  const files = new Map<string, string>();
  for (const part of parts) {
    if (part === null) return undefined;
    const { name, isFile, content } = part;
    const among = isFile ? files : texts;
    // Names of form fields mind their case, which is forgotten by those who read these.
    if (name !== fold(name) || among.has(name)) continue;
    const isShort = !isFile && content.byteLength <= LONGEST_TEXT;
    among.set(name, isShort ? content.toString() : `(${content.byteLength} bytes)`);
  }
  return Object.fromEntries([...files, ...texts]);
}

/** What stands between the boundaries in the label `type`, or null where it is that of no form, or says more. */
function boundaryOf(type: string): string | null {
  const label = readLabelled(type, "multipart/form-data");
  const boundary = label?.get("boundary") ?? "";
  const isKnown = (name: string) => name === "boundary" || name === "charset";
  return label && /^[ -[\]-~]+$/.test(boundary) && Array.from(label.keys()).every(isKnown) ? boundary : null;
}

/** What stands between the delimiters in `body`; null where one of them is anywhere but on a line of its own. */
function split(body: Buffer, delimiter: string): Buffer[] | null {
  const parts: Buffer[] = [];
  const is = (text: string, at: number) => body.toString("latin1", at, at + text.length) === text;
  if (!is(delimiter, 0)) return null;
  for (let at = 0; parts.length <= MOST_PARTS; ) {
    const from = at + delimiter.length;
    const rest = body.byteLength - from;
    if (is("--", from)) return rest === 2 || (rest === 4 && is(LINE_END, from + 2)) ? parts : null;
    at = body.indexOf(delimiter, from);
    if (!is(LINE_END, from) || at < from + 4 || !is(LINE_END, at - 2)) return null;
    parts.push(body.subarray(from + 2, at - 2));
  }
  return null;
}

/** The part in `bytes`; null where its name, or what its content is, might be read in two ways. */
function readPart(bytes: Buffer): Part | null {
  const headEnd = bytes.indexOf(LINE_END + LINE_END);
  if (headEnd < 0 || headEnd > LONGEST_HEAD) return null;
  let disposition: ReadonlyMap<string, string> | null = null;
  for (const line of bytes.toString("utf8", 0, headEnd).split(LINE_END)) {
    const [, header = "", value = ""] = HEADER.exec(line) ?? [];
    switch (header.toLowerCase()) {
      case "":
        return null;
      case "content-disposition":
        if (disposition !== null) return null;
        disposition = readLabelled(value, "form-data");
        if (disposition === null) return null;
        break;
      case "content-transfer-encoding":
        if (!AS_IT_IS.test(value)) return null;
    }
  }
  const isFile = disposition && isFileOf(disposition);
  const name = disposition?.get("name");
  if (isFile == null || !name || name.includes("\\")) return null;
  return { name, isFile, content: bytes.subarray(headEnd + 4) };
}

/** Whether a part is a file, by the parameters of its disposition; null where they are others than clients write. */
function isFileOf(disposition: ReadonlyMap<string, string>): boolean | null {
  let isFile = false;
  for (const [parameter, value] of disposition) {
    if (parameter === "filename*" && !EXTENDED.test(value)) return null;
    if (!["name", "filename", "filename*"].includes(parameter)) return null;
    // With an empty name it is a text, in Go.
    isFile ||= parameter !== "name" && value !== "";
  }
  return isFile;
}

/** The parameters behind `label` in a header's `value`, each once; null where there is another label, or anything odd. */
function readLabelled(value: string, label: string): ReadonlyMap<string, string> | null {
  if (value.slice(0, label.length).toLowerCase() !== label) return null;
  const parameters = new Map<string, string>();
  for (let at = label.length; at < value.length; at = PARAMETER.lastIndex) {
    PARAMETER.lastIndex = at;
    const [, name = "", token, quoted = ""] = PARAMETER.exec(value) ?? [];
    const parameter = name.toLowerCase();
    if (parameter === "" || parameters.has(parameter)) return null;
    parameters.set(parameter, token ?? quoted);
  }
  return parameters;
}
