/** Makes the files of a release from a clean checkout. The bytes do not depend on the machine, the time or the user. */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { buildAll, digestsOf } from "../../providers/build.ts";
import { makeDist } from "../dist/dist.ts";
import { ARCHITECTURES } from "../dist/packages.ts";
import { type Commit, nameOf, readCommit } from "./commit.ts";
import { isReleased } from "./contents.ts";
import { ReleaseFault } from "./fault.ts";
import { makeFolder } from "./folder.ts";
import { readSecretKey, type SecretKey, signatureOf } from "./minisign.ts";
import { sbomOf } from "./sbom.ts";
import { type SummedFile, writeSums } from "./sums.ts";
import { checkTagged } from "./tagged.ts";

export interface ReleaseOptions {
  /** The root of the checkout. */
  readonly checkout: string;
  /** The folder to make; it must not exist. */
  readonly out: string;
  /** The file of a minisign secret key; without it the release is not signed. */
  readonly key?: string | undefined;
  /** True: leave out the packages that run without a build, which take most of the time. */
  readonly sourceOnly: boolean;
}

export interface MadeRelease {
  /** The archive's name without its extension, and the name of the folder in it. */
  readonly name: string;
  readonly commit: string;
  /** All files except the signatures, sorted by name. */
  readonly files: readonly SummedFile[];
  /** The archives whose program was not started, because they are for another processor than this machine's. */
  readonly notRun: readonly string[];
  /** The id of the signing key. */
  readonly signedBy?: string;
}

/** @throws ReleaseFault; a failed release leaves no files */
export async function makeRelease({ checkout, out, key, sourceOnly }: ReleaseOptions): Promise<MadeRelease> {
  const secret = key === undefined ? undefined : readSecretKey(key);
  const commit = readCommit(checkout);
  const modules = await buildModules(commit);
  const { version }: { version: string } = json(commit, "package.json");
  const name = nameOf(version, commit);
  if (name === `kleidi-${version}`) checkTagged(checkout, version, commit);
  return await makeFolder(out, false, async (into) => {
    const source = writeSource(commit, name, modules, into);
    const packages = sourceOnly ? NOTHING : await writePackages(checkout, into);
    const comment = `${name} commit:${commit.id}`;
    const names = new Set([...source, ...packages.files]);
    const files = writeSums(into, [...names], secret, comment);
    if (secret !== undefined) signModules(into, source, secret, comment);
    const signed = secret !== undefined && { signedBy: secret.id };
    return { name, commit: commit.id, files, notRun: packages.notRun, ...signed };
  });
}

type Modules = Awaited<ReturnType<typeof buildAll>>;
const NOTHING = { files: [], notRun: [] };

/** Writes the archive of the source with its modules, the modules, and the bill of materials. @returns their names */
function writeSource(commit: Commit, name: string, modules: Modules, into: string): string[] {
  const paths = modules.map(({ path }) => path);
  for (const path of paths) copyFileSync(path, join(into, basename(path)));
  const released = commit.files.filter(isReleased);
  writeFileSync(join(into, `${name}.tar`), commit.archive(name, released, paths, "providers"));
  const shipped = modules.map(({ path, sha256 }) => ({ name: basename(path), sha256 }));
  const release = {
    ...json<{ version: string; license: string }>(commit, "package.json"),
    commit: commit.id,
    time: commit.time,
  };
  writeFileSync(join(into, `${name}.cdx.json`), sbomOf(release, json(commit, "package-lock.json"), shipped));
  return [...paths.map((path) => basename(path)), `${name}.tar`, `${name}.cdx.json`];
}

/** Makes the npm package, and a tree with Node for each processor. Their bill of materials is the one of the source. */
async function writePackages(checkout: string, into: string) {
  const dist = await makeDist({ checkout, into, architectures: ARCHITECTURES, archives: true });
  for (const tree of [...dist.trees, dist.operator]) rmSync(join(into, tree), { recursive: true });
  return { files: dist.files, notRun: dist.notRun.map((tree) => `${tree}.tar.gz`) };
}

/** SHA256SUMS covers all files. Each module also has its own signature, which the configuration's `trust` needs. */
function signModules(into: string, names: readonly string[], secret: SecretKey, comment: string): void {
  for (const file of names.filter((each) => each.endsWith(".wasm"))) {
    const bytes = readFileSync(join(into, file));
    writeFileSync(join(into, `${file}.minisig`), signatureOf(secret, bytes, `${comment} file:${file}`));
  }
}

/** Reads the modules, and compares them with the digests of the commit. */
async function buildModules(commit: Commit): Promise<Modules> {
  const modules = await buildAll();
  if (!commit.read("providers/SHA256SUMS").equals(Buffer.from(digestsOf(modules)))) {
    throw new ReleaseFault(
      "the modules that were built are not those of providers/SHA256SUMS: remove providers/*.wasm and try again; if they still differ, npm run build -- --digests, and commit",
    );
  }
  return modules;
}

function json<T>(commit: Commit, path: string): T {
  return JSON.parse(commit.read(path).toString());
}
