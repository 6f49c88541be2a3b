/** Installs the npm packages of the lockfile into the package and the tree, without files that no program reads. */
import { createHash } from "node:crypto";
import { copyFileSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { ReleaseFault } from "../release/fault.ts";
import type { Lockfile } from "../release/sbom.ts";
import { isLicence, isUnusedFile, isUnusedFolder } from "./contents.ts";
import { run } from "./run.ts";

/** Processors with a Node in the lockfile, named as in process.arch. */
export const ARCHITECTURES = ["x64", "arm64"] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

const QUIET = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
/** The package.json of a package, and not those of its folders. */
const PACKAGE = /(^|\/node_modules\/)(@[^/]+\/)?[^/]+\/package\.json$/;
/** The files of Node's package that a host needs. */
const NODE_FILES = ["bin/node", "LICENSE", "package.json"];

/**
 * Installs the production packages without Node; npm verifies each against the lockfile's digest.
 * @param folder in which node_modules is made
 * @param of the folder of package.json and its lockfile, relative to the checkout
 * @throws ReleaseFault if npm fails
 */
export function installPackages(checkout: string, folder: string, of = "."): void {
  for (const file of ["package.json", "package-lock.json"])
    copyFileSync(join(checkout, of, file), join(folder, file));
  copyFileSync(join(checkout, ".npmrc"), join(folder, ".npmrc"));
  run("npm", ["ci", "--omit=dev", "--omit=optional", ...QUIET], folder);
  for (const file of ["package-lock.json", ".npmrc"]) rmSync(join(folder, file));
  // npm writes this file for its own use.
  rmSync(join(folder, "node_modules", ".package-lock.json"), { force: true });
  removeUnused(join(folder, "node_modules"));
}

/**
 * Removes the code of the packages that the bundle contains. Each keeps its licence, and its package.json, by which a scanner finds it.
 * @param modules a folder node_modules
 * @param except names of packages that are imported from there
 * @example keepLicences("/tmp/package/node_modules", ["@extism/extism"])
 */
export function keepLicences(modules: string, except: readonly string[]): void {
  const kept = except.map((name) => `${name}/`);
  for (const path of globSync("**/*", { cwd: modules })) {
    const file = join(modules, path);
    const isKept = kept.some((start) => path.startsWith(start));
    if (isKept || statSync(file).isDirectory() || isLicence(basename(path))) continue;
    if (!PACKAGE.test(path)) rmSync(file);
  }
  removeEmpty(modules);
}

/** @returns true if the folder was empty, and is removed */
function removeEmpty(folder: string): boolean {
  const left = readdirSync(folder, { withFileTypes: true }).filter(
    (entry) => !(entry.isDirectory() && removeEmpty(join(folder, entry.name))),
  );
  if (left.length === 0) rmSync(folder, { recursive: true });
  return left.length === 0;
}

function removeUnused(folder: string): void {
  const entries = readdirSync(folder, { withFileTypes: true });
  const isPackage = entries.some(({ name }) => name === "package.json");
  for (const entry of entries) {
    const path = join(folder, entry.name);
    const isUnused = entry.isDirectory()
      ? entry.name === ".bin" || (isPackage && isUnusedFolder(entry.name))
      : isUnusedFile(entry.name);
    if (isUnused) rmSync(path, { recursive: true });
    else if (entry.isDirectory()) removeUnused(path);
  }
}

/**
 * Adds the Node of the lockfile.
 * @param work an empty folder for the download
 * @param tree in which node_modules/node-linux-ARCH is made
 * @throws ReleaseFault if npm fails, or the digest is not the lockfile's
 */
export function addNode(lock: Lockfile, arch: Architecture, work: string, tree: string): void {
  const name = `node-linux-${arch}`;
  const { version, integrity = "" } = lock.packages[`node_modules/${name}`] ?? {};
  run("npm", ["pack", `${name}@${version}`, ...QUIET], work);
  const [archive = ""] = globSync(`${name}-*.tgz`, { cwd: work });
  const sha512 = createHash("sha512")
    .update(readFileSync(join(work, archive)))
    .digest("base64");
  if (integrity !== `sha512-${sha512}`)
    throw new ReleaseFault(
      `the package ${name}@${version} has the SHA-512 ${sha512}, not the one of package-lock.json; remove it from npm's cache and run this again`,
    );
  const folder = join(tree, "node_modules", name);
  mkdirSync(folder, { recursive: true });
  const members = NODE_FILES.map((file) => `package/${file}`);
  run(
    "tar",
    ["--extract", "--strip-components=1", "--file", join(work, archive), "--directory", folder, ...members],
    work,
  );
  if (!statSync(join(folder, "bin/node")).isFile())
    throw new ReleaseFault(`the package ${name} has no bin/node`);
  rmSync(join(work, archive));
}
