/** `install.sh` with the real UFW, in namespaces of its own: its rules are there for IPv4 and for IPv6, and go again. */
import { expect, test } from "bun:test";
import { symlinkSync } from "node:fs";
import path from "node:path";
import { Machine, SHELL, whyNoMachine } from "./machine.ts";

const UFW = Bun.which("ufw", { PATH: `${process.env.PATH}:/usr/sbin` });

function whyNot(): string | null {
  const noMachine = whyNoMachine();
  if (noMachine !== null) return noMachine;
  if (UFW === null) return "UFW is not installed (Debian: ufw)";
  if (process.getuid?.() !== 0) return "network namespaces need root";
  const tried = Bun.spawnSync(["unshare", "--mount", "--net", "ip6tables", "-S"], { stderr: "pipe" });
  return tried.exitCode === 0 ? null : `this machine does not allow it: ${tried.stderr.toString().trim()}`;
}

const reason = whyNot();
if (reason !== null) console.log(`shared/testing/install/install_ufw_test.ts skipped: ${reason}`);

/** Runs as root in a network of its own, with a copy of UFW's settings in place of this machine's. */
const IN_NAMESPACES = `
  set -eu
  copy=$1 script=$2
  mount --make-rprivate /
  cp -a /etc/ufw "$copy"
  mount --bind "$copy" /etc/ufw
  ip link set lo up
  exec 3>&1 >&2
  rules() {
    echo "== $1" >&3
    iptables -S ufw-user-input >&3
    ip6tables -S ufw6-user-input >&3
  }
  # The machine's own stand-ins are on PATH for install.sh only.
  machine() { PATH=$MACHINE_PATH ${SHELL} "$script" "$@"; }
  ufw --force reset
  ufw allow 22/tcp
  ufw --force enable
  machine node --hub http://hub.test:8000 --skip-models
  rules installed
  ufw status >&3
  ufw show added >"$copy.before"
  machine node
  ufw show added | cmp - "$copy.before"
  rules again
  machine --uninstall --yes
  rules removed
  ufw --force disable
`;

test.skipIf(reason !== null)(
  "real UFW: the node's port is open for IPv4 and IPv6, once, and closed again by --uninstall",
  async () => {
    using machine = new Machine({ without: ["ufw"] });
    symlinkSync(UFW ?? "", path.join(machine.folder, "bin", "ufw"));
    machine.page("127.0.0.1:11434/api/version", "{}");
    const copy = path.join(machine.folder, "etc-ufw");
    const command = ["unshare", "--mount", "--net", "sh", "-c", IN_NAMESPACES, "sh", copy, machine.script];
    const { code, output } = await machine.exec(command, {
      PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
      MACHINE_PATH: machine.environment.PATH ?? "",
    });
    expect(output).toContain("already so: UFW lets 8001/tcp in");
    expect({ code, output }).toEqual({ code: 0, output });

    const [installed = "", again = "", removed = ""] = output.split(/^== \w+$/m).slice(1);
    const accepted = (text: string, chain: string) =>
      [...text.matchAll(new RegExp(`^-A ${chain} .*--dport (\\d+) .*-j ACCEPT$`, "gm"))].map(([, port]) => port);
    for (const rules of [installed, again]) {
      expect(accepted(rules, "ufw-user-input")).toEqual(["22", "8001"]);
      expect(accepted(rules, "ufw6-user-input")).toEqual(["22", "8001"]);
    }
    // As the user's own description says: `ufw status | grep 8001` shows rules for both families.
    expect(installed).toMatch(/^8001\/tcp +ALLOW +Anywhere +# ollama-node/m);
    expect(installed).toMatch(/^8001\/tcp \(v6\) +ALLOW +Anywhere \(v6\) +# ollama-node/m);
    expect(accepted(removed, "ufw-user-input")).toEqual(["22"]);
    expect(accepted(removed, "ufw6-user-input")).toEqual(["22"]);
  },
);
