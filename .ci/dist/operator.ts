/** The tree of the operator: its JavaScript and its packages, without Node. Its image is made of it (operator/Dockerfile). */
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { normalise } from "./archive.ts";
import { installPackages } from "./packages.ts";
import { run } from "./run.ts";

/**
 * @param checkout the root of the checkout that this program is in
 * @param folder the folder to make; it does not exist yet
 * @param time of each file: seconds since 1970
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
  // Only their types are used, and zod, which they import, is not installed.
  rmSync(join(operator, "api"), { recursive: true });
  installPackages(checkout, operator, "operator");
  copyFileSync(join(checkout, "LICENSE"), join(folder, "LICENSE"));
  normalise(folder, time);
}
