/** Whose keys a command changes: those of the hub that install.sh made a service, where no other state folder is named. */
import { existsSync } from "node:fs";
import type { Environment } from "../../shared/settings.ts";
import { readStateFile } from "../../shared/state_file.ts";

export interface Service {
  /** Its settings, which only root and the service itself can read. */
  readonly settings: string;
  /** Its state folder, unless the settings name another one. */
  readonly state: string;
}

/** Where install.sh puts them. */
export const INSTALLED: Service = {
  settings: "/etc/ollama-connector/hub.env",
  state: "/var/lib/ollama-connector/hub",
};

/**
 * `environment`, with the service's STATE_DIR where it names none and `service` is there. Throws an Error that says what to
 * do when only root can know that folder: keys in a folder of the user's own would let nobody in and keep nobody out.
 */
export function withServiceState(environment: Environment, service: Service): Environment {
  const isNamed = [environment.STATE_DIR, environment.STATE_DIRECTORY].some((folder) => folder?.trim());
  if (isNamed || !existsSync(service.state)) return environment;
  const settings = settingsOf(service);
  return settings === null ? environment : { ...environment, STATE_DIR: folderIn(settings) ?? service.state };
}

/** Null where there are none: what is left in the state folder is nobody's. */
function settingsOf({ settings }: Service): string | null {
  try {
    return readStateFile(settings);
  } catch (error) {
    throw new Error(
      "the hub of this machine is a service, whose keys only root may change: run this with sudo, or name the folder of " +
        "another hub in STATE_DIR",
      { cause: error },
    );
  }
}

/** STATE_DIR as install.sh, or a person, wrote it there. */
function folderIn(settings: string): string | null {
  const [, value = ""] = [...settings.matchAll(/^STATE_DIR=(.*)$/gm)].at(-1) ?? [];
  return value.trim().replace(/^(["'])(.*)\1$/, "$2") || null;
}
