/** Makes the package: the bundled host, the guest's program with its package, the modules, the documents and the licences of packages. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { SHELLS } from "../../host/cli/completion.ts";
import { manPages } from "../../host/cli/manual.ts";
import { PROGRAM } from "../../host/main.ts";
import { buildAll, DIGESTS, digestsOf } from "../../providers/build.ts";
import { type Head, readFiles } from "../release/commit.ts";
import { ReleaseFault } from "../release/fault.ts";
import { type Lockfile, sbomOf } from "../release/sbom.ts";
import { bundle } from "./bundle.ts";
import { isCopied } from "./contents.ts";
import { type Manifest, manifestOf } from "./manifest.ts";
import { installPackages, keepLicences } from "./packages.ts";

/** What the programs of the providers' processes import: they are copied, not bundled (contents.ts). */
const OF_GUESTS = ["@extism/extism"];

/**
 * @param checkout the root of the checkout that contains this program
 * @param folder an empty folder
 * @throws ReleaseFault if a step fails, or the modules do not match providers/SHA256SUMS
 */
export async function makePackage(checkout: string, head: Head, folder: string): Promise<void> {
  const manifest: Manifest = json(checkout, "package.json");
  const modules = await buildModules();
  installPackages(checkout, folder);
  await bundle(checkout, folder);
  keepLicences(join(folder, "node_modules"), OF_GUESTS);
  for (const path of readFiles(checkout).filter(isCopied))
    if (existsSync(join(checkout, path))) copy(checkout, path, folder);
  for (const { path } of modules) copy(checkout, `providers/${basename(path)}`, folder);
  const shipped = modules.map(({ path, sha256 }) => ({ name: basename(path), sha256 }));
  const release = { ...manifest, commit: head.id, time: head.time };
  writeFileSync(
    join(folder, "kleidi.cdx.json"),
    sbomOf(release, json<Lockfile>(checkout, "package-lock.json"), shipped),
  );
  const gitHead = head.changes === "" ? head.id : `${head.id}-modified`;
  writeFileSync(join(folder, "package.json"), manifestOf(manifest, gitHead, writeManual(folder, head)));
  writeCompletions(folder);
}

/** @returns the paths of the man pages */
function writeManual(folder: string, { time }: Head): string[] {
  mkdirSync(join(folder, "man"));
  const day = new Date(time * 1000).toISOString().slice(0, 10);
  return manPages(PROGRAM, day).map(({ file, text }) => {
    writeFileSync(join(folder, "man", file), text);
    return `man/${file}`;
  });
}

function writeCompletions(folder: string): void {
  mkdirSync(join(folder, "completions"));
  for (const [shell, script] of Object.entries(SHELLS))
    writeFileSync(join(folder, "completions", `kleidi.${shell}`), script(PROGRAM));
}

async function buildModules() {
  const modules = await buildAll();
  if (readFileSync(DIGESTS, "utf8") === digestsOf(modules)) return modules;
  throw new ReleaseFault(
    "the modules that were built are not those of providers/SHA256SUMS: after a change of a provider, npm run build -- --digests",
  );
}

function copy(from: string, path: string, to: string): void {
  mkdirSync(dirname(join(to, path)), { recursive: true });
  copyFileSync(join(from, path), join(to, path));
}

function json<T>(checkout: string, path: string): T {
  return JSON.parse(readFileSync(join(checkout, path), "utf8"));
}
