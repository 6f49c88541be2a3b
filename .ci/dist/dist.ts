/**
 * Makes the installable forms of a checkout. The image and the packages of distributions contain the tree: a folder with the host, its
 * packages and Node, which runs in any location.
 *
 *     NAME.tgz                    for npm: everything but Node, which npm installs for the machine's processor
 *     NAME-linux-ARCH/            the tree: the same files, and node_modules/node-linux-ARCH/bin/node; host/kleidi starts it
 *     NAME-linux-ARCH.tar.gz      the tree as an archive
 *     provider-sdk-VERSION.tgz    the package of npm for authors of providers
 *     NAME-operator/              the tree of the operator, without Node
 *     NAME.cdx.json               the software bill of materials
 *
 * `makeDist` makes all forms. Tests call `builtDist()` of built.ts, which builds once for the same files.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Head, nameOf, readHead } from "../release/commit.ts";
import { ReleaseFault } from "../release/fault.ts";
import type { Lockfile } from "../release/sbom.ts";
import { archive, normalise, pack } from "./archive.ts";
import { makeOperatorTree } from "./operator.ts";
import { makePackage } from "./package.ts";
import { type Architecture, addNode } from "./packages.ts";
import { run } from "./run.ts";
import { makeSdk } from "./sdk.ts";

export interface DistOptions {
  /** The root of the checkout. */
  readonly checkout: string;
  /** An existing folder. */
  readonly into: string;
  /** The processors to make a tree for; an empty list makes only the npm package. */
  readonly architectures: readonly Architecture[];
  /** False: skip the archives of the trees, which take most of the time. */
  readonly archives: boolean;
}

export interface Dist {
  /** The common name, without extension. */
  readonly name: string;
  /** 40 hexadecimal digits. */
  readonly commit: string;
  /** Seconds since 1970: the time of the commit, and of each file in the tree. */
  readonly time: number;
  /** Names of files in the folder, sorted. */
  readonly files: readonly string[];
  /** Names of the trees in the folder. */
  readonly trees: readonly string[];
  /** The name of the operator's tree in the folder. */
  readonly operator: string;
  /** Trees for another processor than this machine's; all others have printed their version here. */
  readonly notRun: readonly string[];
}

/** @throws ReleaseFault; the folder may then contain files */
export async function makeDist({ checkout, into, architectures, archives }: DistOptions): Promise<Dist> {
  const head = readHead(checkout);
  const { version }: { version: string } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"));
  const name = nameOf(version, head);
  const work = mkdtempSync(join(into, "work-"));
  try {
    const tgz = join(into, `${name}.tgz`);
    await makeTgz(checkout, head, work, tgz, join(into, `${name}.cdx.json`));
    const treeOf = (arch: Architecture) => `${name}-linux-${arch}`;
    for (const arch of architectures) {
      makeTree(checkout, head, arch, tgz, join(into, treeOf(arch)));
      if (arch === process.arch) tryTree(join(into, treeOf(arch)), version);
    }
    const trees = architectures.map(treeOf);
    const notRun = architectures.filter((arch) => arch !== process.arch).map(treeOf);
    const operator = `${name}-operator`;
    makeOperatorTree(checkout, join(into, operator), head.time);
    const sdk = makeSdk(checkout, head, into, name.replace(/^kleidi/, "provider-sdk"));
    const archived = archives ? trees.map((tree) => archive(join(into, tree))) : [];
    const files = [
      `${name}.cdx.json`,
      `${name}.tgz`,
      sdk,
      ...archived.map((path) => path.slice(into.length + 1)),
    ];
    return { name, commit: head.id, time: head.time, files: files.sort(), trees, notRun, operator };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function makeTgz(checkout: string, head: Head, work: string, tgz: string, sbom: string): Promise<void> {
  const folder = join(work, "package");
  const packed = join(work, "packed");
  for (const each of [folder, packed]) mkdirSync(each);
  await makePackage(checkout, head, folder);
  normalise(folder, head.time);
  renameSync(pack(folder, packed), tgz);
  copyFileSync(join(folder, "kleidi.cdx.json"), sbom);
}

/** Unpacks the npm package, so that the tree has the same files, and adds Node. */
function makeTree(checkout: string, head: Head, arch: Architecture, tgz: string, tree: string): void {
  const lock: Lockfile = JSON.parse(readFileSync(join(checkout, "package-lock.json"), "utf8"));
  mkdirSync(tree);
  run("tar", ["--extract", "--gzip", "--strip-components=1", "--file", tgz, "--directory", tree], tree);
  const download = mkdtempSync(`${tree}-node-`);
  try {
    addNode(lock, arch, download, tree);
  } finally {
    rmSync(download, { recursive: true, force: true });
  }
  normalise(tree, head.time);
}

function tryTree(tree: string, version: string): void {
  const said = run(join(tree, "host/kleidi"), ["--version"], tree);
  if (!said.startsWith(`${version}\n`))
    throw new ReleaseFault(
      `host/kleidi of the tree printed ${JSON.stringify(said)}, not the version ${version}`,
    );
}
