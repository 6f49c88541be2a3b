/** Tests that need programs of the system say what to install. */
import { spawnSync } from "node:child_process";

/** Throws, with the command to run, if one of these Debian packages is not installed. */
export function requireDebian(packages: readonly string[]): void {
  const missing = packages.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  const names = missing.join(" ");
  throw new Error(`Cannot run this test without ${names}; as root, run: apt-get install ${names}`);
}

function isInstalled(name: string): boolean {
  const { status, stdout } = spawnSync("dpkg", ["-s", name], { encoding: "utf8" });
  return status === 0 && /^Status: install ok installed$/m.test(stdout);
}
