/** Builds a provider written in AssemblyScript: compile, add the manifest, write. The same sources give the same bytes. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { withSection } from "./section.ts";

/** Paths are all relative to this folder, so that no path of the machine comes into a module. */
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
  /** The .wasm file to write; its folder is made. */
  readonly out: string;
}

/** What is used of asc's programmatic interface. Its own declarations put i32 and its like into every file's globals. */
interface Compiler {
  main(
    argv: string[],
    api: { writeFile(name: string, contents: Uint8Array): void },
  ): Promise<{ error: Error | null; stderr: { toString(): string } }>;
}

/** Compiles `entry`, appends `manifest` and writes `out` at once or not at all. Throws with asc's own diagnostics. */
export async function buildProvider(options: BuildOptions): Promise<void> {
  const manifest = await readManifest(options.manifest);
  await writeModule(options.out, withSection(await compile(options.entry), SECTION, manifest));
}

/** An AssemblyScript entry as a module without a manifest. */
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

/** The manifest as it goes into the module: compact JSON. The host checks its content; here it only has to be JSON. */
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

/** Writes beside and renames: whoever builds the same module at the same time sees a whole file or none. */
export async function writeModule(path: string, module: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.${process.pid}-${Math.random().toString(36).slice(2)}.tmp`);
  await writeFile(temporary, module);
  await rename(temporary, path);
}
