/** Makes the files of a release from a clean checkout: the same bytes wherever, whenever and by whomever it is run. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { buildAll, digestsOf } from "../../providers/build.ts";
import { type Commit, nameOf, readCommit } from "./commit.ts";
import { isReleased } from "./contents.ts";
import { ReleaseFault } from "./fault.ts";
import { readSecretKey, type SecretKey, signatureOf } from "./minisign.ts";
import { sbomOf } from "./sbom.ts";
import { type SummedFile, sumOf, sumsOf } from "./sums.ts";
import { checkTagged } from "./tagged.ts";

export interface ReleaseOptions {
  /** The root of the checkout. */
  readonly checkout: string;
  /** The folder to make; it does not exist yet. */
  readonly out: string;
  /** The file of a secret key of minisign; without one nothing is signed. */
  readonly key?: string | undefined;
}

export interface MadeRelease {
  /** The archive's name without its ending, and the folder in it. */
  readonly name: string;
  readonly commit: string;
  /** All but the signatures, sorted by name. */
  readonly files: readonly SummedFile[];
  /** The id of the key that signed. */
  readonly signedBy?: string;
}

/** @throws ReleaseFault; nothing is left of a release that failed */
export async function makeRelease({ checkout, out, key }: ReleaseOptions): Promise<MadeRelease> {
  const folder = resolve(out);
  if (existsSync(folder)) throw new ReleaseFault(`${out} exists already; name a folder that does not`);
  const secret = key === undefined ? undefined : readSecretKey(key);
  const commit = readCommit(checkout);
  const modules = await buildModules(commit);
  const manifest: { version: string; license: string } = json(commit, "package.json");
  const name = nameOf(manifest.version, commit);
  if (name === `kleidi-${manifest.version}`) checkTagged(checkout, manifest.version, commit);
  const files = new Map<string, Uint8Array>();
  for (const { path } of modules) files.set(basename(path), readFileSync(path));
  const released = commit.files.filter(isReleased);
  const paths = modules.map(({ path }) => path);
  files.set(`${name}.tar`, commit.archive(name, released, paths, "providers"));
  const shipped = modules.map(({ path, sha256 }) => ({ name: basename(path), sha256 }));
  const release = { ...manifest, commit: commit.id, time: commit.time };
  files.set(`${name}.cdx.json`, Buffer.from(sbomOf(release, json(commit, "package-lock.json"), shipped)));
  const described = [...files].map(([file, bytes]) => sumOf(file, bytes));
  described.sort((a, b) => (a.name < b.name ? -1 : 1));
  files.set("SHA256SUMS", Buffer.from(sumsOf(described)));
  if (secret !== undefined) addSignatures(files, secret, `${name} commit:${commit.id}`);
  writeFolder(folder, files);
  return {
    name,
    commit: commit.id,
    files: described,
    ...(secret !== undefined && { signedBy: secret.id }),
  };
}

/** SHA256SUMS vouches for all; a module is signed by itself too, because the configuration's `trust` wants that. */
function addSignatures(files: Map<string, Uint8Array>, secret: SecretKey, comment: string): void {
  for (const [file, bytes] of [...files])
    if (file === "SHA256SUMS" || file.endsWith(".wasm"))
      files.set(`${file}.minisig`, Buffer.from(signatureOf(secret, bytes, `${comment} file:${file}`)));
}

/** The modules, which are those of the commit's own digests. */
async function buildModules(commit: Commit) {
  const modules = await buildAll();
  if (!commit.read("providers/SHA256SUMS").equals(Buffer.from(digestsOf(modules)))) {
    throw new ReleaseFault(
      "the modules that were built are not those of providers/SHA256SUMS: remove providers/*.wasm and try again; if they differ still, npm run build -- --digests, and commit",
    );
  }
  return modules;
}

/** All or nothing: the folder gets its name when everything is in it. */
function writeFolder(folder: string, files: ReadonlyMap<string, Uint8Array>): void {
  mkdirSync(dirname(folder), { recursive: true });
  const unfinished = mkdtempSync(`${folder}.unfinished-`);
  try {
    for (const [file, bytes] of files) writeFileSync(join(unfinished, file), bytes, { flush: true });
    chmodSync(unfinished, 0o755);
    renameSync(unfinished, folder);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    throw error;
  }
}

function json<T>(commit: Commit, path: string): T {
  return JSON.parse(commit.read(path).toString());
}
