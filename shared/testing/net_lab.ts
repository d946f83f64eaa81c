/** Network namespaces for tests: made under a random name, wired, firewalled, and removed however the test ends. */
import { closeSync, existsSync, mkdtempSync, openSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Family } from "../address.ts";

/** What becomes of TCP packets to a blocked port: lost, answered with a reset, or with ICMP "administratively prohibited". */
export type Block = "drop" | "reset" | "prohibited";

export interface NetLab extends AsyncDisposable {
  /** Random; part of every name made. */
  readonly id: string;
  /** A directory of its own, for sockets. Removed at the end. */
  readonly folder: string;
  /** Makes a namespace with nothing but loopback. */
  space(name: string, options?: { readonly ipv6?: boolean }): Space;
  /** Joins two namespaces by a cable with these addresses (`10.0.0.1/24`, `fd00::1/64`) at its ends. */
  link(one: End, other: End): void;
}

export interface End {
  readonly space: Space;
  readonly addresses: readonly string[];
}

export interface Space {
  /** The namespace's name, as `ip netns list` shows it. */
  readonly name: string;
  /** Runs `ip …` in it. Throws with what it said when it fails. */
  ip(...words: string[]): string;
  /** Blocks TCP arriving here for `port`. The returned function removes the rule. */
  block(family: Family, port: number, how: Block): () => void;
  /** Starts a program in it; it is killed at the end of the lab. */
  start(command: readonly string[], environment: Readonly<Record<string, string>>): SpaceProcess;
}

export interface SpaceProcess {
  readonly pid: number;
  /** What it has printed so far, standard output and error. */
  output(): string;
  /** Resolves with the exit code. */
  readonly exited: Promise<number>;
  kill(signal?: NodeJS.Signals): void;
}

/**
 * Reads names of namespaces from the FIFO $1 until its writer, the test, has closed it or is dead, however that came; then
 * removes them and the folder $2. In a session and a process tree of its own: neither Ctrl-C nor `bun test`, which kills
 * what a test that timed out has started, reaches it.
 */
const REAPER = `
  while read -r name; do names="$names $name"; done < "$1"
  for name in $names; do
    [ -e "/run/netns/$name" ] || continue
    pids=$(ip netns pids "$name") && [ -n "$pids" ] && kill -KILL $pids
    ip netns delete "$name"
  done
  rm -rf "$2"
`;
/** Milliseconds the reaper may take, and between two looks at whether it is done. */
const REAPER_LIMIT_MS = 10_000;
const LOOK_MS = 2;

const REJECT: Readonly<Record<Family, Readonly<Record<Block, readonly string[]>>>> = {
  IPv4: {
    drop: ["DROP"],
    reset: ["REJECT", "--reject-with", "tcp-reset"],
    prohibited: ["REJECT", "--reject-with", "icmp-admin-prohibited"],
  },
  IPv6: {
    drop: ["DROP"],
    reset: ["REJECT", "--reject-with", "tcp-reset"],
    prohibited: ["REJECT", "--reject-with", "icmp6-adm-prohibited"],
  },
};
const TABLES: Readonly<Record<Family, string>> = { IPv4: "iptables", IPv6: "ip6tables" };

let verdict: { readonly reason: string | null } | null = null;

/** Null where a lab can be made; else why not, in one sentence. Tries it once. */
export function netLabAvailable(): string | null {
  verdict ??= { reason: whyNot() };
  return verdict.reason;
}

function whyNot(): string | null {
  if (process.platform !== "linux") return `network namespaces exist on Linux only, this is ${process.platform}`;
  if (process.getuid?.() !== 0) return "network namespaces need root";
  const missing = ["ip", "iptables", "ip6tables", "setsid", "sysctl"].filter((name) => Bun.which(name) === null);
  if (missing.length > 0) {
    return `these programs are missing (Debian: iproute2, iptables, util-linux, procps): ${missing.join(", ")}`;
  }
  const name = `${randomId()}-try`;
  try {
    run(["ip", "netns", "add", name]);
    run(["ip", "-n", name, "link", "add", "try0", "type", "veth", "peer", "name", "try1"]);
    for (const family of ["IPv4", "IPv6"] as const) {
      for (const how of ["drop", "reset", "prohibited"] as const) run(rule(name, "-A", family, 9, how));
    }
    return null;
  } catch (error) {
    return `this machine does not allow network namespaces with a firewall: ${error instanceof Error ? error.message : error}`;
  } finally {
    Bun.spawnSync(["ip", "netns", "delete", name], { stdout: "ignore", stderr: "ignore" });
  }
}

/** An empty lab. Close it with `await using`; should the process die before that, the lab goes with it. */
export function openNetLab(): NetLab {
  const id = randomId();
  const folder = mkdtempSync(join(tmpdir(), `${id}-`));
  const spaces: string[] = [];
  const fifo = join(folder, "spaces");
  run(["mkfifo", fifo]);
  // For reading as well, or opening would wait for the reaper.
  const toReaper = openSync(fifo, "r+");
  // Not by `run`, which waits until everybody who could write to its pipes has ended.
  const quiet = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;
  Bun.spawnSync(["setsid", "--fork", "sh", "-c", REAPER, "reaper", fifo, folder], quiet);
  let links = 0;

  return {
    id,
    folder,
    space(name, { ipv6 = true } = {}) {
      const full = `${id}-${name}`;
      spaces.push(full);
      writeSync(toReaper, `${full}\n`);
      run(["ip", "netns", "add", full]);
      if (!ipv6) run(["ip", "netns", "exec", full, "sysctl", "-w", "net.ipv6.conf.all.disable_ipv6=1"]);
      run(["ip", "-n", full, "link", "set", "lo", "up"]);
      return createSpace(full);
    },
    link(one, other) {
      links += 1;
      const [left, right] = [`${id}${links}a`, `${id}${links}b`];
      one.space.ip("link", "add", left, "type", "veth", "peer", "name", right, "netns", other.space.name);
      for (const [end, device] of [[one, left] as const, [other, right] as const]) {
        end.space.ip("link", "set", device, "up");
        for (const address of end.addresses) {
          // Without nodad an IPv6 address is not usable for a second: it is being checked for a duplicate.
          end.space.ip("addr", "add", address, "dev", device, ...(address.includes(":") ? ["nodad"] : []));
        }
      }
    },
    async [Symbol.asyncDispose]() {
      closeSync(toReaper);
      const giveUpAt = performance.now() + REAPER_LIMIT_MS;
      while (existsSync(folder) && performance.now() < giveUpAt) await Bun.sleep(LOOK_MS);
      const left = spaces.filter((name) => existsSync(`/run/netns/${name}`));
      if (left.length > 0) throw new Error(`these network namespaces could not be removed: ${left.join(", ")}`);
    },
  };
}

function createSpace(name: string): Space {
  return {
    name,
    ip: (...words) => run(["ip", "-n", name, ...words]),
    block(family, port, how) {
      run(rule(name, "-A", family, port, how));
      let there = true;
      return () => {
        if (there) run(rule(name, "-D", family, port, how));
        there = false;
      };
    },
    start(command, environment) {
      const child = Bun.spawn(["ip", "netns", "exec", name, ...command], {
        env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      child.unref();
      let output = "";
      const collect = async (stream: ReadableStream<Uint8Array>) => {
        const decoder = new TextDecoder();
        for await (const piece of stream) output += decoder.decode(piece, { stream: true });
      };
      // The pipes break when the process is killed, which is how every lab ends.
      for (const stream of [child.stdout, child.stderr]) void collect(stream).catch(() => {});
      return {
        pid: child.pid,
        output: () => output,
        exited: child.exited,
        kill: (signal = "SIGKILL") => child.kill(signal),
      };
    },
  };
}

function rule(space: string, action: "-A" | "-D", family: Family, port: number, how: Block): string[] {
  const match = ["INPUT", "-p", "tcp", "--dport", String(port), "-j", ...REJECT[family][how]];
  return ["ip", "netns", "exec", space, TABLES[family], "-w", "5", action, ...match];
}

/** Short, because a network interface's name has at most 15 characters. */
function randomId(): string {
  return `oc${crypto.randomUUID().replaceAll("-", "").slice(0, 8)}`;
}

/** Runs `command` to its end and returns what it printed. Throws with what it complained of. */
function run(command: readonly string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], { stdin: "ignore" });
  if (exitCode === 0) return stdout.toString();
  throw new Error(`"${command.join(" ")}" failed: ${stderr.toString().trim() || `exit code ${exitCode}`}`);
}
