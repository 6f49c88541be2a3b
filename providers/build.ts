/** Builds every provider here: providers/<name>/ with a provider.json becomes providers/<name>.wasm, which git ignores. */
import { createHash } from "node:crypto";
import { access, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { buildProvider } from "../sdk/assemblyscript/build.ts";
import { isFresh } from "../sdk/assemblyscript/fresh.ts";

/** A module that is ready to be named in a configuration. */
interface Built {
  readonly name: string;
  /** Absolute path of the .wasm file. */
  readonly path: string;
  readonly size: number;
  /** 64 hexadecimal digits, for `sha256:`. */
  readonly sha256: string;
}

/** Builds what is older than its sources, the SDK or the lockfile, and describes all, sorted by name. */
export async function buildAll(): Promise<Built[]> {
  const built: Built[] = [];
  for (const name of (await readdir(import.meta.dirname)).sort()) {
    const folder = join(import.meta.dirname, name);
    const manifest = join(folder, "provider.json");
    if (!(await exists(manifest))) continue;
    const out = `${folder}.wasm`;
    if (!(await isFresh(out, [folder]))) {
      await buildProvider({ entry: join(folder, "assembly/index.ts"), manifest, out });
    }
    const bytes = await readFile(out);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    built.push({ name, path: out, size: bytes.length, sha256 });
  }
  return built;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

if (import.meta.main) {
  for (const { name, size, sha256 } of await buildAll()) {
    console.log(`${name.padEnd(12)} ${String(size).padStart(7)} bytes  sha256 ${sha256}`);
  }
}
