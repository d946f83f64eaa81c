/** The software bill of materials: npm's, without what is not in the executables and with what npm cannot know. */
import { lockedPackage, readManifest } from "./lockfile.ts";
import { run } from "./run.ts";

interface Component {
  readonly "bom-ref": string;
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
  readonly [more: string]: unknown;
}

export interface Sbom {
  bomFormat: string;
  specVersion: string;
  serialNumber: string;
  metadata: { timestamp: string; component: { name: string; type: string; version: string } };
  components: Component[];
  dependencies: { ref: string; dependsOn: string[] }[];
}

/**
 * CycloneDX, from package-lock.json: what is compiled into the executables. The same commit makes the same file.
 *
 * `npm sbom --omit=dev` leaves out what tools for development use as well (npm 11: zod), so each one's own mark decides. And
 * npm takes Bun for such a tool, which is the largest part of every executable.
 */
export async function makeSbom(date: string): Promise<string> {
  const sbom: Sbom = JSON.parse(await run(["npm", "sbom", "--sbom-format=cyclonedx", "--package-lock-only"]));
  const isInside = ({ properties }: Component) =>
    !properties?.some(({ name, value }) => name === "cdx:npm:package:development" && value === "true");
  const { version } = lockedPackage("bun");
  const bun: Component = {
    "bom-ref": `bun@${version}`,
    type: "framework",
    name: "bun",
    version,
    scope: "required",
    description: "The JavaScript runtime inside the executables",
    purl: `pkg:npm/bun@${version}`,
    licenses: [{ license: { id: "MIT" } }],
  };
  sbom.components = [...sbom.components.filter(isInside), bun];

  const manifest = readManifest();
  const refs = new Set([`${manifest.name}@${manifest.version}`, ...sbom.components.map((each) => each["bom-ref"])]);
  sbom.dependencies = sbom.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn }) => ({
      ref,
      dependsOn: ref === bun["bom-ref"] ? [] : dependsOn.filter((on) => refs.has(on)),
    }));

  sbom.metadata.component.name = manifest.name;
  sbom.metadata.component.type = "application";
  sbom.metadata.timestamp = `${date}T00:00:00.000Z`;
  sbom.serialNumber = `urn:uuid:${Bun.randomUUIDv5(JSON.stringify(sbom.components), "url")}`;
  return `${JSON.stringify(sbom, null, 2)}\n`;
}
