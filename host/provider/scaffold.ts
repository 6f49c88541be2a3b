/**
 * Writes a new provider: an example of the language under another name, with the SDK beside it, so that nothing has to be downloaded and
 * the project builds alike as long as its files stay as they are.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const ROOT = join(import.meta.dirname, "..", "..");

interface Template {
  /** The folder of the example. Its name is the provider's name in its files. */
  readonly example: string;
  /** The folder of the SDK in kleidi, its files that are copied, and their folder in the project. */
  readonly sdk: string;
  readonly copies: RegExp;
  readonly into: string;
  /** The import of the SDK in its own files, and its import in the project. */
  readonly imported?: (name: string) => readonly [from: string, to: string];
}

const TEMPLATES = {
  assemblyscript: {
    example: "http-assemblyscript",
    sdk: "sdk/assemblyscript/assembly",
    copies: /\.ts$/,
    into: "assembly/kleidi",
  },
  c: { example: "http-c", sdk: "sdk/c", copies: /\.h$/, into: "" },
  go: {
    example: "http-go",
    sdk: "sdk/go",
    copies: /^(?!.*_test\.go$).*\.go$/,
    into: "kleidi",
    imported: (name) => ['\t"kleidi"', `\t"provider.example/${name}/kleidi"`],
  },
} as const satisfies Record<string, Template>;

export type TemplateName = keyof typeof TEMPLATES;
export const TEMPLATE_NAMES = Object.keys(TEMPLATES) as TemplateName[];

/** docs/ABI.md, section 6. */
const NAME = /^[a-z][a-z0-9-]{0,62}$/;

/** @returns true if a provider can have this name */
export function isProviderName(name: string): boolean {
  return NAME.test(name);
}

/**
 * Writes the files of a new provider.
 * @param parent the folder in which the folder NAME is created
 * @param name a provider's name
 * @returns the files, relative to `parent`, sorted
 * @throws the system's error; EEXIST if NAME exists
 */
export function scaffold(parent: string, name: string, language: TemplateName): string[] {
  const folder = join(parent, name);
  const files = filesOf(name, TEMPLATES[language]);
  mkdirSync(folder);
  try {
    for (const { path, text } of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text, { flag: "wx" });
    }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return files.map(({ path }) => join(name, path)).sort();
}

interface ProjectFile {
  readonly path: string;
  readonly text: string;
}

function filesOf(name: string, { example, sdk, copies, into, imported }: Template): ProjectFile[] {
  const own = textsUnder(join(ROOT, "examples", example)).map(({ path, text }) => ({
    path,
    text: text.replaceAll(example, name),
  }));
  const [from, to] = imported?.(name) ?? ["", ""];
  const copied = textsUnder(join(ROOT, sdk))
    .filter(({ path }) => copies.test(path))
    .map(({ path, text }) => ({
      path: join(into, path),
      text: from === "" ? text : text.replaceAll(from, to),
    }));
  return [...own, ...copied];
}

function textsUnder(folder: string): ProjectFile[] {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const file = join(entry.parentPath, entry.name);
      return { path: file.slice(folder.length + 1), text: readFileSync(file, "utf8") };
    });
}
