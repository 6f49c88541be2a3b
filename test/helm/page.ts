/** Reads the commands and the values from docs/helm.md. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { root } from "../support/fixture.ts";

const page = readFileSync(join(root, "docs", "helm.md"), "utf8");
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "gm"))].map(([, text = ""]) => text);

/** The values.yaml of the page. */
export const pageValues: { image: { repository: string; tag: string } } = parse(blocks("yaml")[0] ?? "");

/**
 * @param start the first words after `helm`
 * @param values the path of the file to use in place of the page's values.yaml
 * @returns the arguments of the last such command
 */
export function helmArguments(start: string, values: string): string[] {
  const lines = blocks("sh").flatMap((block) => block.split("\n"));
  const line = lines.findLast((each) => each.startsWith(`helm ${start}`));
  if (line === undefined) throw new Error(`docs/helm.md shows no command that starts with: helm ${start}`);
  return line
    .split(" ")
    .slice(1)
    .map((word) => (word === "values.yaml" ? values : word));
}
