/**
 * npm test: everything, in the order in which a failure is cheapest. With arguments, only the tests whose path has one of them:
 *
 *     npm test -- kms sandbox
 *
 * Debian's packages that tests run are installed where this is root; else it says which are missing. Where Go is missing, the
 * end-to-end tests are left out with one line; under CI=true that is a failure.
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";
import { installDebian } from "./support/debian.ts";

const root = join(import.meta.dirname, "..");
const wanted = process.argv.slice(2);
const ci = process.env.CI === "true";
const E2E = "test/e2e/";
const files = globSync(
  [
    "host/**/*.test.ts",
    "proto/**/*.test.ts",
    "sdk/**/*.test.ts",
    "providers/**/*.test.ts",
    "examples/**/*.test.ts",
    "docs/**/*.test.ts",
    "test/**/*.test.ts",
    "bench/**/*.test.ts",
  ],
  {
    cwd: root,
  },
)
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort();

if (files.length === 0) stop(`Cannot test: no test file has ${wanted.join(" or ")} in its path`);
if (wanted.length === 0) {
  step("types", join(root, "node_modules/.bin/tsc"), ["--noEmit"]);
  step("generated messages", process.execPath, [join(root, "proto/generate.ts"), "--check"]);
  step("format and lint", join(root, "node_modules/@biomejs/cli-linux-x64/biome"), [
    "check",
    "--error-on-warnings",
    ".",
  ]);
}
const remedy = installDebian();
if (remedy !== undefined) stop(`Cannot test: ${remedy}`);
const left =
  files.some((file) => file.startsWith(E2E)) && !buildServers()
    ? files.filter((file) => !file.startsWith(E2E))
    : files;
step("tests", process.execPath, ["--test", "--test-concurrency=2", ...left]);

/** The real kube-apiserver, etcd and envelope client; false where they cannot be had and need not be. */
function buildServers(): boolean {
  const found = spawnSync("go", ["version"]).status === 0;
  if (found) {
    step("servers for the end-to-end tests", "bash", [join(root, "test/e2e/go/build.sh")]);
    return true;
  }
  if (ci) stop("Cannot run the end-to-end tests: Go is missing, and CI=true forbids leaving them out");
  console.log("Left out: test/e2e (a real kube-apiserver and etcd), because there is no Go on the PATH");
  return false;
}

function step(name: string, command: string, args: string[]): void {
  console.log(`\n== ${name}`);
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) stop(`Failed: ${name} (${error?.message ?? `exit code ${status}`})`);
}

function stop(message: string): never {
  console.error(message);
  process.exit(1);
}
