/** The Debian packages that tests run. `npm test` installs them if it can; missing ones are never mocked. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { installDebian13 } from "./debian13.ts";

/** All packages of all tests. */
export const PACKAGES = [
  "bubblewrap",
  "buildah",
  "chromium",
  "clang",
  "containernetworking-plugins",
  "debootstrap",
  "fish",
  "gnupg",
  "iproute2",
  "lld",
  "mandoc",
  "minisign",
  "opensc",
  "openssl",
  "podman",
  "python3",
  "rpm",
  "runc",
  "softhsm2",
  "swtpm",
  "swtpm-tools",
  "systemd",
  "systemd-container",
  "tpm2-tools",
  "zsh",
] as const;
export type Package = (typeof PACKAGES)[number];

/** Only the programs of these are needed, and an installation would start a service: they are unpacked, not installed. */
export const PROGRAMS = {
  prometheus: "usr/bin/promtool",
  // Headers of both architectures, for the numbers of their system calls.
  "linux-libc-dev-amd64-cross": "usr/x86_64-linux-gnu/include/asm/unistd_64.h",
  "linux-libc-dev-arm64-cross": "usr/aarch64-linux-gnu/include/asm-generic/unistd.h",
} as const;

const UNPACKED = join(import.meta.dirname, "..", "..", ".tmp", "debian");

/** The path of the program; throws with the remedy where it is missing. */
export function programOf(name: keyof typeof PROGRAMS): string {
  const path = pathOf(name);
  if (path === undefined) throw new Error(`Cannot run this test: ${remedyOf(name)}`);
  return path;
}

/** Throws with the packages to install where one is missing. */
export function requireDebian(packages: readonly Package[]): void {
  const missing = packages.filter((name) => !isInstalled(name));
  if (missing.length > 0) throw new Error(`Cannot run this test: ${remedy(missing)}`);
}

/**
 * Installs what is missing, as root and through apt.
 * @returns the remedy where that is not possible; undefined where all packages are installed
 */
export function installDebian(): string | undefined {
  return installPackages() ?? installDebian13();
}

function installPackages(): string | undefined {
  const missing = () => PACKAGES.filter((name) => !isInstalled(name));
  const absent = () => (Object.keys(PROGRAMS) as (keyof typeof PROGRAMS)[]).filter((name) => !pathOf(name));
  if (missing().length + absent().length === 0) return undefined;
  if (process.getuid?.() === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const apt = (...args: string[]) =>
      spawnSync("apt-get", ["-q", "-y", "-o", "DPkg::Lock::Timeout=300", ...args], {
        env,
        stdio: ["ignore", "ignore", "inherit"],
      });
    console.log(`Installing ${[...missing(), ...absent()].join(", ")} …`);
    // The package lists may be old or missing.
    if (!install(apt)) {
      apt("update");
      install(apt);
    }
  }
  const still = missing();
  if (still.length > 0) return remedy(still);
  return absent().map(remedyOf)[0];

  function install(apt: (...args: string[]) => { status: number | null }): boolean {
    const wanted = missing();
    const installed =
      wanted.length === 0 || apt("install", "--no-install-recommends", ...wanted).status === 0;
    return absent().map(unpack).every(Boolean) && installed;
  }
}

/** Downloads the package and unpacks it, without an installation. */
function unpack(name: string): boolean {
  mkdirSync(UNPACKED, { recursive: true });
  const folder = mkdtempSync(join(UNPACKED, "new-"));
  try {
    if (spawnSync("apt-get", ["-q", "download", name], { cwd: folder, stdio: "ignore" }).status !== 0)
      return false;
    const command = `dpkg-deb -x ./*.deb files`;
    if (spawnSync("sh", ["-c", command], { cwd: folder, stdio: "ignore" }).status !== 0) return false;
    rmSync(join(UNPACKED, name), { recursive: true, force: true });
    renameSync(join(folder, "files"), join(UNPACKED, name));
    return true;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function pathOf(name: keyof typeof PROGRAMS): string | undefined {
  return [join("/", PROGRAMS[name]), join(UNPACKED, name, PROGRAMS[name])].find((path) => existsSync(path));
}

function remedyOf(name: keyof typeof PROGRAMS): string {
  const folder = join(UNPACKED, name);
  return `Debian's ${PROGRAMS[name]} must be there: apt-get download ${name}, then dpkg-deb -x ${name}_*.deb ${folder}`;
}

function isInstalled(name: string): boolean {
  const { stdout } = spawnSync("dpkg", ["-s", name], { encoding: "utf8" });
  return /^Status: install ok installed$/m.test(stdout);
}

function remedy(missing: readonly string[]): string {
  return `Debian's ${missing.join(", ")} must be there; as root: apt-get install ${missing.join(" ")}`;
}
