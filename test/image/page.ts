/** Reads the commands from docs/image.md. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../support/fixture.ts";

const PAGE = readFileSync(join(root, "docs", "image.md"), "utf8");

/**
 * @param start the first words of the command
 * @returns the words of the command, with its lines joined
 */
export function commandOf(start: string): string[] {
  const line = PAGE.replaceAll("\\\n", " ")
    .split("\n")
    .find((each) => each.startsWith(start));
  if (line === undefined) throw new Error(`docs/image.md shows no command that starts with: ${start}`);
  return line.split(/\s+/);
}
