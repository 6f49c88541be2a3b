/** Builds a provider: a folder or a raw module becomes a module that admission accepts. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { KleidiError } from "../error.ts";
import type { KnownCapabilities } from "../host-call.ts";
import { FileFault, readRegular } from "../lib/files.ts";
import { replaceFile } from "../lib/write-files.ts";
import { MAX_MODULE } from "../module/contract.ts";
import { type Manifest, manifestSection, readManifest } from "../module/manifest.ts";
import { readModule } from "../module/wasm/module.ts";
import { type Assembled, assemble, finish } from "./assemble.ts";
import { compile, sourceOf } from "./compile.ts";
import { manifestText, readManifestFile } from "./manifest-file.ts";
import { type Row, rowText } from "./rows.ts";

export interface BuildOptions {
  /** A folder, or a raw module. */
  readonly path: string;
  /** The module to write; by default NAME.wasm in the folder. */
  readonly out?: string;
  /** Write the computed rows into provider.json. */
  readonly fix: boolean;
  /** Keep names and maps, and the text of an abort. */
  readonly dev: boolean;
  readonly known: KnownCapabilities;
}

export interface BuildResult extends Assembled {
  readonly manifest: Manifest;
  readonly language: string;
  readonly out: string;
  readonly size: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** The path cannot be built; the message ends a sentence about it. */
export class BuildPathError extends Error {}

/**
 * Builds a provider.
 * @throws BuildPathError; KleidiError provider-build, module-invalid; the system's error if the module cannot be written
 */
export function buildProvider(options: BuildOptions): BuildResult {
  const { path, known, dev } = options;
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const folder = isFolder ? path : dirname(path);
  const { raw, language } = isFolder ? compiled(path, dev) : { raw: readRaw(path), language: "wasm" };
  const file = join(folder, "provider.json");
  const source = readManifestFile(file);
  const manifest = source ?? ownManifest(raw, file);
  const assembled = assemble(manifest.name, raw, manifest, { known, debug: dev });
  const complete = withRows(manifest, assembled.rows, {
    file: source === undefined ? undefined : file,
    fix: options.fix,
  });
  const bytes = finish(complete, assembled, known);
  const out = outOf(options, folder, complete.name);
  replaceFile(out, bytes);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { ...assembled, manifest: complete, language, out, size: bytes.length, sha256 };
}

function compiled(folder: string, dev: boolean): { raw: Uint8Array; language: string } {
  const source = sourceOf(folder);
  if (typeof source === "string") throw new BuildPathError(source);
  const scratch = mkdtempSync(join(tmpdir(), "kleidi-build-"));
  try {
    return { raw: compile(folder, source, { scratch, dev }), language: source.language.name };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function readRaw(path: string): Uint8Array {
  const bytes = readRegular(path, MAX_MODULE);
  if (bytes instanceof FileFault) throw new BuildPathError(bytes.text);
  return bytes;
}

/** The manifest that the compiler put into the module. */
function ownManifest(raw: Uint8Array, file: string): Manifest {
  const section = manifestSection(sectionsOf(raw));
  const manifest =
    typeof section === "string" ? { fault: `${section}, and ${file} does not exist` } : readManifest(section);
  if (!("fault" in manifest)) return manifest;
  throw new KleidiError("provider-build/manifest", `Cannot build the module: ${manifest.fault}`);
}

function sectionsOf(raw: Uint8Array) {
  try {
    return readModule(raw).customSections;
  } catch (error) {
    throw new KleidiError(
      "provider-build/link",
      `Cannot build the module: it cannot be read as WebAssembly: ${(error as Error).message}`,
    );
  }
}

/**
 * Compares the rows of the manifest with the computed ones.
 * @throws KleidiError provider-build/rows or provider-build/why
 */
function withRows(
  manifest: Manifest,
  rows: readonly Row[],
  { file, fix }: { readonly file: string | undefined; readonly fix: boolean },
): Manifest {
  const differs = JSON.stringify(manifest.capabilities) !== JSON.stringify(rows);
  if (differs && fix && file !== undefined) replaceFile(file, manifestText(manifest, rows));
  else if (differs) throw rowsDiffer(manifest, rows, file);
  const open = rows.filter(({ why }) => why === "");
  if (open.length === 0) return { ...manifest, capabilities: rows.map(mutable) };
  throw new KleidiError(
    "provider-build/why",
    [
      `Cannot build provider "${manifest.name}": ${file ?? "its manifest"} has ${open.length} rows without a reason; write the reason into "why":`,
      ...open.map((row) => `  ${rowText(row)}`),
    ].join("\n"),
  );
}

function mutable({ operations, rpcs, ...row }: Row): Manifest["capabilities"][number] {
  return { capability: row.capability, operations: [...operations], rpcs: [...rpcs], why: row.why };
}

function rowsDiffer(manifest: Manifest, rows: readonly Row[], file: string | undefined): KleidiError {
  const texts = (all: readonly Row[]) => all.map((row) => rowText(row));
  const [before, after] = [texts(manifest.capabilities), texts(rows)];
  return new KleidiError(
    "provider-build/rows",
    [
      `Cannot build provider "${manifest.name}": the rows of ${file ?? "its own manifest"} are not the host calls that the code can reach:`,
      ...before.filter((text) => !after.includes(text)).map((text) => `  - ${text}`),
      ...after.filter((text) => !before.includes(text)).map((text) => `  + ${text}`),
    ].join("\n"),
  );
}

/** @throws BuildPathError the module would replace its own source */
function outOf({ path, out }: BuildOptions, folder: string, name: string): string {
  const target = out ?? join(folder, `${name}.wasm`);
  if (resolve(target) === resolve(path))
    throw new BuildPathError(
      `would be replaced by the module; give another path with --out, or rename ${basename(path)}`,
    );
  return target;
}
