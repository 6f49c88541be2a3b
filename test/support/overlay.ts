/** Checks whether the file system of a folder can be the lower layer of an overlay; in some containers it cannot. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";

/** @param folder an existing folder */
export function canOverlay(folder: string): boolean {
  const work = mkdtempSync(join(folder, "overlay-"));
  try {
    for (const each of ["lower", "upper", "work", "merged"]) mkdirSync(join(work, each));
    const options = `lowerdir=${work}/lower,upperdir=${work}/upper,workdir=${work}/work`;
    // In its own mount namespace: the mount disappears with the command.
    const mount = ["mount", "-t", "overlay", "overlay", "-o", options, join(work, "merged")];
    return spawnSync("unshare", ["--mount", ...mount], { stdio: "ignore" }).status === 0;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
