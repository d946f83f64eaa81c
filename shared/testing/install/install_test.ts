/** `install.sh` on a pretend machine: what it makes, that it makes it once, and that it undoes it. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { HUB_SETTINGS } from "../../../hub/config.ts";
import { nodeSettings } from "../../../node/config.ts";
import {
  Machine,
  type MachineOptions,
  RELEASES,
  SCRIPT,
  SHELL,
  STAND_IN_USERADD,
  TARGET,
  whyNoMachine,
} from "./machine.ts";

const reason = whyNoMachine();
if (reason !== null) console.log(`shared/testing/install/install_test.ts skipped: ${reason}`);

let machine: Machine;
const become = (options: MachineOptions) => {
  machine[Symbol.dispose]();
  machine = new Machine(options);
};

/** The command line of a process; empty once it has ended, also while nobody has asked how. */
const commandOf = (pid: number) => {
  const file = `/proc/${pid}/cmdline`;
  return existsSync(file) ? readFileSync(file, "utf8") : "";
};

const NODE = "node --hub http://hub.test:8000";
const OLLAMA_RUNS = () => {
  machine.page("127.0.0.1:11434/api/version", "{}");
  machine.page("127.0.0.1:11434/api/tags", '{"models":[{"name":"qwen2.5:7b"}]}');
};

describe.skipIf(reason !== null)("install.sh", () => {
  beforeEach(() => {
    machine = new Machine();
  });
  afterEach(() => machine[Symbol.dispose]());

  test("the pretend machine writes through no link", () => {
    expect(() => machine.write("bin/grep", "")).toThrow("is a link");
    expect(() => machine.append("bin/grep", "x")).toThrow("is a link");
    expect(() => machine.page("../bin/grep", "")).toThrow("is a link");
    expect(() => machine.write("../x", "")).toThrow("outside of the machine");
  });

  describe("the text of it", () => {
    const text = readFileSync(SCRIPT, "utf8");

    test("the last line calls main, and nothing before it runs anything", () => {
      expect(text.endsWith('\n}\n\nmain "$@"\n')).toBe(true);
      // At the left margin stand functions, assignments and comments; the rest is inside of functions.
      const top = text
        .slice(0, text.indexOf("\nusage() {"))
        .replace(/^#.*$/gm, "")
        .replace(/'[^']*'/g, "''");
      for (const line of top.split("\n")) expect(line).toMatch(/^([A-Z0-9_]+=''|)$/);
    });

    test("the help mentions every option", async () => {
      const { output, code } = await machine.run("--help");
      expect(code).toBe(0);
      const parser = text.slice(text.indexOf("parse_options() {"), text.indexOf("# TEXT PATTERN"));
      const options = [...parser.matchAll(/^ {6}(-[^)*]*)\)/gm)].flatMap(([, names = ""]) => names.split(" | "));
      expect(options.length).toBeGreaterThan(12);
      for (const option of options) expect(output).toContain(option);
    });

    test("it knows every setting of both programs", () => {
      const listed = (name: string) => new RegExp(`^${name}='([^']*)'`, "m").exec(text)?.[1]?.split(/\s+/);
      expect(listed("HUB_SETTINGS")).toEqual(Object.values(HUB_SETTINGS).map(({ variable }) => variable));
      expect(listed("NODE_SETTINGS")).toEqual(nodeSettings().map(([variable]) => variable));
    });

    const shellcheck = Bun.which("shellcheck");
    if (shellcheck === null) console.log("shellcheck of install.sh skipped: it is not installed (Debian: shellcheck)");
    test.skipIf(shellcheck === null)("shellcheck finds nothing", () => {
      const { stdout } = Bun.spawnSync([shellcheck ?? "", "--shell=sh", SCRIPT]);
      expect(stdout.toString()).toBe("");
    });
  });

  describe("the hub", () => {
    test("fresh: user, settings, program, port, service, in that order; then the dashboard and the next step", async () => {
      const { code, output, calls } = await machine.run("hub");
      expect(output).toContain("Dashboard: http://192.0.2.7:8000/");
      expect(output).toContain("sh install.sh node --hub http://192.0.2.7:8000");
      expect(code).toBe(0);
      expect(calls.map((call) => call.replace(/--shell \S+/, "--shell none"))).toEqual([
        "useradd --system --user-group --no-create-home --home-dir /var/lib/ollama-connector --shell none ollama-connector",
        "ufw allow 8000/tcp comment ollama-hub",
        "systemctl daemon-reload",
        "systemctl enable ollama-hub",
        "systemctl start ollama-hub",
      ]);
      expect(machine.read("root/usr/local/bin/ollama-hub")).toContain("ollama-hub 9.9.9");
      expect(machine.mode("root/usr/local/bin/ollama-hub")).toBe("755");
      expect(machine.read("root/etc/ollama-connector/hub.env").split("\n").slice(1)).toEqual([
        ...["PORT=8000", "STATE_DIR=/var/lib/ollama-connector/hub", ""],
      ]);
      expect(machine.mode("root/etc/ollama-connector/hub.env")).toBe("640");
      expect(machine.read("calls")).toMatch(/chown 0:ollama-connector \S+hub\.env/);
      expect(machine.mode("root/etc/systemd/system/ollama-hub.service")).toBe("644");
    });

    test("it says who can use it, and by which command fewer can", async () => {
      const { output } = await machine.run("hub");
      expect(output).toContain(
        "Until the hub has its first key (ollama-hub key add), everybody in your own network can use it.",
      );
      OLLAMA_RUNS();
      expect((await machine.run(NODE)).output).toContain(
        "The node works for its hub only, whoever else reaches port 8001.",
      );
    });

    test("the service restarts always, runs as its own user and is shut in", async () => {
      await machine.run("hub", { DRAIN_TIMEOUT: "90" });
      const unit = machine.read("root/etc/systemd/system/ollama-hub.service");
      for (const line of [
        ...["ExecStart=/usr/local/bin/ollama-hub", "EnvironmentFile=/etc/ollama-connector/hub.env", "Restart=always"],
        ...["User=ollama-connector", "StateDirectory=ollama-connector/hub", "KillSignal=SIGTERM", "TimeoutStopSec=105"],
        ...["LimitNOFILE=65536", "NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes"],
        ...["CapabilityBoundingSet=", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK"],
        ...["SystemCallFilter=@system-service", "WantedBy=multi-user.target"],
      ]) {
        expect(unit.split("\n")).toContain(line);
      }
      expect(unit).not.toMatch(/^MemoryDenyWriteExecute/m);
      expect(unit).not.toContain(machine.folder);
    });

    test("BusyBox's adduser does where there is no useradd", async () => {
      const adduser = STAND_IN_USERADD.replace("997:997::/:", "100:101::/:");
      become({ without: ["useradd", "userdel"], standIns: { addgroup: "", adduser, deluser: "" } });
      const { code, calls } = await machine.run("hub");
      expect(code).toBe(0);
      expect(calls.slice(0, 2).map((call) => call.replace(/-s \S+/, "-s none"))).toEqual([
        "addgroup -S ollama-connector",
        "adduser -S -D -H -h /var/lib/ollama-connector -s none -G ollama-connector ollama-connector",
      ]);
      expect((await machine.run("--uninstall")).calls).toContain("deluser ollama-connector");
    });

    test("one that listens for this machine only opens no port and tells no address of the network", async () => {
      await machine.run("hub");
      const { code, output } = await machine.run("hub", { HUB_HOST: "127.0.0.1" });
      expect(code).toBe(0);
      expect(machine.read("ufw")).toBe("");
      expect(output).toContain("Dashboard: http://127.0.0.1:8000/");
      expect(output).not.toContain("192.0.2.7");
    });

    test("with USE_ENV_PROXY=1 it keeps the proxies, and only then", async () => {
      const proxies = {
        http_proxy: "http://p.test:3128",
        https_proxy: "http://p.test:3128",
        no_proxy: "localhost,.test",
      };
      await machine.run("hub", proxies);
      expect(machine.read("root/etc/ollama-connector/hub.env")).not.toContain("proxy");
      await machine.run("hub", { ...proxies, USE_ENV_PROXY: "1" });
      await machine.run("hub", { https_proxy: "http://q.test:3128" });
      expect(machine.read("root/etc/ollama-connector/hub.env").split("\n").slice(1)).toEqual([
        ...[
          "PORT=8000",
          "STATE_DIR=/var/lib/ollama-connector/hub",
          "USE_ENV_PROXY=1",
          "http_proxy=http://p.test:3128",
          "https_proxy=http://q.test:3128",
        ],
        ...["no_proxy=localhost,.test", ""],
      ]);
    });

    test("CDPATH does no harm", async () => {
      machine.write("script/dist/ollama-hub", machine.read(`web/${RELEASES}/ollama-hub-${TARGET}`));
      const { code, output } = await machine.run("hub --from script/dist", { CDPATH: machine.folder });
      expect(output).toContain(`from ${machine.folder}/script/dist/ollama-hub\n`);
      expect(code).toBe(0);
    });

    test("a port below 1024 gives it the one right it needs", async () => {
      expect((await machine.run("hub --port 80")).output).toContain("does not answer at http://127.0.0.1:80/healthz");
      const unit = machine.read("root/etc/systemd/system/ollama-hub.service");
      expect(unit).toContain(
        "\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n",
      );
    });

    test("again: the same state, byte for byte, and it says so", async () => {
      await machine.run("hub");
      const before = machine.snapshot();
      const { code, output, calls } = await machine.run("hub");
      expect({ code, calls }).toEqual({ code: 0, calls: [] });
      expect(machine.snapshot()).toEqual(before);
      for (const what of ["ollama-hub is running", "user ollama-connector", "hub.env", "starts with the machine"]) {
        expect(output).toMatch(new RegExp(`already so: .*${what}`));
      }
    });

    test("a new setting changes its line only, and starts the hub again; what a person wrote stays", async () => {
      await machine.run("hub", { LOG_LEVEL: "WARNING" });
      machine.append("root/etc/ollama-connector/hub.env", "# mine [\nQUEUE_SIZE=7\nodd line");
      const { code, calls } = await machine.run("hub", {
        LOG_LEVEL: "DEBUG",
        OLLAMA_ORIGINS: "http://a.test, http://b.test:*",
      });
      expect(code).toBe(0);
      expect(calls).toEqual(["systemctl daemon-reload", "systemctl restart ollama-hub"]);
      expect(machine.read("root/etc/ollama-connector/hub.env").split("\n").slice(1)).toEqual([
        ...[
          "PORT=8000",
          "LOG_LEVEL=DEBUG",
          "STATE_DIR=/var/lib/ollama-connector/hub",
          "# mine [",
          "QUEUE_SIZE=7",
          "odd line",
        ],
        ...['OLLAMA_ORIGINS="http://a.test, http://b.test:*"', ""],
      ]);
    });

    test("settings edited by hand are applied, the port too", async () => {
      await machine.run("hub");
      machine.append("root/etc/ollama-connector/hub.env", "LOG_LEVEL=DEBUG\n");
      const first = await machine.run("hub");
      expect(first.calls).toEqual(["systemctl daemon-reload", "systemctl restart ollama-hub"]);
      expect((await machine.run("hub")).calls).toEqual([]);
      machine.write("root/etc/ollama-connector/hub.env", "PORT='8300'\nDRAIN_TIMEOUT=60\n");
      machine.page("127.0.0.1:8300/index", "somebody");
      expect((await machine.run("hub")).output).toContain("something listens on port 8300 already");
      machine.remove("web/127.0.0.1:8300/index");
      machine.page("127.0.0.1:8300/healthz", "ok");
      const { output, calls } = await machine.run("hub");
      expect(output).toContain("Dashboard: http://192.0.2.7:8300/");
      expect(calls).toContain("systemctl restart ollama-hub");
      expect(machine.read("ufw")).toBe("allow 8300/tcp comment ollama-hub\n");
      expect(machine.read("root/etc/systemd/system/ollama-hub.service")).toContain("TimeoutStopSec=75\n");
    });

    test.each(["ufw", "systemctl"])("a change whose run %s interrupted is applied by the next one", async (tool) => {
      const { calls: all } = await machine.run("hub");
      expect(all).toContain("systemctl start ollama-hub");
      const works = machine.read(`bin/${tool}`);
      machine.write(`bin/${tool}`, works.replace("\n", '\ncase "$1" in allow | restart) exit 1 ;; esac\n'));
      machine.page("127.0.0.1:8400/healthz", "ok");
      expect((await machine.run("hub --port 8400", { LOG_LEVEL: "DEBUG" })).code).toBe(1);
      machine.write(`bin/${tool}`, works);
      const { code, calls } = await machine.run("hub");
      expect(code).toBe(0);
      expect(calls).toContain("systemctl restart ollama-hub");
      expect((await machine.run("hub")).calls).toEqual([]);
    });

    test("a rule of UFW that the user deleted is not made again", async () => {
      await machine.run("hub");
      machine.write("ufw", "");
      const { output, calls } = await machine.run("hub");
      expect(output).toContain("The rule for 8000/tcp that this script made was deleted since: it stays deleted");
      expect(calls).toEqual([]);
    });

    test.each([
      ["allow from 192.168.0.0/16 to any port 8000 proto tcp", true],
      ["allow in on eth0 to any port 8000", true],
      ["limit 8000/tcp", true],
      ["allow from 192.168.0.0/16 to any port 8000 proto udp", false],
      ["allow 80/tcp", false],
    ])("the rule of UFW %p lets the hub in: %p", async (rule, there) => {
      machine.write("ufw", `${rule}\n`);
      expect((await machine.run("hub")).output.includes("already so: UFW lets 8000/tcp in")).toBe(there);
    });

    test("another port closes the old one, and keeps to it when run without", async () => {
      machine.append("ufw", "allow 8000\n");
      await machine.run("hub --port 8100");
      expect(machine.read("ufw")).toBe("allow 8000\nallow 8100/tcp comment ollama-hub\n");
      machine.page("127.0.0.1:8200/healthz", "ok");
      await machine.run("hub", { PORT: "8200" });
      expect(machine.read("ufw")).toBe("allow 8000\nallow 8200/tcp comment ollama-hub\n");
      const { calls, output } = await machine.run("hub");
      expect(calls).toEqual([]);
      expect(output).toContain("Dashboard: http://192.0.2.7:8200/");
    });

    test("something that listens and says nothing has its port too", async () => {
      const curl = machine.read("bin/curl");
      machine.write("bin/curl", curl.replace("\n", '\ncase "$*" in *--max-time\\ 3*) exit 28 ;; esac\n'));
      const { code, output } = await machine.run("hub");
      expect(output).toContain("something listens on port 8000 already");
      expect(code).toBe(1);
    });

    test("a port that somebody has is not fought for", async () => {
      machine.page("127.0.0.1:8000/index", "somebody");
      const { code, output, calls } = await machine.run("hub");
      expect(output).toContain("something listens on port 8000 already");
      expect({ code, calls }).toEqual({ code: 1, calls: [] });
      // Neither by a hub that runs already, at another port.
      await machine.run("hub --port 8100");
      const { calls: moving } = await machine.run("hub --port 8000");
      expect(moving).toEqual([]);
    });

    test("settings that the program refuses are refused before anything is started", async () => {
      const { code, output, calls } = await machine.run("hub", { LOG_LEVEL: "nonsense" });
      expect(output).toContain("LOG_LEVEL=nonsense is not one of DEBUG, INFO");
      expect(code).toBe(1);
      expect(calls.join("\n")).not.toContain("systemctl");
      expect(machine.has("root/usr/local/bin/ollama-hub")).toBe(false);
      expect(machine.has("root/etc/ollama-connector/hub.env")).toBe(false);
    });

    test("a hub that does not come up shows the end of its log", async () => {
      machine.write("on/ollama-hub", "");
      const { code, output } = await machine.run("hub");
      expect(code).toBe(1);
      expect(output).toContain("the last line of the log");
      expect(output).toContain("journalctl -u ollama-hub");
    });
  });

  describe("a node", () => {
    test("fresh: Ollama is started, what is missing is pulled, and the hub shows it online", async () => {
      machine.write("units/ollama.known", "");
      const { code, output, calls } = await machine.run(`${NODE} --models llama3,qwen2.5:7b`);
      expect(output).toContain("Gaming-PC is online.");
      expect(code).toBe(0);
      expect(calls.filter((call) => !call.startsWith("useradd"))).toEqual([
        "systemctl enable --now ollama",
        "systemctl start ollama",
        "ollama pull llama3",
        "pulled by http://127.0.0.1:11434",
        "ollama pull qwen2.5:7b",
        "pulled by http://127.0.0.1:11434",
        "ufw allow 8001/tcp comment ollama-node",
        "systemctl daemon-reload",
        "systemctl enable ollama-node",
        "systemctl start ollama-node",
      ]);
      expect(machine.read("root/etc/ollama-connector/node.env").split("\n").slice(1)).toEqual([
        ...["SERVER_URL=http://hub.test:8000", "NODE_ID=Gaming-PC", "NODE_PORT=8001"],
        ...["OLLAMA_BASE_URL=http://127.0.0.1:11434", "STATE_DIR=/var/lib/ollama-connector/node", ""],
      ]);
      expect(output).toContain("Ollama's port 11434 stays closed");
      expect(machine.read("root/etc/systemd/system/ollama-node.service")).not.toMatch(/^PrivateDevices/m);
    });

    test("again, without any setting: the same state, byte for byte", async () => {
      OLLAMA_RUNS();
      await machine.run(NODE, { NODE_ID: "Gaming-PC", HEARTBEAT_INTERVAL: "10" });
      const before = machine.snapshot();
      const { code, output, calls } = await machine.run("node");
      expect({ code, calls }).toEqual({ code: 0, calls: [] });
      expect(machine.snapshot()).toEqual(before);
      expect(output).toContain("already so: Ollama has qwen2.5:7b");
    });

    test("the choice of models holds the next time, until there is another", async () => {
      OLLAMA_RUNS();
      await machine.run(`${NODE} --models a,b`);
      expect((await machine.run("node")).calls).toEqual([]);
      expect((await machine.run("node --models a,c")).calls).toContain("ollama pull c");
      await machine.run("node --skip-models");
      machine.page("127.0.0.1:11434/api/tags", "{}");
      expect((await machine.run("node")).calls).toEqual([]);
      expect((await machine.run("node --models a")).calls).toContain("ollama pull a");
    });

    test("models are parted by commas, spaces and line breaks, and are no patterns", async () => {
      OLLAMA_RUNS();
      const { calls } = await machine.run(NODE, { REQUIRED_MODELS: "a, b\nc" });
      expect(calls.filter((call) => call.startsWith("ollama pull"))).toEqual([..."abc"].map((m) => `ollama pull ${m}`));
      expect((await machine.run(NODE, { REQUIRED_MODELS: "*" })).output).toContain("names *, which is not");
      expect((await machine.run(NODE, { REQUIRED_MODELS: " ,\n" })).output).toContain("names no model");
      expect(machine.read("root/etc/systemd/system/ollama-node.service")).toMatch(
        /^Environment=PATH=.*:\/usr\/lib\/wsl\/lib:\/opt\/rocm\/bin$/m,
      );
    });

    test("the user's variables are honoured", async () => {
      OLLAMA_RUNS();
      machine.page("127.0.0.1:9001/health", "ok");
      machine.page("hub.test:8000/nodes/pc", '{"status":"online"}');
      machine.page("127.0.0.1:12000/api/version", "{}");
      machine.append("ufw", "");
      await machine.run("node", {
        ...{ NODE_ID: "other", NODE_PORT: "9002", OLLAMA_PORT: "12000", HUB: "hub.test:8000/", SKIP_MODEL_PULL: "1" },
      });
      expect(machine.read("root/etc/ollama-connector/node.env").split("\n").slice(1, -1)).toEqual([
        ...["SERVER_URL=http://hub.test:8000", "NODE_ID=other", "NODE_PORT=9002"],
        "OLLAMA_BASE_URL=http://127.0.0.1:12000",
        "STATE_DIR=/var/lib/ollama-connector/node",
      ]);
      expect(machine.read("calls")).not.toContain("ollama pull");
    });

    test("--open-ollama opens Ollama's port as well, and says what that means", async () => {
      OLLAMA_RUNS();
      const { output } = await machine.run(`${NODE} --open-ollama`);
      expect(machine.read("ufw")).toBe("allow 8001/tcp comment ollama-node\nallow 11434/tcp comment ollama\n");
      expect(output).toContain("anybody who reaches port 11434 can use, pull and delete models");
      // Without it the next time, it is closed again.
      await machine.run(NODE);
      expect(machine.read("ufw")).toBe("allow 8001/tcp comment ollama-node\n");
    });

    test("a model that cannot be pulled is said, and the node joins all the same", async () => {
      OLLAMA_RUNS();
      const { code, output } = await machine.run(`${NODE} --models missing`);
      expect(code).toBe(0);
      expect(output).toContain("Left to do:\n  - missing could not be pulled");
    });

    describe("where there is no Ollama", () => {
      beforeEach(() => {
        become({ without: ["ollama"] });
        machine.write("units/ollama.known", "");
      });
      const installer = () =>
        machine.page(
          "ollama.com/install.sh",
          `#!/bin/sh\necho "official installer" >>'${machine.folder}/calls'
           printf '#!/bin/sh\\necho "ollama $*" >>${machine.folder}/calls\\n' >'${machine.folder}/bin/ollama'
           '${Bun.which("chmod")}' +x '${machine.folder}/bin/ollama'\n`,
        );

      test("and nobody to ask, nothing is installed", async () => {
        installer();
        const before = machine.snapshot();
        const { code, output, calls } = await machine.run(NODE);
        expect(output).toContain("there is no terminal to ask");
        expect({ code, calls }).toEqual({ code: 1, calls: [] });
        expect(machine.snapshot()).toEqual(before);
      });

      test("--yes runs the official installer, from a file", async () => {
        installer();
        const { code, calls } = await machine.run(`${NODE} --yes`);
        expect(code).toBe(0);
        expect(calls.slice(0, 3)).toEqual([
          "official installer",
          "systemctl enable --now ollama",
          "systemctl start ollama",
        ]);
      });

      test("what is not a script is not run", async () => {
        machine.page("ollama.com/install.sh", "<html>Please log in</html>");
        const { code, output, calls } = await machine.run(`${NODE} --yes`);
        expect(output).toContain("is not a shell script");
        expect({ code, calls }).toEqual({ code: 1, calls: [] });
      });

      const scriptTool = Bun.which("script");
      if (scriptTool === null) console.log("the question at a terminal is skipped: there is no program `script`");
      test.skipIf(scriptTool === null).each([
        ["n", 1, []],
        ["y", 0, ["official installer"]],
      ] as const)("the question at a terminal is answered with %s", async (answer, code, first) => {
        installer();
        const command = `${SHELL} ${machine.script} ${NODE}`;
        const run = await machine.exec([scriptTool ?? "", "-qec", command, "/dev/null"], {}, `${answer}\n`);
        expect(run.output).toContain("Install it with its official installer");
        expect(run.code).toBe(code);
        expect(run.calls.slice(0, 1)).toEqual([...first]);
      });
    });

    test("an Ollama without a service is started in the background", async () => {
      const { code, output, calls } = await machine.run(NODE);
      expect(code).toBe(0);
      expect(calls[0]).toBe("ollama serve");
      expect(output).toContain("Ollama was started in the background and does not come back");
    });

    test("a hub that does not answer: the node is installed, and it says what to do", async () => {
      OLLAMA_RUNS();
      const { code, output } = await machine.run("node --hub http://nowhere.test:8000");
      expect(code).toBe(1);
      expect(output).toContain("the hub at http://nowhere.test:8000 does not know it");
      expect(machine.has("units/ollama-node.active")).toBe(true);
    });

    test("a hub that cannot reach it: its reason is said", async () => {
      OLLAMA_RUNS();
      machine.write(
        "on/ollama-node",
        `mkdir -p ${machine.folder}/web/127.0.0.1:8001; echo ok >${machine.folder}/web/127.0.0.1:8001/health`,
      );
      machine.page(
        "hub.test:8000/nodes/Gaming-PC",
        '{"status":"degraded","reason":"it does not answer at any of its addresses"}',
      );
      const { code, output } = await machine.run(NODE);
      expect(code).toBe(1);
      expect(output).toContain("does not show it online: it does not answer at any of its addresses");
    });

    test("a name that another machine has is not taken", async () => {
      OLLAMA_RUNS();
      machine.page("hub.test:8000/nodes/Gaming-PC", '{"status":"online"}');
      const { code, output, calls } = await machine.run(NODE);
      expect(output).toContain("the hub knows a machine named Gaming-PC already");
      expect({ code, calls }).toEqual({ code: 1, calls: [] });
    });

    test("neither by a node that is there under another name, nor one whose settings are gone", async () => {
      OLLAMA_RUNS();
      await machine.run(NODE);
      machine.page("hub.test:8000/nodes/other", '{"status":"online"}');
      expect((await machine.run("node --node-id other")).output).toContain("a machine named other already");
      machine.remove("root/etc/ollama-connector/node.env");
      expect((await machine.run(NODE)).output).toContain("a machine named Gaming-PC already");
    });

    test("waiting is counted in seconds, and said", async () => {
      OLLAMA_RUNS();
      machine.write("on/ollama-node", "");
      const { code, output } = await machine.run(NODE);
      expect(code).toBe(1);
      expect(output).toMatch(/still waiting: 15 of at most 40 seconds\n[\s\S]*still waiting: 30 of/);
      expect(Number(machine.read("clock"))).toBe(1_000_040);
    });

    test("on the hub's own machine it finds the hub itself", async () => {
      OLLAMA_RUNS();
      machine.page("localhost:8000/nodes/Gaming-PC", '{"status":"offline"}');
      await machine.run("hub");
      await machine.run("node");
      expect(machine.read("root/etc/ollama-connector/node.env")).toContain("SERVER_URL=http://localhost:8000\n");
    });
  });

  describe("a dry run", () => {
    test.each(["hub", `${NODE} --yes`, "--uninstall"])("of %p changes nothing and needs no root", async (words) => {
      if (words === "--uninstall") {
        await machine.run("hub");
        machine.write("root/usr/local/lib/ollama-connector/node.made", "file /usr/local/bin/ollama-node\n");
      }
      machine.write("uid", "1000\n");
      const before = machine.snapshot();
      const { code, output, calls } = await machine.run(`${words} --dry-run`);
      expect({ code, calls }).toEqual({ code: 0, calls: [] });
      expect(machine.snapshot()).toEqual(before);
      expect(output).toContain("changed");
      if (words === "hub") {
        for (const step of [
          "useradd",
          "ExecStart=/usr/local/bin/ollama-hub",
          "ufw allow 8000/tcp",
          "systemctl start",
        ]) {
          expect(output).toContain(step);
        }
      }
      if (words === "--uninstall") expect(output).toContain("userdel ollama-connector");
    });
  });

  describe("uninstalling", () => {
    test("removes all it made and nothing else", async () => {
      OLLAMA_RUNS();
      machine.append("ufw", "allow 22/tcp\nallow 8001/tcp comment mine\n");
      const before = machine.snapshot();
      await machine.run("hub");
      await machine.run(NODE);
      expect((await machine.run("--uninstall hub --yes")).calls).not.toContain("userdel ollama-connector");
      const { code, output, calls } = await machine.run("node --uninstall --yes");
      expect(code).toBe(0);
      expect(calls).toContain("userdel ollama-connector");
      expect(calls).not.toContain("ufw delete allow 8001/tcp");
      expect(output).toContain("Ollama and its models were not touched");
      expect(machine.snapshot()).toEqual(before);
    });

    test("keeps the settings when nobody can be asked, for root only; the next installation takes them up", async () => {
      await machine.run("hub", { PORT: "8000", QUEUE_SIZE: "3" });
      const { code, output } = await machine.run("--uninstall");
      expect(code).toBe(0);
      expect(output).toContain("kept");
      expect(machine.mode("root/etc/ollama-connector/hub.env")).toBe("600");
      await machine.run("hub");
      expect(machine.read("root/etc/ollama-connector/hub.env")).toContain("QUEUE_SIZE=3\n");
    });

    test("says so where there is nothing, and twice does no harm", async () => {
      const before = machine.snapshot();
      const { code, output, calls } = await machine.run("--uninstall");
      expect({ code, calls }).toEqual({ code: 0, calls: [] });
      expect(output).toContain("nothing to remove");
      expect(machine.snapshot()).toEqual(before);
    });

    test("tidies up after an installation that failed half-way", async () => {
      const before = machine.snapshot();
      machine.write("on/ollama-hub", "");
      expect((await machine.run("hub")).code).toBe(1);
      await machine.run("--uninstall --yes");
      expect(machine.snapshot()).toEqual(before);
    });
  });

  describe("without systemd", () => {
    beforeEach(() => become({ systemd: false }));

    test("it runs in the background, once; says how to have it back after a restart; and is stopped by --uninstall", async () => {
      const before = machine.snapshot();
      const first = await machine.run("hub");
      expect(first.output).toContain("@reboot /usr/local/lib/ollama-connector/start-hub");
      expect(first.code).toBe(0);
      const pid = Number(machine.read("root/run/ollama-connector-hub.pid"));
      expect(commandOf(pid)).toContain("/usr/local/bin/ollama-hub");
      // Where there is no systemd to say it, its folder has to be told all the same.
      expect(readFileSync(`/proc/${pid}/environ`, "utf8")).toContain("ollama-connector/hub\0");

      const between = machine.snapshot();
      const second = await machine.run("hub");
      expect(second.output).toContain("already so: ollama-hub is running");
      expect({ code: second.code, calls: second.calls }).toEqual({ code: 0, calls: [] });
      expect(machine.snapshot()).toEqual(between);

      await machine.run("hub", { LOG_LEVEL: "DEBUG" });
      expect(Number(machine.read("root/run/ollama-connector-hub.pid"))).not.toBe(pid);
      expect(commandOf(pid)).toBe("");

      const last = await machine.run("--uninstall --yes");
      expect(last.code).toBe(0);
      expect(machine.snapshot()).toEqual(before);
    });

    test("the program is told a state folder of its own, which nobody else can read", async () => {
      OLLAMA_RUNS();
      await machine.run("hub");
      await machine.run(NODE);
      for (const role of ["hub", "node"]) {
        expect(machine.read(`root/etc/ollama-connector/${role}.env`)).toContain(
          `\nSTATE_DIR=/var/lib/ollama-connector/${role}\n`,
        );
        const folder = `root/var/lib/ollama-connector/${role}`;
        expect(machine.mode(folder)).toBe("700");
        expect(machine.read("calls")).toContain(
          `chown ollama-connector:ollama-connector ${machine.folder}/${folder}\n`,
        );
      }
      await machine.run("--uninstall --yes");
    });

    test("what was kept of a state folder is root's meanwhile, and the service's own again with the next one", async () => {
      await machine.run("hub");
      machine.write("root/var/lib/ollama-connector/hub/hub.key", "secret");
      await machine.run("--uninstall");
      const folder = `${machine.root}/var/lib/ollama-connector/hub`;
      expect(machine.read("calls")).toContain(`chown -R 0:0 ${folder}\n`);
      await machine.run("hub");
      expect(machine.read("calls")).toContain(`chown -R ollama-connector:ollama-connector ${folder}\n`);
      expect(machine.read("root/var/lib/ollama-connector/hub/hub.key")).toBe("secret");
      await machine.run("--uninstall --yes");
    });

    test("another state folder, once set, stays", async () => {
      await machine.run("hub", { STATE_DIR: "/srv/hub" });
      await machine.run("hub");
      expect(machine.read("root/etc/ollama-connector/hub.env")).toContain("\nSTATE_DIR=/srv/hub\n");
      await machine.run("--uninstall --yes");
    });

    test("a port for root only is refused", async () => {
      const { code, output, calls } = await machine.run("hub --port 80");
      expect(output).toContain("port 80 is for root only");
      expect({ code, calls }).toEqual({ code: 1, calls: [] });
    });
  });

  describe("on macOS", () => {
    beforeEach(() => {
      become({
        without: ["systemctl", "useradd"],
        standIns: {
          uname: `case $1 in -s) echo Darwin ;; -m) echo ${process.arch === "arm64" ? "arm64" : "x86_64"} ;; esac`,
          id: `[ "$1" = -u ] && [ $# = 1 ] && cat "$M/uid"; exit 0`,
          sysctl: "exit 1",
          ipconfig: "echo 192.0.2.9",
          launchctl: `
            case $1 in
              print) [ -e "$M/units/$2.active" ] ;;
              bootstrap) mkdir -p "$M/units/system"; touch "$M/units/system/ollama-connector.hub.active"; sh "$M/on/ollama-hub" start ;;
              bootout) rm "$M/units/$2.active"; sh "$M/on/ollama-hub" stop ;;
            esac`,
        },
      });
      const name = `ollama-hub-darwin-${process.arch === "arm64" ? "arm64" : "x64"}`;
      const [sum = ""] = machine.read(`web/${RELEASES}/SHA256SUMS`).split(" ");
      machine.page("mac.test/SHA256SUMS", `${sum}  ${name}\n`);
      machine.page(
        `mac.test/${name}`,
        machine.read(`web/${RELEASES}/ollama-hub-linux-${process.arch === "arm64" ? "arm64" : "x64"}`),
      );
    });

    test("it is a launchd service; again changes nothing; --uninstall removes it", async () => {
      const before = machine.snapshot();
      const { code, output, calls } = await machine.run("hub --from https://mac.test --no-firewall");
      expect(output).toContain("Dashboard: http://192.0.2.9:8000/");
      expect(code).toBe(0);
      expect(calls).toEqual([
        "launchctl enable system/ollama-connector.hub",
        `launchctl bootstrap system ${machine.root}/Library/LaunchDaemons/ollama-connector.hub.plist`,
      ]);
      const plist = machine.read("root/Library/LaunchDaemons/ollama-connector.hub.plist");
      expect(plist).toContain(
        "<string>set -a; STATE_DIRECTORY=/var/lib/ollama-connector/hub; . /etc/ollama-connector/hub.env; exec /usr/local/bin/ollama-hub</string>",
      );
      expect(plist).toContain("<key>KeepAlive</key><true/>");
      expect(machine.read("root/etc/ollama-connector/hub.env")).toContain(
        "\nSTATE_DIR=/var/lib/ollama-connector/hub\n",
      );
      expect(machine.mode("root/var/lib/ollama-connector/hub")).toBe("700");

      const between = machine.snapshot();
      const second = await machine.run("hub --from https://mac.test --no-firewall");
      expect({ code: second.code, calls: second.calls }).toEqual({ code: 0, calls: [] });
      expect(machine.snapshot()).toEqual(between);

      // launchd ends it later than it says, and takes no new one meanwhile.
      const works = machine.read("bin/launchctl");
      const slow = `
        later=$M/units/later
        case $1 in
          bootout) echo 3 >"$later"; exit 36 ;;
          print | bootstrap)
            left=$(cat "$later" 2>/dev/null || echo 0)
            if [ "$left" -gt 0 ]; then
              echo $((left - 1)) >"$later"
              [ "$1" = print ] || { echo "Bootstrap failed: 5: Input/output error" >&2; exit 5; }
              [ "$left" -gt 1 ] || { rm "$M/units/$2.active"; echo 2 >"$later"; exit 113; }
            fi ;;
        esac`;
      machine.write("bin/launchctl", works.replace(/^(?=\s*case)/m, `${slow}\n`));
      const changed = await machine.run("hub --from https://mac.test --no-firewall", { LOG_LEVEL: "DEBUG" });
      expect(changed.code).toBe(0);
      expect(changed.calls.filter((call) => call.startsWith("launchctl bootstrap"))).toHaveLength(3);
      machine.write("bin/launchctl", works);
      machine.remove("units/later");

      await machine.run("--uninstall --yes");
      machine.remove("units/system"); // what the stand-in of launchctl made
      machine.remove("root/Library");
      expect(machine.snapshot()).toEqual(before);
    });
  });

  describe("--docker", () => {
    beforeEach(() => machine.write("script/hub/docker-compose.yml", "services: {}\n"));
    const file = () =>
      `${machine.folder}/script/hub/docker-compose.yml --env-file ${machine.root}/etc/ollama-connector/hub.env`;

    test("starts and removes the container; no user, no service", async () => {
      const before = machine.snapshot();
      machine.page("127.0.0.1:8000/healthz", "ok");
      const { code, calls } = await machine.run("hub --docker");
      expect(code).toBe(0);
      const settings = expect.stringMatching(/^docker compose --file \S+ --env-file \S+\/settings build$/);
      const check = expect.stringMatching(/\/settings run --rm --no-deps -T hub --check-config$/);
      const up = `docker compose --file ${file()} up --detach`;
      expect(calls).toEqual([settings, check, "ufw allow 8000/tcp comment ollama-hub", up]);
      expect((await machine.run("hub --docker")).calls).toEqual([settings, check, up]);
      // A released image is not built.
      expect((await machine.run("hub --docker", { HUB_IMAGE: "x.test/hub:1" })).calls).toEqual([check, up]);
      expect((await machine.run("hub --docker")).calls, "the image is remembered").toEqual([check, up]);
      expect((await machine.run("hub")).output).toContain("runs in a container already");
      const { calls: removing } = await machine.run("--uninstall --yes");
      expect(removing[0]).toBe(`docker compose --file ${file()} down`);
      expect(machine.snapshot()).toEqual(before);
    });

    test.each([
      [
        "there is no docker",
        () => {
          become({ without: ["docker"] });
          machine.write("script/hub/docker-compose.yml", "services: {}\n");
        },
      ],
      ["Docker Compose version 2 is needed", () => machine.write("compose1", "")],
      ["the Docker engine does not answer", () => machine.write("no-engine", "")],
      ["there is no hub/docker-compose.yml beside this script", () => machine.remove("script/hub")],
    ])("%s", async (message, make) => {
      make();
      const { code, output, calls } = await machine.run("hub --docker");
      expect(output).toContain(message);
      expect({ code, calls }).toEqual({ code: 1, calls: [] });
    });

    test("a dry run shows the steps on a machine without Docker too", async () => {
      become({ without: ["docker"] });
      machine.write("script/hub/docker-compose.yml", "services: {}\n");
      const { code, output, calls } = await machine.run("hub --docker --dry-run");
      expect(output).toContain("would look for Docker with Compose 2, and stop here without it");
      expect(output).toContain("would run: docker compose --file");
      expect({ code, calls }).toEqual({ code: 0, calls: [] });
    });

    test("settings that the program in it refuses are refused before anything is started", async () => {
      become({ standIns: { docker: `case $* in *--check-config) echo "LOG_LEVEL=x is no level"; exit 2 ;; esac` } });
      machine.write("script/hub/docker-compose.yml", "services: {}\n");
      const { code, output, calls } = await machine.run("hub --docker");
      expect(output).toContain("LOG_LEVEL=x is no level");
      expect(code).toBe(1);
      expect(calls.join("\n")).not.toContain(" up ");
      expect(machine.has("root/etc/ollama-connector/hub.env")).toBe(false);
    });

    test("one that does not come up shows the end of its log", async () => {
      const { output, calls } = await machine.run("hub --docker");
      expect(output).toContain("does not answer");
      expect(calls.at(-1)).toBe(`docker compose --file ${file()} logs --tail 15`);
    });

    test("a port for root only is refused", async () => {
      const { code, output, calls } = await machine.run("hub --docker --port 80");
      expect(output).toContain("in the container the program is nobody");
      expect({ code, calls }).toEqual({ code: 1, calls: [] });
    });

    test("is not looked for otherwise", async () => {
      become({ without: ["docker"] });
      expect((await machine.run("hub")).code).toBe(0);
    });
  });
});
