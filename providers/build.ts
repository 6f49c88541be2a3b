/**
 * Builds every provider here: providers/<name>/ with a provider.json becomes providers/<name>.wasm, which git ignores. Their digests
 * are in providers/SHA256SUMS, which git tracks: anyone can build the same sources and compare. With --digests this script writes that file.
 */
import { createHash } from "node:crypto";
import { access, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildProvider } from "../sdk/assemblyscript/build.ts";
import { isFresh } from "../sdk/assemblyscript/fresh.ts";

/** A built module, ready for a configuration. */
interface Built {
  readonly name: string;
  /** Absolute path of the .wasm file. */
  readonly path: string;
  readonly size: number;
  /** 64 hexadecimal digits, for `sha256:`. */
  readonly sha256: string;
}

/** Builds each module that is older than its sources, the SDK or the lockfile; returns all modules, sorted by name. */
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

/** In the format of sha256sum; check it with "sha256sum -c" in the folder of the providers. */
export const DIGESTS = join(import.meta.dirname, "SHA256SUMS");

export function digestsOf(built: readonly Pick<Built, "name" | "sha256">[]): string {
  return built.map(({ name, sha256 }) => `${sha256}  ${name}.wasm\n`).join("");
}

if (import.meta.main) {
  const built = await buildAll();
  for (const { name, size, sha256 } of built) {
    console.log(`${name.padEnd(12)} ${String(size).padStart(7)} bytes  sha256 ${sha256}`);
  }
  if (process.argv.includes("--digests")) await writeFile(DIGESTS, digestsOf(built));
  else if ((await readFile(DIGESTS, "utf8")) !== digestsOf(built))
    console.error(
      "The modules differ from providers/SHA256SUMS. After a change of a provider, run: npm run build -- --digests",
    );
}
