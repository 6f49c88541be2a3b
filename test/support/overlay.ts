/** Whether the file system of a folder can be the lower part of an overlay: in some containers it cannot. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";

/** @param folder a folder that exists */
export function canOverlay(folder: string): boolean {
  const work = mkdtempSync(join(folder, "overlay-"));
  try {
    for (const each of ["lower", "upper", "work", "merged"]) mkdirSync(join(work, each));
    const options = `lowerdir=${work}/lower,upperdir=${work}/upper,workdir=${work}/work`;
    // In a mount namespace of its own: the mount is gone with the command.
    const mount = ["mount", "-t", "overlay", "overlay", "-o", options, join(work, "merged")];
    return spawnSync("unshare", ["--mount", ...mount], { stdio: "ignore" }).status === 0;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
