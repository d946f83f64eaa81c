/** Dockerfiles and compose files: what can be told without a container engine. */
import { describe, expect, test } from "bun:test";
import { HUB_SETTINGS, readHubConfig } from "../hub/config.ts";
import { nodeSettings, parseNodeConfig } from "../node/config.ts";
import { describeSettings } from "../shared/settings.ts";
import { readText } from "./lockfile.ts";
import { PROGRAMS, type ProgramName } from "./targets.ts";

interface Service {
  readonly environment: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly [key: string]: unknown;
}

/** The compose file's one service, with its variables filled in as Docker Compose does it. */
function service(program: ProgramName, file: string, given: Record<string, string> = {}): Service {
  const text = readText(`${program}/${file}`).replace(/\$\{(\w+):([-?])([^}]*)\}/g, (_, name, kind, rest) => {
    if (given[name]) return given[name];
    if (kind === "?") throw new Error(`${name} is required: ${rest}`);
    return rest;
  });
  const { services } = Bun.YAML.parse(text) as { services: Record<string, Service> };
  const found = services[program];
  if (!found) throw new Error(`no service ${program} in ${file}`);
  return found;
}

const FILES = ["docker-compose.yml", "docker-compose.bridge.yml"];
const VARIABLES = {
  hub: describeSettings(HUB_SETTINGS).map(([variable]) => variable),
  node: nodeSettings().map(([variable]) => variable),
};
const NEEDED = { NODE_ID: "gaming-pc", SERVER_URL: "http://192.168.1.10:8000" };

describe.each([...PROGRAMS])("Dockerfile.%s", (program) => {
  const text = readText(`Dockerfile.${program}`);

  test("both base images are pinned by digest, and nothing else is pulled", () => {
    const images = [...text.matchAll(/^ARG (\w+_IMAGE)=(\S+)$/gm)];
    expect(images.map(([, name]) => name)).toEqual(["BUILD_IMAGE", "BASE_IMAGE"]);
    for (const [, , image] of images) expect(image).toMatch(/^[a-z.]+\/[a-z0-9./-]+:[\w.-]+@sha256:[0-9a-f]{64}$/);
    const from = [...text.matchAll(/^FROM (?:--platform=\S+ )?\$\{(\w+)\}/gm)].map(([, name]) => name);
    expect(from).toEqual(["BUILD_IMAGE", "BASE_IMAGE"]);
    expect(text.match(/^FROM /gm)).toHaveLength(2);
  });

  test("it runs as nobody, checks its own health and installs with install scripts off", () => {
    expect(text).toMatch(/^USER 65532:65532$/m);
    expect(text).toContain(`CMD ["/usr/local/bin/ollama-${program}", "--healthcheck"]`);
    expect(text).toContain("npm ci --ignore-scripts");
    expect(text).toContain(`EXPOSE ${program === "hub" ? 8000 : 8001}`);
    // What runs in the second stage would need an emulator for the other processor.
    expect(text.slice(text.lastIndexOf("\nFROM "))).not.toMatch(/^RUN /m);
  });
});

describe.each(PROGRAMS.flatMap((program) => FILES.map((file) => [program, file] as const)))(
  "%s/%s",
  (program, file) => {
    test("it comes back, may do nothing it need not, and has time to end", () => {
      expect(service(program, file, NEEDED)).toMatchObject({
        restart: "unless-stopped",
        read_only: true,
        cap_drop: ["ALL"],
        security_opt: ["no-new-privileges:true"],
        build: { context: "..", dockerfile: `Dockerfile.${program}` },
      });
      const { stop_grace_period, environment } = service(program, file, NEEDED);
      // The program ends itself; a fixed time for it must do for a DRAIN_TIMEOUT set by hand as well.
      expect(stop_grace_period).toBe("10m");
      expect(Number(environment.DRAIN_TIMEOUT)).toBeLessThan(600);
    });

    test("it passes on every setting, by its own name, with the program's default", () => {
      const { environment } = service(program, file, NEEDED);
      expect(Object.keys(environment)).toEqual(VARIABLES[program]);
      // The one default of a container's own.
      const { STATE_DIR } = environment;
      expect(STATE_DIR).toBe("/var/lib/ollama-connector");
      if (program === "hub") expect(readHubConfig(environment)).toEqual(readHubConfig({ STATE_DIR }));
      else if (file === "docker-compose.yml")
        expect(parseNodeConfig(service(program, file).environment, "pc")).toEqual(parseNodeConfig({ STATE_DIR }, "pc"));
      const others = Object.fromEntries(VARIABLES[program].map((variable) => [variable, `${variable} as given`]));
      expect(service(program, file, others).environment).toEqual(others);
    });
  },
);

test("with host networking no port is mapped; without it, the same one outside and inside", () => {
  for (const program of PROGRAMS) {
    expect(service(program, "docker-compose.yml", NEEDED)).toMatchObject({ network_mode: "host" });
    expect(service(program, "docker-compose.yml", NEEDED).ports).toBeUndefined();
    const port = program === "hub" ? "8000" : "8001";
    expect(service(program, "docker-compose.bridge.yml", NEEDED).ports).toEqual([`${port}:${port}`]);
  }
});

test("a NODE_REQUEST_TIMEOUT of its own does not contradict a default of the compose file", () => {
  for (const file of FILES) {
    const { environment } = service("hub", file, { NODE_REQUEST_TIMEOUT: "700" });
    const { STATE_DIR } = environment;
    expect(readHubConfig(environment)).toEqual(readHubConfig({ NODE_REQUEST_TIMEOUT: "700", STATE_DIR }));
  }
});

test("a node in a network of its own says what it needs, and tells the hub no address of the container", () => {
  expect(() => service("node", "docker-compose.bridge.yml")).toThrow("is required");
  const config = parseNodeConfig(service("node", "docker-compose.bridge.yml", NEEDED).environment);
  expect(config).toMatchObject({ advertiseIPv4: "none", advertiseIPv6: "none", nodeId: "gaming-pc" });
  expect(config.ollamaUrl).toBe("http://host.docker.internal:11434");
});
