/** The file SHA256SUMS, as sha256sum writes and reads it. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";

export const SHA256SUMS = "SHA256SUMS";

/** Writes the checksums of every file in `folder`. */
export async function writeSums(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name !== SHA256SUMS).toSorted();
  const lines: string[] = [];
  for (const name of names) lines.push(`${await sha256(join(folder, name))}  ${name}\n`);
  await Bun.write(join(folder, SHA256SUMS), lines.join(""));
}

/** Every file of `folder` that is not what SHA256SUMS says, as a sentence. */
export async function wrongSums(folder: string): Promise<string[]> {
  const wrong: string[] = [];
  for (const line of (await Bun.file(join(folder, SHA256SUMS)).text()).trim().split("\n")) {
    const [expected = "", name = ""] = line.split("  ");
    const file = join(folder, name);
    if (!(await Bun.file(file).exists())) wrong.push(`${name} is not there`);
    else if ((await sha256(file)) !== expected) wrong.push(`${name} has another checksum`);
  }
  return wrong;
}

export async function sha256(path: string): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  for await (const piece of Bun.file(path).stream()) hash.update(piece);
  return hash.digest("hex");
}
