/** The commands that docs/install-systemd.md shows. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../support/fixture.ts";

const PAGE = readFileSync(join(root, "docs", "install-systemd.md"), "utf8");
const ARCH = process.arch === "arm64" ? { deb: "arm64", rpm: "aarch64" } : { deb: "amd64", rpm: "x86_64" };

/**
 * @param heading of the section
 * @returns each line of its sh blocks, with the names of this machine's packages
 */
export function commandsOf(heading: string): string[] {
  const section = PAGE.split(/^## /m).find((each) => each.startsWith(`${heading}\n`));
  const blocks = [...(section ?? "").matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = ""]) => block.trim());
  if (blocks.length === 0) throw new Error(`docs/install-systemd.md shows no command under: ${heading}`);
  return blocks
    .flatMap((block) => block.split("\n"))
    .map((line) => line.replace("_amd64.deb", `_${ARCH.deb}.deb`).replace(".x86_64.rpm", `.${ARCH.rpm}.rpm`));
}
