/**
 * Programs of Debian 13 for machines with an older Debian: unpacked without an installation, with their own C library, and started through
 * that library's loader. They come from the archive that this machine's apt uses, with the same signatures.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

export const SUITE = "trixie";
const PACKAGES = ["util-linux", "libc6", "libcap-ng0"];
const OWN = "setpriv";
const SYSTEM = ["bwrap", "prlimit", "choom"];
const HOME = join(import.meta.dirname, "..", "..", ".tmp", "debian13");

/**
 * The folder of programs for the wall of Landlock.
 * @returns undefined where the system's own folders have them
 * @throws Error with the remedy where they are missing
 */
export function wallPrograms(): string | undefined {
  if (isRecent("/usr/bin/setpriv")) return undefined;
  const folder = join(HOME, "bin");
  if (!isRecent(join(folder, OWN))) throw new Error(`Cannot run this test: ${REMEDY}`);
  return folder;
}

/**
 * The same in another folder, for a user who cannot read this checkout.
 * @param to a folder that does not exist yet
 * @returns the folder of programs in it; undefined: the system's own folders have them
 */
export function copyWallPrograms(to: string): string | undefined {
  if (wallPrograms() === undefined) return undefined;
  mkdirSync(to);
  cpSync(join(HOME, "files"), join(to, "files"), { recursive: true, verbatimSymlinks: true });
  writeBin(to);
  return join(to, "bin");
}

/** Downloads and unpacks missing packages. @returns the remedy where that is not possible */
export function installDebian13(): string | undefined {
  if (isRecent("/usr/bin/setpriv")) return undefined;
  if (isRecent(join(HOME, "bin", OWN))) {
    linkSystem(join(HOME, "bin"));
    return undefined;
  }
  console.log(`Unpacking ${PACKAGES.join(", ")} of Debian 13 …`);
  mkdirSync(join(HOME, ".."), { recursive: true });
  const folder = mkdtempSync(`${HOME}-`);
  try {
    const archive = archiveOf();
    if (archive === undefined || !download(archive, folder)) return REMEDY;
    chmodSync(folder, 0o755);
    rmSync(HOME, { recursive: true, force: true });
    renameSync(folder, HOME);
    writeBin(HOME);
    return isRecent(join(HOME, "bin", OWN)) ? undefined : REMEDY;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const REMEDY = "setpriv of util-linux 2.41 or later must be there: it is a part of Debian 13";

function isRecent(setpriv: string): boolean {
  const { stdout } = spawnSync(setpriv, ["--help"], { encoding: "utf8" });
  return (stdout ?? "").includes("--landlock-access") && stdout.includes("--seccomp-filter");
}

/** The archive from which this machine's apt gets Debian's packages. */
export function archiveOf(): string | undefined {
  const format = "$(REPO_URI) $(COMPONENT) $(ORIGIN)";
  const { stdout } = spawnSync("apt-get", ["indextargets", "--format", format], { encoding: "utf8" });
  const line = (stdout ?? "")
    .split("\n")
    .find((each) => / main Debian$/.test(each) && !each.includes("security"));
  return line?.split(" ")[0];
}

function download(archive: string, folder: string): boolean {
  const etc = join(folder, "etc");
  for (const each of [
    etc,
    join(folder, "state"),
    join(folder, "cache", "archives", "partial"),
    join(folder, "files"),
  ])
    mkdirSync(each, { recursive: true });
  const list = join(etc, "sources.list");
  const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  writeFileSync(list, `deb [signed-by=${keyring}] ${archive} ${SUITE} main\n`);
  const options = Object.entries({
    "Dir::Etc::sourcelist": list,
    "Dir::Etc::sourceparts": "-",
    "Dir::State": join(folder, "state"),
    "Dir::Cache": join(folder, "cache"),
    // apt keeps the rights of the current user to read the archive of the other release.
    "APT::Sandbox::User": "root",
  }).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const apt = (...args: string[]) =>
    spawnSync("apt-get", ["-q", ...options, ...args], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] })
      .status === 0;
  if (!apt("update") || !apt("download", ...PACKAGES)) return false;
  const unpacked = readdirSync(folder)
    .filter((name) => name.endsWith(".deb"))
    .every((name) => spawnSync("dpkg-deb", ["-x", name, "files"], { cwd: folder }).status === 0);
  rmSync(join(folder, "state"), { recursive: true, force: true });
  rmSync(join(folder, "cache"), { recursive: true, force: true });
  return unpacked;
}

/** A folder in the form that sandbox.programs requires. */
function writeBin(folder: string): void {
  const bin = join(folder, "bin");
  rmSync(bin, { recursive: true, force: true });
  mkdirSync(bin);
  const triplet = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
  const loader = process.arch === "arm64" ? "ld-linux-aarch64.so.1" : "ld-linux-x86-64.so.2";
  const libraries = join(folder, "files", "usr", "lib", triplet);
  const program = join(folder, "files", "usr", "bin", OWN);
  writeFileSync(
    join(bin, OWN),
    `#!/bin/sh\nexec '${join(libraries, loader)}' --library-path '${libraries}' '${program}' "$@"\n`,
    { mode: 0o755 },
  );
  linkSystem(bin);
}

/** Links the programs that the system has. They can be installed after the folder was made. */
export function linkSystem(bin: string, from = "/usr/bin"): void {
  for (const name of SYSTEM)
    if (existsSync(join(from, name)) && !existsSync(join(bin, name)))
      symlinkSync(join(from, name), join(bin, name));
}
