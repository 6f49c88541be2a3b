/** Makes the tree of the operator: its JavaScript and its packages, without Node. The image is built from it (operator/Dockerfile). */
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { normalise } from "./archive.ts";
import { installPackages } from "./packages.ts";
import { run } from "./run.ts";

/**
 * @param checkout the root of the checkout that contains this program
 * @param folder the folder to make; it must not exist
 * @param time of each file, in seconds since 1970
 * @throws ReleaseFault if a step fails
 */
export function makeOperatorTree(checkout: string, folder: string, time: number): void {
  mkdirSync(folder);
  const tsc = join(checkout, "node_modules", ".bin", "tsc");
  run(
    tsc,
    ["--project", join(checkout, ".ci", "dist", "tsconfig.operator.json"), "--outDir", folder],
    checkout,
  );
  const operator = join(folder, "operator");
  // Only the types of these files are used, and zod, which they import, is not installed.
  rmSync(join(operator, "api"), { recursive: true });
  installPackages(checkout, operator, "operator");
  copyFileSync(join(checkout, "LICENSE"), join(folder, "LICENSE"));
  normalise(folder, time);
}
