/** The firewall of the lab's own network namespace: packets that vanish or are refused, and every rule taken back. */
import type { Family } from "../../address.ts";

/** Which TCP packets: those to, or those from, this port of this address. */
export interface Match {
  readonly family: Family;
  readonly side: "to" | "from";
  readonly address: string;
  readonly port: number;
}

export interface Firewall extends AsyncDisposable {
  /** Loses packets, all or this share (0 to 1) of them by chance. The returned function takes it back. */
  drop(matches: readonly Match[], share?: number): Promise<() => Promise<void>>;
  /** Answers connections with a reset, as a port does on which nobody listens. */
  refuse(matches: readonly Match[]): Promise<() => Promise<void>>;
}

const TABLES: Readonly<Record<Family, string>> = { IPv4: "iptables", IPv6: "ip6tables" };

/** The firewall of the namespace this process is in. Only for a namespace of the lab's own. */
export function openFirewall(): Firewall {
  const standing = new Set<() => Promise<void>>();
  async function put(matches: readonly Match[], what: readonly string[]): Promise<() => Promise<void>> {
    for (const match of matches) await run([...command(match, "-A"), ...what]);
    const takeBack = async () => {
      if (!standing.delete(takeBack)) return;
      for (const match of matches) await run([...command(match, "-D"), ...what]);
    };
    standing.add(takeBack);
    return takeBack;
  }
  return {
    drop(matches, share = 1) {
      const some = share < 1 ? ["-m", "statistic", "--mode", "random", "--probability", share.toFixed(4)] : [];
      return put(matches, [...some, "-j", "DROP"]);
    },
    // Only who connects: streams that run already are another fault.
    refuse: (matches) => put(matches, ["--syn", "-j", "REJECT", "--reject-with", "tcp-reset"]),
    async [Symbol.asyncDispose]() {
      for (const takeBack of [...standing]) await takeBack();
    },
  };
}

function command({ family, side, address, port }: Match, action: "-A" | "-D"): string[] {
  const where = side === "to" ? ["-d", address, "--dport"] : ["-s", address, "--sport"];
  const [flag = "", value = "", portFlag = ""] = where;
  return [TABLES[family], "-w", "5", action, "INPUT", "-p", "tcp", flag, value, portFlag, String(port)];
}

/** Not `spawnSync`: clients of the lab measure time while rules change. */
async function run(words: readonly string[]): Promise<void> {
  // Matches go first, then what to do: iptables wants -p before --dport and takes the rest in any order.
  const child = Bun.spawn([...words], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  if ((await child.exited) !== 0) throw new Error(`"${words.join(" ")}" failed: ${await child.stderr.text()}`);
}
