/** The blocks that a page of docs/ shows, by the heading above them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./fixture.ts";

const ARCH = process.arch === "arm64" ? { deb: "arm64", rpm: "aarch64" } : { deb: "amd64", rpm: "x86_64" };

export class Page {
  readonly #name: string;
  readonly #sections: readonly string[];

  /** @param name of the file in docs/ */
  constructor(name: string) {
    this.#name = name;
    this.#sections = readFileSync(join(root, "docs", name), "utf8").split(/^##+ /m);
  }

  /** True if the page has a section with this heading. */
  has(heading: string): boolean {
    return this.#sections.some((each) => each.startsWith(`${heading}\n`));
  }

  /**
   * @param heading of the section
   * @param language of the blocks: what follows the three backticks
   * @returns the text of each block of the section, without its last newline; commands have the names of this machine's packages
   * @throws Error if the section has no such block
   */
  blocks(heading: string, language = "sh"): string[] {
    const section = this.#sections.find((each) => each.startsWith(`${heading}\n`)) ?? "";
    const blocks = [...section.matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter(([, kind]) => kind === language);
    if (blocks.length === 0) throw new Error(`docs/${this.#name} shows no ${language} under: ${heading}`);
    return blocks.map(([, , text = ""]) =>
      text
        .trimEnd()
        .replace(/_amd64\.deb/g, `_${ARCH.deb}.deb`)
        .replace(/\.x86_64\.rpm/g, `.${ARCH.rpm}.rpm`),
    );
  }

  /** Each line of the sh blocks of a section. */
  commands(heading: string): string[] {
    return this.blocks(heading).flatMap((block) => block.split("\n"));
  }
}
