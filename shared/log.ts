/** Logs: JSON lines to standard output, readable lines when that is a terminal. */
import { type Logger, pino } from "pino";
import pretty from "pino-pretty";

export type { Logger };

/** What `LOG_LEVEL` may be, from the most to the least that is said. */
export const LOG_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const PINO_LEVELS = { DEBUG: "debug", INFO: "info", WARNING: "warn", ERROR: "error" } as const;

/** A logger for the process called `name`. Control characters in values are escaped by JSON, so one record is one line. */
export function createLogger(name: string, level: LogLevel, terminal: boolean): Logger {
  const options = {
    level: PINO_LEVELS[level],
    base: { name },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  if (!terminal) return pino(options);
  return pino(options, pretty({ sync: true, ignore: "name", translateTime: "SYS:HH:MM:ss", singleLine: true }));
}

/** A logger that says nothing, for tests. */
export const silentLogger: Logger = pino({ level: "silent" });
