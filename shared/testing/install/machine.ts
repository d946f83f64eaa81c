/** A pretend machine for `install.sh`: a folder as its root, and stand-ins on PATH that record how they are called. */
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

export const SCRIPT = path.join(import.meta.dir, "../../../install.sh");
const script = readFileSync(SCRIPT, "utf8");

/** Debian's /bin/sh, where there is one. */
export const SHELL = Bun.which("dash") ?? "sh";

/** What of the system the script may use besides the stand-ins. Whatever else it called would not be found. */
const SYSTEM_TOOLS = [
  ...["awk", "basename", "cat", "chmod", "cp", "cut", "dirname", "env", "find", "getconf", "grep", "head", "ldd"],
  ...["mkdir", "mktemp", "mv", "nohup", "rm", "rmdir", "sed", "sh", "sha256sum", "tail", "touch", "tr", "uname"],
];

/** Why the pretend machine cannot be made here, or null. */
export function whyNoMachine(): string | null {
  if (process.platform !== "linux") return `the pretend machine is a Linux, this is ${process.platform}`;
  const missing = SYSTEM_TOOLS.filter((tool) => Bun.which(tool) === null);
  return missing.length > 0 ? `these programs are missing: ${missing.join(", ")}` : null;
}

/** Where the script of this pretend release looks. */
export const RELEASES = "releases.test/v9.9.9";
export const TARGET = `linux-${process.arch === "arm64" ? "arm64" : "x64"}`;

/** Written before every stand-in: where the machine's folders are, and that it was called. */
const prelude = (folder: string, name: string) => `#!/bin/sh
M='${folder}'
echo "${name} $*" >>"$M/calls"
`;

/** What adds the user named last. */
export const STAND_IN_USERADD = `for last in "$@"; do :; done; echo "$last:x:997:997::/:/bin/false" >>"$M/root/etc/passwd"`;

/** What stands in for a program of the machine: the lines of a shell script. `$M` is the machine's folder. */
const STAND_INS: Readonly<Record<string, string>> = {
  id: `[ "$1" = -u ] && [ $# = 1 ] && cat "$M/uid"`,
  chown: "",
  // A clock of its own, so that waiting for a minute takes no minute.
  sleep: `echo $(($(cat "$M/clock") + $1)) >"$M/clock"; exec ${Bun.which("sleep")} 0.01`,
  date: `cat "$M/clock"`,
  hostname: `[ "\${1-}" = -I ] && echo '192.0.2.7 2001:db8::7' || echo 'Gaming PC'`,
  // Web pages are files in $M/web.
  curl: `
    out=''
    while [ $# -gt 0 ]; do
      case $1 in --output) out=$2; shift ;; http*) url=$1 ;; esac
      shift
    done
    file=$M/web/\${url#*://}
    case $file in */) file=\${file}index ;; esac
    [ -f "$file" ] || { echo "curl: (22) no $url" >&2; exit 22; }
    if [ -n "$out" ]; then cat "$file" >"$out"; else cat "$file"; fi`,
  systemctl: `
    for last in "$@"; do :; done
    unit=\${last%.service}
    case $1 in
      is-active) [ -e "$M/units/$unit.active" ] ;;
      is-enabled) [ -e "$M/units/$unit.enabled" ] ;;
      cat) [ -e "$M/units/$unit.known" ] ;;
      enable) touch "$M/units/$unit.enabled"; [ "$2" != --now ] || exec systemctl start "$unit" ;;
      disable) rm -f "$M/units/$unit.enabled" ;;
      start | restart) touch "$M/units/$unit.active"; sh "$M/on/$unit" start ;;
      stop) rm "$M/units/$unit.active"; sh "$M/on/$unit" stop ;;
    esac`,
  journalctl: "echo the last line of the log",
  useradd: STAND_IN_USERADD,
  userdel: `grep -v "^$1:" "$M/root/etc/passwd" >"$M/passwd"; cat "$M/passwd" >"$M/root/etc/passwd"; rm "$M/passwd"`,
  ufw: `
    touch "$M/ufw"
    case "$1 $2" in
      'show added') sed -n 's/^/ufw /p' "$M/ufw" ;;
      'status ') echo "Status: active" ;;
      allow*) echo "$*" >>"$M/ufw" ;;
      'delete allow') grep -v "^allow $3" "$M/ufw" >"$M/ufw.new"; mv "$M/ufw.new" "$M/ufw" ;;
    esac`,
  ollama: `
    tags=$M/web/127.0.0.1:11434/api/tags
    case $1 in
      pull)
        case $2 in *missing*) echo "Error: pull model manifest: file does not exist" >&2; exit 1 ;; esac
        echo "pulled by $OLLAMA_HOST" >>"$M/calls"
        case $2 in *:*) full=$2 ;; *) full=$2:latest ;; esac
        echo "{\\"name\\":\\"$full\\"}" >>"$tags" ;;
      serve) sh "$M/on/ollama" start ;;
    esac`,
  // As root it becomes somebody else; here it stays who it is.
  su: `for last in "$@"; do :; done; exec sh -c "$last"`,
  docker: `case $* in 'compose version') [ ! -e "$M/compose1" ] ;; info) [ ! -e "$M/no-engine" ] ;; esac`,
};

/** What the machine's services do when they are started and stopped: their pages come and go. */
const hook = (start: string, stop: string) => `case $1 in start) ${start} ;; stop) ${stop} ;; esac\n`;

export interface Run {
  readonly code: number;
  /** Standard output and error as they came. */
  readonly output: string;
  /** What the stand-ins were called with that changes something: without looking, asking and waiting. */
  readonly calls: readonly string[];
}

const HARMLESS =
  /^(id|uname|date|sysctl|ipconfig|hostname|sleep|journalctl|chown|curl|wget) |^ufw (show|status)|^systemctl (is-|cat)|^docker (info|compose version)|^launchctl print|^ollama-(hub|node) --/;

export interface MachineOptions {
  /** Whether systemd runs it; true unless told otherwise. */
  readonly systemd?: boolean;
  /** Stand-ins it does not have. */
  readonly without?: readonly string[];
  /** Additional stand-ins, or others in place of the usual ones. */
  readonly standIns?: Readonly<Record<string, string>>;
  /** False leaves the script as it is in the repository, with no release filled in. */
  readonly released?: boolean;
}

/** A machine on which nothing of ours is installed, a hub that is elsewhere, and a release with a pretend hub and node. */
export class Machine implements Disposable {
  readonly folder = mkdtempSync(path.join(tmpdir(), "install-"));
  readonly root = path.join(this.folder, "root");
  readonly script = path.join(this.folder, "script", "install.sh");
  readonly environment: Record<string, string>;

  constructor({ systemd = true, without = [], standIns = {}, released = true }: MachineOptions = {}) {
    for (const each of [
      "etc/default",
      "etc/systemd/system",
      "proc/net",
      "run",
      "usr/local/bin",
      "usr/local/lib",
      "var/lib",
      "var/log",
    ])
      this.makeFolder(`root/${each}`);
    for (const each of ["bin", "on", "units", "home", "script", "tmp"]) this.makeFolder(each);
    if (systemd) this.makeFolder("root/run/systemd/system");
    this.write("root/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    this.write("root/etc/group", "root:x:0:\n");
    this.write("root/etc/default/ufw", "IPV6=yes\n");
    this.write("root/proc/net/if_inet6", "00000000000000000000000000000001 01 80 10 80 lo\n");
    this.write("calls", "");
    this.write("uid", "0\n");
    this.write("clock", "1000000\n");
    this.write("ufw", "");
    const all = { ...STAND_INS, ...standIns };
    for (const tool of SYSTEM_TOOLS) {
      const found = tool in all ? null : Bun.which(tool);
      if (found !== null) symlinkSync(found, path.join(this.folder, "bin", tool));
    }
    for (const [name, lines] of Object.entries(all)) {
      if (!without.includes(name)) this.standIn(name, lines);
    }
    const page = (place: string, text: string) =>
      `mkdir -p "${this.folder}/web/$(dirname ${place})"; echo '${text}' >"${this.folder}/web/${place}"`;
    const gone = (place: string) => `rm -f "${this.folder}/web/${place}"`;
    this.write("on/ollama-hub", hook(page("127.0.0.1:8000/healthz", "ok"), gone("127.0.0.1:8000/healthz")));
    this.write(
      "on/ollama-node",
      hook(
        `${page("127.0.0.1:8001/health", "ok")}; ${page("hub.test:8000/nodes/Gaming-PC", '{"status":"online"}')}`,
        gone("127.0.0.1:8001/health"),
      ),
    );
    this.write(
      "on/ollama",
      hook(`${page("127.0.0.1:11434/api/version", "{}")}; touch "${this.folder}/web/127.0.0.1:11434/api/tags"`, ""),
    );
    this.makeFolder("web/127.0.0.1:11434/api");
    this.page("hub.test:8000/healthz", "ok");
    this.makeFolder("web/hub.test:8000/nodes");
    this.release();
    const sums = new Bun.CryptoHasher("sha256").update(this.read(`web/${RELEASES}/SHA256SUMS`)).digest("hex");
    const filled = script
      .replace("VERSION=''", "VERSION='9.9.9'")
      .replace("REPOSITORY=''", "REPOSITORY='nobody/nothing'")
      .replace("SHA256_SHA256SUMS=''", `SHA256_SHA256SUMS='${sums}'`);
    this.write("script/install.sh", released ? filled : script);
    this.environment = {
      PATH: path.join(this.folder, "bin"),
      HOME: path.join(this.folder, "home"),
      TMPDIR: path.join(this.folder, "tmp"),
      OLLAMA_CONNECTOR_ROOT: this.root,
      ...(released ? { OLLAMA_CONNECTOR_RELEASES: `https://${RELEASES}` } : {}),
    };
  }

  /** The release: executables that are shell scripts, and their checksums. */
  private release(): void {
    let sums = "";
    for (const role of ["hub", "node"]) {
      const name = `ollama-${role}-${TARGET}`;
      const text = `${prelude(this.folder, `ollama-${role}`)}
        case "$*" in
          --version) echo "ollama-${role} 9.9.9" ;;
          --check-config) [ "$LOG_LEVEL" != nonsense ] || { echo "LOG_LEVEL=nonsense is not one of DEBUG, INFO"; exit 2; } ;;
          '') # As a program in the background, until it is told to stop.
            trap 'sh "$M/on/ollama-${role}" stop; exit 0' TERM
            sh "$M/on/ollama-${role}" start
            i=0
            while [ $i -lt 2000 ]; do i=$((i + 1)); ${Bun.which("sleep")} 0.02; done ;;
        esac\n`;
      this.page(`${RELEASES}/${name}`, text);
      sums += `${new Bun.CryptoHasher("sha256").update(text).digest("hex")}  ${name}\n`;
    }
    this.page(`${RELEASES}/SHA256SUMS`, sums);
  }

  standIn(name: string, lines: string): void {
    const file = path.join(this.folder, "bin", name);
    // "wx" refuses what is there already, such as a link.
    writeFileSync(file, `${prelude(this.folder, name)}${lines}\n`, { flag: "wx", mode: 0o755 });
  }

  makeFolder(name: string): void {
    mkdirSync(path.join(this.folder, name), { recursive: true });
  }

  write(name: string, text: string): void {
    this.makeFolder(path.dirname(name));
    writeFileSync(this.ownFile(name), text);
  }

  append(name: string, text: string): void {
    appendFileSync(this.ownFile(name), text);
  }

  /** The path of `name`, which is not behind a link: through one to the system's own tool, that would be written over. */
  private ownFile(name: string): string {
    let full = this.folder;
    for (const part of path.normalize(name).split(path.sep)) {
      full = path.join(full, part);
      if (!full.startsWith(`${this.folder}${path.sep}`)) throw new Error(`${name} is outside of the machine`);
      if (lstatSync(full, { throwIfNoEntry: false })?.isSymbolicLink()) throw new Error(`${full} is a link`);
    }
    return full;
  }

  read(name: string): string {
    return readFileSync(path.join(this.folder, name), "utf8");
  }

  remove(name: string): void {
    rmSync(path.join(this.folder, name), { recursive: true, force: true });
  }

  /** What a server answers at `place`, such as `hub.test:8000/healthz`. */
  page(place: string, text: string): void {
    this.write(`web/${place}`, text);
  }

  has(name: string): boolean {
    return existsSync(path.join(this.folder, name));
  }

  mode(name: string): string {
    return (statSync(path.join(this.folder, name)).mode & 0o7777).toString(8);
  }

  /** Runs the script with these words, without a terminal. */
  async run(words: string, environment: Readonly<Record<string, string>> = {}): Promise<Run> {
    return this.exec([SHELL, this.script, ...words.split(" ").filter((word) => word !== "")], environment);
  }

  /** Runs any command on the machine; `input` is its standard input. */
  async exec(
    command: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    input?: string,
  ): Promise<Run> {
    const before = this.read("calls").length;
    const out = path.join(this.folder, "output");
    // What is left of a longer output before would stand behind a shorter one.
    for (const file of [out, `${out}.errors`]) writeFileSync(file, "");
    const child = Bun.spawn([...command], {
      cwd: this.folder,
      env: { ...this.environment, ...environment },
      stdin: input === undefined ? "ignore" : Buffer.from(input),
      // Files: what it starts in the background would keep pipes open. And in a session of its own, so that it has no
      // terminal to ask at.
      stdout: Bun.file(out),
      stderr: Bun.file(`${out}.errors`),
      detached: true,
    });
    const code = await child.exited;
    const calls = this.read("calls")
      .slice(before)
      .split("\n")
      .filter((line) => line !== "" && !HARMLESS.test(line));
    return { code, output: this.read("output") + this.read("output.errors"), calls };
  }

  /** Everything that is on it, file by file with mode and content; of what the services are, their state. */
  snapshot(): Record<string, string> {
    const found: Record<string, string> = {};
    for (const top of ["root", "units", "home", "tmp", "ufw"]) {
      const full = path.join(this.folder, top);
      const inside = statSync(full).isDirectory() ? readdirSync(full, { recursive: true, encoding: "utf8" }) : [];
      for (const name of [top, ...inside.map((each) => `${top}/${each}`)]) {
        const isFolder = statSync(path.join(this.folder, name)).isDirectory();
        found[name] = `${this.mode(name)} ${isFolder ? "folder" : this.read(name)}`;
      }
    }
    return found;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
