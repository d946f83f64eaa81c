/** Loaded before every test file (bunfig.toml): what a program keeps that was given no STATE_DIR stays out of the home. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "ollama-connector-home-"));
// Programs that a test starts inherit it.
process.env.XDG_STATE_HOME = folder;
// A service manager's folder, or the developer's own, would be used before it.
delete process.env.STATE_DIRECTORY;
delete process.env.STATE_DIR;
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
