/** Settings read once from the environment, by one table that also prints the help and the README's table. */
import { parseAddress } from "./address.ts";
import { messageOf } from "./errors.ts";

export interface Setting<T> {
  /** Environment variable. */
  readonly variable: string;
  /** Used when the variable is absent or empty. */
  readonly fallback: T;
  /** Unit of the value as written in the environment, for people: "seconds", "MB". */
  readonly unit?: string;
  /** One line for people. */
  readonly doc: string;
  /** Turns the text into the value; throws an Error whose message says what would be right. */
  readonly parse: (text: string) => T;
  /** The value is nobody else's business: what is wrong with it is said without it. */
  readonly secret?: true;
  /** How the fallback is shown where its own text would not help, for example "host name". */
  readonly fallbackShown?: string;
}

export type SettingsTable = Readonly<Record<string, Setting<unknown>>>;

export type Values<Table extends SettingsTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Setting<infer T> ? T : never;
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** A configuration that cannot work. `problems` has one sentence each, naming the variable and what would be right. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  constructor(readonly problems: readonly string[]) {
    super(problems.join("\n"));
  }
}

/** Reads every setting of `table` from `environment`. Throws one ConfigError that names every bad variable. */
export function readSettings<Table extends SettingsTable>(table: Table, environment: Environment): Values<Table> {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, setting] of Object.entries(table)) {
    const text = environment[setting.variable]?.trim();
    if (text === undefined || text === "") {
      values[name] = setting.fallback;
      continue;
    }
    try {
      values[name] = setting.parse(text);
    } catch (error) {
      const shown = setting.secret ? setting.variable : `${setting.variable}=${text}`;
      problems.push(`${shown} ${messageOf(error)}`);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return values as Values<Table>;
}

/** The table as rows of [variable, default, description], for --help and the README. */
export function describeSettings(table: SettingsTable): [variable: string, fallback: string, doc: string][] {
  return Object.values(table).map((setting) => {
    const shown = setting.fallbackShown ?? showValue(setting.fallback);
    const unit = setting.unit === undefined ? "" : ` (${setting.unit})`;
    return [setting.variable, shown, `${setting.doc}${unit}`];
  });
}

function showValue(value: unknown): string {
  if (value === null || value === "") return "";
  if (typeof value === "boolean") return value ? "1" : "0";
  return Array.isArray(value) ? value.join(",") : String(value);
}

/** A number from `min` to `max`; whole when `min` is whole and `whole` is not false. */
export function number(min: number, max: number, whole = false): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isFinite(value) || value < min || value > max || (whole && !Number.isInteger(value))) {
      throw new Error(`is not ${whole ? "a whole number" : "a number"} from ${min} to ${max}`);
    }
    return value;
  };
}

/** A whole number from `min` to `max`. */
export const wholeNumber = (min: number, max: number) => number(min, max, true);

/** A port; 0 takes any free one. */
export const portNumber = wholeNumber(0, 65535);

/** 1/0, true/false, yes/no, on/off. */
export function flag(text: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  throw new Error("is neither 1 nor 0");
}

/** An address to listen on. */
export function listenAddress(text: string): string {
  const address = parseAddress(text);
  if (address !== null) return address.text;
  if (text.toLowerCase() === "localhost") return text;
  throw new Error("is not an address such as ::, 0.0.0.0 or 192.168.1.20");
}

/** One of `choices`, ignoring case. */
export function oneOf<const Choice extends string>(...choices: Choice[]): (text: string) => Choice {
  return (text) => {
    const found = choices.find((choice) => choice.toLowerCase() === text.toLowerCase());
    if (found === undefined) throw new Error(`is not one of ${choices.join(", ")}`);
    return found;
  };
}

/** An http or https base URL, without a trailing slash. */
export function baseUrl(text: string): string {
  const withScheme = /^https?:\/\//i.test(text) ? text : `http://${text}`;
  // "ftp://hub" and "http:/hub" would become host "ftp" and host "http".
  const otherScheme = withScheme !== text && /^[a-z][a-z0-9+.-]*:\//i.test(text);
  if (otherScheme || !URL.canParse(withScheme)) throw new Error("is not a URL such as http://192.168.1.10:8000");
  return withScheme.replace(/\/+$/, "");
}

/** The table as aligned lines for --help. */
export function settingsHelp(table: SettingsTable): string {
  const rows = describeSettings(table).map(
    ([variable, fallback, doc]) => [fallback === "" ? variable : `${variable}=${fallback}`, doc] as const,
  );
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, doc]) => `  ${left.padEnd(width)}  ${doc}`).join("\n");
}
