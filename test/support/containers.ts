/** buildah and podman over one storage, which only the tests of this checkout use. */
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { canOverlay } from "./overlay.ts";

/** In this checkout: another one may have other images under the same names. */
export const STORAGE = join(import.meta.dirname, "..", "..", ".tmp", "images");
const RUN_MS = 600_000;

let flags: readonly string[] | undefined;

/** The flags of buildah and podman that name the storage. */
export function storageFlags(): readonly string[] {
  mkdirSync(STORAGE, { recursive: true });
  flags ??= [
    ...["--root", join(STORAGE, "root"), "--runroot", join(STORAGE, "run")],
    ...["--storage-driver", canOverlay(STORAGE) ? "overlay" : "vfs"],
  ];
  return flags;
}

/** The flags of podman on a machine where systemd is not process 1. crun refuses a machine with both versions of cgroups. */
export const podmanFlags = () => [...storageFlags(), "--cgroup-manager", "cgroupfs", "--runtime", "runc"];

/**
 * @returns stdout of buildah, without the last newline
 * @throws Error with its stderr
 */
export function buildah(command: string, ...args: string[]): string {
  return output("buildah", [...storageFlags(), command, ...args]);
}

/** The same for podman. */
export function podman(command: string, ...args: string[]): string {
  return output("podman", [...podmanFlags(), command, ...args]);
}

/** Runs podman. @returns its exit status and output */
export function tryPodman(...args: string[]): SpawnSyncReturns<string> {
  return spawnSync("podman", [...podmanFlags(), ...args], { encoding: "utf8", timeout: RUN_MS });
}

export function output(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: "utf8",
    timeout: RUN_MS,
    maxBuffer: 1 << 26,
  });
  if (status === 0) return stdout.replace(/\n$/, "");
  throw new Error(`${command} ${args.join(" ")} gave ${error?.message ?? status}:\n${stdout}${stderr}`);
}
