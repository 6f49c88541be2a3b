/** test/pkcs11/module.c, compiled with clang of Debian. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireDebian } from "./debian.ts";

const SOURCE = join(import.meta.dirname, "..", "pkcs11", "module.c");

/** The module in a folder of its own, which `remove` deletes. */
export function buildModule(): { readonly path: string; remove(): void } {
  requireDebian(["clang"]);
  const folder = mkdtempSync(join(tmpdir(), "kleidi-pkcs11-"));
  const path = join(folder, "module.so");
  execFileSync("clang", ["-shared", "-fPIC", "-O1", "-o", path, SOURCE], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
