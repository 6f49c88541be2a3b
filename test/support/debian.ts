/** Debian's packages that tests run for real. `npm test` installs them where it may; nothing is mocked where they are missing. */
import { spawnSync } from "node:child_process";

/** Everything that any test asks for. */
export const PACKAGES = [
  "gnupg",
  "minisign",
  "openssl",
  "python3",
  "swtpm",
  "swtpm-tools",
  "tpm2-tools",
] as const;
export type Package = (typeof PACKAGES)[number];

/** Throws with what to install where one is missing. */
export function requireDebian(packages: readonly Package[]): void {
  const missing = packages.filter((name) => !isInstalled(name));
  if (missing.length > 0) throw new Error(`Cannot run this test: ${remedy(missing)}`);
}

/**
 * Installs what is missing, as root and through apt.
 * @returns what to do where that is not possible; nothing where all is there
 */
export function installDebian(): string | undefined {
  const missing = () => PACKAGES.filter((name) => !isInstalled(name));
  if (missing().length === 0) return undefined;
  if (process.getuid?.() === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const apt = (...args: string[]) =>
      spawnSync("apt-get", ["-q", "-y", "-o", "DPkg::Lock::Timeout=300", ...args], {
        env,
        stdio: ["ignore", "ignore", "inherit"],
      });
    console.log(`Installing ${missing().join(", ")} …`);
    // The package lists may be old or not there at all.
    if (install(apt) !== 0) {
      apt("update");
      install(apt);
    }
  }
  const still = missing();
  return still.length === 0 ? undefined : remedy(still);

  function install(apt: (...args: string[]) => { status: number | null }): number | null {
    return apt("install", "--no-install-recommends", ...missing()).status;
  }
}

function isInstalled(name: string): boolean {
  const { stdout } = spawnSync("dpkg", ["-s", name], { encoding: "utf8" });
  return /^Status: install ok installed$/m.test(stdout);
}

function remedy(missing: readonly string[]): string {
  return `Debian's ${missing.join(", ")} must be there; as root: apt-get install ${missing.join(" ")}`;
}
