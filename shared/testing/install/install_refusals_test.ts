/** `install.sh` where something is wrong: it says so, says what to do, and leaves the machine as it was. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync, symlinkSync } from "node:fs";
import path from "node:path";
import { seededRandom } from "../lab/seeded_random.ts";
import { Machine, type MachineOptions, RELEASES, SHELL, TARGET, whyNoMachine } from "./machine.ts";

const reason = whyNoMachine();
if (reason !== null) console.log(`shared/testing/install/install_refusals_test.ts skipped: ${reason}`);

const CUTS = 50;
const SEED = 20_260_613;
const HUB = `ollama-hub-${TARGET}`;

let machine: Machine;
const become = (options: MachineOptions) => {
  machine[Symbol.dispose]();
  machine = new Machine(options);
};

describe.skipIf(reason !== null)("install.sh", () => {
  beforeEach(() => {
    machine = new Machine();
  });
  afterEach(() => machine[Symbol.dispose]());

  /** Runs it and expects that it fails with this message, having changed nothing. */
  async function refuses(
    words: string,
    message: string | RegExp,
    options: { code?: number; environment?: Record<string, string> } = {},
  ) {
    const before = machine.snapshot();
    const { code, output, calls } = await machine.run(words, options.environment);
    expect(output).toMatch(message);
    expect({ code, calls }).toEqual({ code: options.code ?? 1, calls: [] });
    expect(machine.snapshot()).toEqual(before);
    return output;
  }

  test(`cut off at ${CUTS} places and at every byte of its end, it does nothing (seed ${SEED})`, async () => {
    const text = readFileSync(machine.script, "utf8");
    const bytes = Buffer.from(text);
    const end = bytes.length - 'main "$@"\n'.length;
    const random = seededRandom(SEED);
    const cuts = Array.from({ length: CUTS }, () => random.whole(0, end));
    // `main "$@"` without its line break is whole.
    for (let cut = end; cut <= bytes.length - 2; cut++) cuts.push(cut);
    const before = machine.snapshot();
    for (const cut of cuts) {
      // As by `curl … | sh -s -- hub --yes`.
      const command = [SHELL, "-s", "--", "hub", "--yes"];
      const { output } = await machine.exec(command, {}, bytes.subarray(0, cut).toString());
      expect({ cut, calls: machine.read("calls") }).toEqual({ cut, calls: "" });
      expect({ cut, installed: output.includes("==>") }).toEqual({ cut, installed: false });
    }
    expect(machine.snapshot()).toEqual(before);
    // The same way, whole, it does everything.
    const { code } = await machine.exec([SHELL, "-s", "--", "hub", "--yes"], {}, text);
    expect(code).toBe(0);
  });

  describe("checksums", () => {
    test("an executable that is another one is not installed", async () => {
      machine.page(`${RELEASES}/${HUB}`, "#!/bin/sh\necho evil\n");
      const output = await refuses("hub", `wrong checksum of ${HUB}`);
      expect(output).toMatch(/expected [0-9a-f]{64}\n +received [0-9a-f]{64}\n/);
    });

    test("SHA256SUMS that is another one than the script knows is not believed", async () => {
      machine.append(`web/${RELEASES}/SHA256SUMS`, "\n");
      await refuses("hub", "SHA256SUMS is not the one of this release");
    });

    test("neither in a folder that stands for the releases", async () => {
      const releases = path.join(machine.folder, "mirror");
      const environment = { OLLAMA_CONNECTOR_RELEASES: releases };
      machine.write(`mirror/${HUB}`, "#!/bin/sh\n");
      await refuses("hub", "there is no SHA256SUMS in", { environment });
      machine.write(
        "mirror/SHA256SUMS",
        `${new Bun.CryptoHasher("sha256").update("#!/bin/sh\n").digest("hex")}  ${HUB}\n`,
      );
      await refuses("hub", "SHA256SUMS is not the one of this release", { environment });
      machine.write("mirror/SHA256SUMS", machine.read(`web/${RELEASES}/SHA256SUMS`));
      await refuses("hub", `wrong checksum of ${HUB}`, { environment });
      machine.remove(`mirror/${HUB}`);
      machine.write("mirror/ollama-hub", "#!/bin/sh\n");
      await refuses("hub", "does not list ollama-hub", { environment });
      machine.write(`mirror/${HUB}`, machine.read(`web/${RELEASES}/${HUB}`));
      expect((await machine.run("hub", environment)).code).toBe(0);
    });

    test("what SHA256SUMS does not list is not fetched", async () => {
      machine.page("mirror.test/SHA256SUMS", "");
      machine.page(`mirror.test/${HUB}`, "#!/bin/sh\n");
      await refuses("hub --from https://mirror.test", `has no ${HUB}`);
    });

    test("a release that is not there", () =>
      refuses(
        "hub --from https://mirror.test",
        /cannot download https:\/\/mirror.test\/SHA256SUMS\n +Check the network/,
      ));

    test("another version has no checksum in this script, which it says", async () => {
      const { code, output } = await machine.run("hub --version 9.9.8");
      expect(output).toContain("this script has no checksum for it");
      expect(code).toBe(0);
    });

    test("from http, it warns", async () => {
      machine.page("mirror.test/SHA256SUMS", machine.read(`web/${RELEASES}/SHA256SUMS`));
      machine.page(`mirror.test/${HUB}`, machine.read(`web/${RELEASES}/${HUB}`));
      const { code, output } = await machine.run("hub --from http://mirror.test");
      expect(output).toContain("http://mirror.test is not https");
      expect(code).toBe(0);
    });

    test("an executable that does not run here is not installed", async () => {
      machine.page(
        "mirror.test/SHA256SUMS",
        `${new Bun.CryptoHasher("sha256").update("garbage").digest("hex")}  ${HUB}\n`,
      );
      machine.page(`mirror.test/${HUB}`, "garbage");
      await refuses("hub --from https://mirror.test", "the executable does not run on this machine");
    });
  });

  describe("where the executables come from", () => {
    test("a script outside a release says how to build from source", async () => {
      become({ released: false });
      const output = await refuses("hub", "this install.sh is not from a release");
      expect(output).toContain("npm run setup && npm run build && sudo sh install.sh hub");
    });

    test("dist/ beside the script is taken", async () => {
      become({ released: false });
      machine.write("script/dist/ollama-hub", machine.read(`web/${RELEASES}/${HUB}`));
      const { code, output } = await machine.run("hub");
      expect(output).toContain(`from ${machine.folder}/script/dist/ollama-hub`);
      expect(code).toBe(0);
    });

    test("dist/ in a folder into which anybody may write is not", async () => {
      become({ released: false });
      machine.write("script/dist/ollama-hub", machine.read(`web/${RELEASES}/${HUB}`));
      Bun.spawnSync(["chmod", "1777", path.join(machine.folder, "script")]);
      await refuses("hub", "this install.sh is not from a release");
    });

    test("--from a folder, with its SHA256SUMS where there is one", async () => {
      become({ released: false });
      machine.write(`script/mine/${HUB}`, machine.read(`web/${RELEASES}/${HUB}`));
      machine.write("script/mine/SHA256SUMS", machine.read(`web/${RELEASES}/SHA256SUMS`));
      expect((await machine.run("hub --from script/mine")).output).toContain("its SHA-256 is right");
      const before = machine.snapshot();
      const again = await machine.run("hub --from script/mine");
      expect({ calls: again.calls, now: machine.snapshot() }).toEqual({ calls: [], now: before });
      await machine.run("--uninstall --yes");
      machine.append(`script/mine/${HUB}`, "# altered\n");
      await refuses("hub --from script/mine", `wrong checksum of ${HUB}`);
    });

    test("a folder without them", async () => {
      machine.makeFolder("empty");
      await refuses("hub --from empty", `there is neither ${HUB} nor ollama-hub in`);
    });

    test("a processor or system without executables", async () => {
      become({ standIns: { uname: "case $1 in -s) echo Linux ;; -m) echo riscv64 ;; esac" } });
      await refuses("hub", "there are no executables for the processor riscv64");
      become({ standIns: { uname: "echo SunOS" } });
      await refuses("hub", "this script knows Linux and macOS, and this is SunOS");
    });

    test.each([
      ["x86_64", "ldd (Debian GLIBC 2.36-9) 2.36", "linux-x64"],
      ["aarch64", "ldd (Debian GLIBC 2.36-9) 2.36", "linux-arm64"],
      ["x86_64", "musl libc (x86_64)", "linux-x64-musl"],
      ["aarch64", "musl libc (aarch64)", "linux-arm64-musl"],
    ])("%s with %s takes %s", async (processor, ldd, target) => {
      const uname = `case $1 in -s) echo Linux ;; -m) echo ${processor} ;; esac`;
      become({ standIns: { uname, ldd: `echo "${ldd}" >&2; exit 1` } });
      expect((await machine.run("hub --dry-run")).output).toContain(`ollama-hub for ${target}\n`);
    });
  });

  describe("without the tools", () => {
    const wget = `
      case $1 in -q) shift ;; esac
      out=-
      while [ $# -gt 0 ]; do
        case $1 in -O) out=$2; shift ;; http*) url=$1 ;; esac
        shift
      done
      file=$M/web/\${url#*://}
      [ -f "$file" ] || exit 4
      if [ "$out" = - ]; then cat "$file"; else cat "$file" >"$out"; fi`;

    test("wget does where there is no curl", async () => {
      become({ without: ["curl"], standIns: { wget } });
      const { code } = await machine.run("hub");
      expect(code).toBe(0);
      expect(machine.read("calls")).toContain(
        `wget -q -O ${machine.root}/usr/local/bin/.ollama-hub.new https://${RELEASES}/${HUB}`,
      );
    });

    test("neither curl nor wget", async () => {
      become({ without: ["curl"] });
      const output = await refuses("hub", "there is neither curl nor wget");
      expect(output).toContain("apt-get install curl");
    });

    test("no ollama command, but an Ollama that answers (in a container): models are pulled by its API", async () => {
      const posted = `case "$*" in *--data*api/pull*) echo '{"status":"success"}'; exit ;; esac`;
      machine[Symbol.dispose]();
      const plain = new Machine();
      const curl = plain.read("bin/curl").split("\n").slice(3).join("\n");
      plain[Symbol.dispose]();
      machine = new Machine({ without: ["ollama"], standIns: { curl: `${posted}\n${curl}` } });
      machine.page("127.0.0.1:11434/api/version", "{}");
      machine.page("127.0.0.1:11434/api/tags", "{}");
      const { code, output } = await machine.run("node --hub hub.test:8000");
      expect(machine.read("calls")).toContain(
        '--data {"model":"qwen2.5:7b","stream":false} http://127.0.0.1:11434/api/pull',
      );
      expect(output).not.toContain("could not be pulled");
      expect(code).toBe(0);
    });
  });

  describe("without root", () => {
    beforeEach(() => machine.write("uid", "1000\n"));

    test("it says which command would do it, with the variables given", async () => {
      const output = await refuses("node --hub http://hub.test:8000", "this needs root", {
        environment: { NODE_ID: "a" },
      });
      expect(output).toMatch(/Run: sudo NODE_ID="\$NODE_ID" .*sh install.sh node --hub http:\/\/hub.test:8000\n/);
    });

    test("neither is anything removed", () => refuses("--uninstall", "this needs root"));
  });

  describe("firewall and IPv6", () => {
    const lines = async (words = "hub") => {
      const { code, output } = await machine.run(words);
      expect(code).toBe(0);
      return output;
    };

    test("a machine without IPv6 is said to be reached by IPv4 only", async () => {
      machine.remove("root/proc/net/if_inet6");
      expect(await lines()).toContain("This machine has no IPv6: it is reached by IPv4 only.");
    });

    test.each(["IPV6=no", 'IPV6="no"'])(
      "UFW with %s: the rule is for IPv4 only, and it says how to change that",
      async (line) => {
        machine.write("root/etc/default/ufw", `# set to yes to apply rules to support IPv6\n${line}\n`);
        expect(await lines()).toMatch(/Left to do:\n +- UFW does not handle IPv6 .*\n +Write IPV6=yes there/);
      },
    );

    test("no UFW: nothing to open; firewalld is named with its command", async () => {
      become({ without: ["ufw"] });
      expect(await lines()).toContain("UFW is not installed");
      become({ without: ["ufw"], standIns: { "firewall-cmd": "" } });
      expect(await lines()).toContain("firewall-cmd --permanent --add-port=8000/tcp");
    });

    test("UFW that is off gets the rule and stays off", async () => {
      become({ standIns: { ufw: `case "$*" in status) echo "Status: inactive" ;; esac` } });
      expect(await lines()).toContain("UFW is off at the moment");
      expect(machine.read("calls")).not.toContain("ufw enable");
    });

    test("--no-firewall leaves UFW alone", async () => {
      await lines("hub --no-firewall");
      expect(machine.read("ufw")).toBe("");
    });
  });

  describe("wrong words", () => {
    const NODE = "node --hub http://h:8000";
    test.each([
      ["", /say what to install/],
      ["hub node", /one after the other/],
      ["hub --frob", /unknown argument --frob/],
      ["hub --frob=1", /unknown option --frob=1/],
      ["hub extra", /unknown argument extra/],
      ["hub --port", /--port needs a value/],
      ["hub --port --yes", /--port needs a value/],
      ["hub --port 0", /PORT=0 is not a port/],
      ["hub --port 65536", /PORT=65536 is not a port/],
      ["hub --port=80a", /PORT=80a is not a port/],
      ["hub --hub http://h:8000", /are for a node/],
      ["hub --open-ollama", /--open-ollama is for a node/],
      ["hub --version latest", /--version latest is not a version/],
      ["hub --from nowhere", /there is no such folder/],
      ["hub --from ftp://mirror.test", /neither a folder nor an http address/],
      ["node", /which hub\? Add --hub/],
      ["node --hub ftp://hub", /is not an address such as/],
      ["node --hub http://user:word@hub:8000", /is not an address such as/],
      ["node --hub http://hub:99999", /the port in SERVER_URL=99999 is not a port/],
      ["node --hub http://hub:8000;reboot", /is not an address such as/],
      [`${NODE} --node-id -a`, /--node-id needs a value/],
      [`${NODE} --node-id a/b`, /NODE_ID=a\/b is not a name/],
      [`${NODE} --node-id ${"a".repeat(129)}`, /is not a name/],
      [`${NODE} --models a$(reboot)`, /which is not a model's name/],
      [`${NODE} --port 1e3`, /NODE_PORT=1e3 is not a port/],
    ])("%p", (words, message) => refuses(words, message, { code: 2 }));

    test.each([
      ["hub", { PORT: "http" }, /PORT=http is not a port/],
      ["hub", { DRAIN_TIMEOUT: "soon" }, /DRAIN_TIMEOUT=soon is not a number of seconds/],
      ["hub", { OLLAMA_ORIGINS: 'http://a.test"\nPORT=1' }, /OLLAMA_ORIGINS has a character/],
      ["hub", { OLLAMA_ORIGINS: "$(reboot)" }, /OLLAMA_ORIGINS has a character/],
      [NODE, { OLLAMA_PORT: "-1" }, /OLLAMA_PORT=-1 is not a port/],
      [NODE, { SKIP_MODEL_PULL: "yes" }, /SKIP_MODEL_PULL=yes is neither 0 nor 1/],
      [NODE, { NODE_ID: "a\nb" }, /is not a name/],
      [NODE, { OLLAMA_BASE_URL: "127.0.0.1:11434 x" }, /OLLAMA_BASE_URL=.* is not an address/],
    ])("%p with %p", (words, environment, message) =>
      refuses(words, message, { code: 2, environment: { ...environment } }),
    );

    test("an address without a port is said to mean port 80", async () => {
      expect((await machine.run("node --hub hub.test --dry-run")).output).toContain(
        "http://hub.test has no port, which means port 80",
      );
      for (const hub of ["[fd00::1]:8000", "https://hub.test", "http://hub.test:8000"]) {
        const { code, output } = await machine.run(`node --hub ${hub} --dry-run`);
        expect({ code, warned: output.includes("has no port") }).toEqual({ code: 0, warned: false });
      }
    });
  });

  describe("with the real curl and wget", () => {
    test.each(["curl", "wget"])(
      "%s: a download cut off by the server installs nothing; the whole one does",
      async (tool) => {
        const real = Bun.which(tool);
        if (real === null) return console.log(`skipped: there is no ${tool}`);
        become({ without: ["curl"] });
        symlinkSync(real, path.join(machine.folder, "bin", tool));
        const files: Record<string, string> = {
          "/SHA256SUMS": machine.read(`web/${RELEASES}/SHA256SUMS`),
          [`/${HUB}`]: machine.read(`web/${RELEASES}/${HUB}`),
        };
        let whole = false;
        const socket = Bun.listen({
          hostname: "127.0.0.1",
          port: 0,
          socket: {
            data(connection, data) {
              const name = /^GET (\S+)/.exec(data.toString())?.[1] ?? "";
              const text = files[name] ?? "";
              const sent = whole || name === "/SHA256SUMS" ? text : text.slice(0, 100);
              connection.end(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n${sent}`);
            },
          },
        });
        try {
          const words = `hub --from http://127.0.0.1:${socket.port}`;
          // wget tries again and again, with longer and longer waits, what breaks off.
          machine.write("home/.wgetrc", "tries = 2\nwaitretry = 0\n");
          await refuses(words, /cannot download http:\S+\n +Nothing was changed/);
          whole = true;
          // Only the download: nothing answers as the hub.
          expect((await machine.run(words)).output).toContain("its SHA-256 is right");
        } finally {
          socket.stop(true);
        }
      },
    );
  });
});
