/** Builds a provider written in AssemblyScript: compiles it, adds the manifest, writes the module. The same sources give the same bytes. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { withSection } from "./section.ts";

/** All paths are relative to this folder, so that a module contains no path of the machine. */
const ROOT = resolve(import.meta.dirname, "../..");

/** docs/ABI.md, section 6. */
const SECTION = "kleidi.provider";
const MAX_MANIFEST = 16 * 1024;

/** 64 pages are 4 MiB: the contract's messages need far less, and the host may allow fewer. */
const FLAGS =
  "-O3 --runtime stub --initialMemory 1 --maximumMemory 64 --use abort=sdk/assemblyscript/assembly/abort/trap";

interface BuildOptions {
  /** The file with the exports, e.g. assembly/index.ts. */
  readonly entry: string;
  /** provider.json. */
  readonly manifest: string;
  /** The .wasm file to write; its folder is created if it is missing. */
  readonly out: string;
}

/** The part of asc's programmatic interface that we use. Its own declarations would add i32 and the like to the globals of every file. */
interface Compiler {
  main(
    argv: string[],
    api: { writeFile(name: string, contents: Uint8Array): void },
  ): Promise<{ error: Error | null; stderr: { toString(): string } }>;
}

/** Compiles `entry`, appends `manifest` and writes `out` atomically. Throws with asc's own diagnostics. */
export async function buildProvider(options: BuildOptions): Promise<void> {
  const manifest = await readManifest(options.manifest);
  await writeModule(options.out, withSection(await compile(options.entry), SECTION, manifest));
}

/** Compiles an AssemblyScript entry to a module without a manifest. Throws with asc's own diagnostics. */
export async function compile(entry: string): Promise<Uint8Array> {
  const compiler: string = "assemblyscript/asc";
  const asc = (await import(compiler)) as Compiler;
  let module: Uint8Array | undefined;
  const argv = [relative(ROOT, resolve(entry)), "--baseDir", ROOT, "-o", "out.wasm", ...FLAGS.split(" ")];
  const { error, stderr } = await asc.main(argv, {
    writeFile: (_name, contents) => {
      module = contents;
    },
  });
  if (error !== null || module === undefined) {
    throw new Error(`Cannot compile ${entry}:\n${stderr.toString()}`, { cause: error });
  }
  return module;
}

/** Reads a manifest as compact JSON, the form that the module carries. The host checks its content; here it only has to be JSON. */
export async function readManifest(path: string): Promise<Uint8Array> {
  const text = await readFile(path, "utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Error(`Cannot read the manifest ${path}: ${(cause as Error).message}`, { cause });
  }
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  if (bytes.length > MAX_MANIFEST) {
    throw new Error(
      `Cannot use the manifest ${path}: it is ${bytes.length} bytes, at most ${MAX_MANIFEST} are allowed`,
    );
  }
  return bytes;
}

/** Writes a temporary file and renames it: a parallel build of the same module sees a complete file or none. */
export async function writeModule(path: string, module: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.${process.pid}-${Math.random().toString(36).slice(2)}.tmp`);
  await writeFile(temporary, module);
  await rename(temporary, path);
}
