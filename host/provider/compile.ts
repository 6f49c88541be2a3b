/** Compiles a provider's folder to a raw module, with the compiler of its language. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { KleidiError } from "../error.ts";
import { FileFault, readRegular } from "../lib/files.ts";
import { replaceControls } from "../lib/text.ts";
import { statOf } from "../lib/write-files.ts";
import { MAX_MODULE } from "../module/contract.ts";
import { ASC, type CompilerCall, LANGUAGES, type Language } from "./languages.ts";

/** A cold build of Go's runtime takes minutes on a slow machine. */
const DEADLINE_MS = 900_000;
const MAX_OUTPUT = 1 << 20;
/** Characters of a compiler's output in a message. */
const SHOWN = 4000;
const MAX_SOURCES = 1000;

/** A folder with the source of a provider. */
export interface Source {
  readonly language: Language;
  readonly sources: readonly string[];
}

/**
 * Finds the language of a folder.
 * @returns a clause about the folder if it has no language, or several
 * @throws the system's error
 */
export function sourceOf(folder: string): Source | string {
  const found = LANGUAGES.flatMap((language) => {
    const sources = sourcesOf(folder, language);
    return sources.length === 0 ? [] : [{ language, sources }];
  });
  const [source, ...others] = found;
  const signs = (languages: readonly Language[]) =>
    languages.map(({ name, sign }) => `${sign.startsWith(".") ? `*${sign}` : sign} (${name})`).join(", ");
  if (source === undefined) return `has no source of a provider: expected one of ${signs(LANGUAGES)}`;
  if (others.length === 0) return source;
  return `has sources in several languages: ${signs(found.map(({ language }) => language))}; give each a folder`;
}

/** Files only: a link could lead out of the folder. */
function sourcesOf(folder: string, { sign }: Language): string[] {
  if (!sign.startsWith(".")) return isFile(folder, sign) ? [sign] : [];
  const names = readdirSync(folder).filter((name) => name.endsWith(sign) && isFile(folder, name));
  return names.sort().slice(0, MAX_SOURCES);
}

function isFile(folder: string, path: string): boolean {
  return statOf(join(folder, path))?.isFile() === true;
}

/**
 * Runs the compiler.
 * @param scratch a private folder, which the caller removes
 * @returns the raw module, of at most 32 MiB
 * @throws KleidiError provider-build
 */
export function compile(
  folder: string,
  { language, sources }: Source,
  { scratch, dev }: { readonly scratch: string; readonly dev: boolean },
): Uint8Array {
  const out = join(scratch, "raw.wasm");
  const packaged = (path: string) => packageFile(folder, path);
  const has = (path: string) => isFile(folder, path);
  if (language.name === "assemblyscript" && packaged(ASC) === undefined)
    throw compilerMissing(folder, language, "asc");
  run(folder, language, language.compile({ folder, sources, out, scratch, dev, has, packaged }));
  const raw = readRegular(out, MAX_MODULE, { followLinks: false });
  if (!(raw instanceof FileFault)) return raw;
  throw new KleidiError(
    "provider-build/compile",
    `Cannot build ${folder}: the compiler's module ${raw.text}`,
  );
}

function run(folder: string, language: Language, { program, args, env = {} }: CompilerCall): void {
  const done = spawnSync(program, args, {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    maxBuffer: MAX_OUTPUT,
    timeout: DEADLINE_MS,
  });
  const code = (done.error as NodeJS.ErrnoException | undefined)?.code;
  if (code === "ENOENT") throw compilerMissing(folder, language, program);
  if (done.status === 0) {
    process.stderr.write(shown(done.stderr));
    return;
  }
  const outcome = code ?? done.signal ?? `exit code ${done.status}`;
  const text = shown(`${done.stdout ?? ""}${done.stderr ?? ""}`).trimEnd();
  throw new KleidiError(
    // a linker of its own is a package of its own
    /wasm-ld/.test(text) && /unable to execute|No such file/.test(text)
      ? "provider-build/compiler"
      : "provider-build/compile",
    `Cannot compile ${folder} (${language.name}): ${outcome}\n${text}`,
  );
}

/** The beginning of a compiler's output, which quotes the source, without control characters. */
function shown(text: string): string {
  return text
    .slice(0, SHOWN)
    .split("\n")
    .map((line) => replaceControls(line))
    .join("\n");
}

function compilerMissing(folder: string, { install }: Language, program: string): KleidiError {
  return new KleidiError(
    "provider-build/compiler",
    `Cannot compile ${folder}: ${program} is not installed; ${install}`,
  );
}

/**
 * The project's own package first; a checkout of kleidi has the compiler too. Folders above the project are not searched: in /tmp anybody
 * can write one.
 */
function packageFile(folder: string, path: string): string | undefined {
  const places = [folder, join(import.meta.dirname, "..", "..")];
  return places.map((place) => join(resolve(place), "node_modules", path)).find((file) => existsSync(file));
}
