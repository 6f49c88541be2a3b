/**
 * npm test: everything, in the order in which a failure is cheapest. With arguments, only the tests whose path has one of them:
 *
 *     npm test -- kms sandbox
 *
 * Debian's packages that tests run are installed where this is root; else it says which are missing. Where Go is missing, the tests
 * against servers that are built with it are left out with one line each; under CI=true that is a failure.
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";
import { installDebian } from "./support/debian.ts";

const root = join(import.meta.dirname, "..");
const wanted = process.argv.slice(2);
const ci = process.env.CI === "true";
/** Real servers that are built before the tests with such a path run. */
const SERVERS = [
  { tests: /^test\/(e2e|operator)\//, what: "a real kube-apiserver and etcd", build: "test/e2e/go/build.sh" },
  {
    tests: /^test\/audit\/note\//,
    what: "Go's own reader of signed notes",
    build: "test/audit/note/build.sh",
  },
  { tests: /openbao|vault/, what: "a real OpenBao", build: "test/openbao/build.sh" },
] as const;
/** These make system calls by the numbers of one architecture, which another one does not have. */
const ONLY_ON_X64 = ["test/sandbox/confinement.test.ts"];
const files = globSync(
  [
    "host/**/*.test.ts",
    "operator/!(node_modules)/**/*.test.ts",
    "proto/**/*.test.ts",
    "sdk/**/*.test.ts",
    "providers/**/*.test.ts",
    "examples/**/*.test.ts",
    "docs/**/*.test.ts",
    "test/**/*.test.ts",
    "bench/**/*.test.ts",
    ".ci/**/*.test.ts",
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
  step("format and lint", join(root, "node_modules/.bin/biome"), ["check", "--error-on-warnings", "."]);
}
const remedy = installDebian();
if (remedy !== undefined) stop(`Cannot test: ${remedy}`);
const fitting = files.filter((file) => process.arch === "x64" || !ONLY_ON_X64.includes(file));
for (const file of files.filter((each) => !fitting.includes(each)))
  console.log(`Left out: ${file}, because it is for x64 and this is ${process.arch}`);
const left = SERVERS.reduce(
  (kept, server) =>
    kept.some((file) => server.tests.test(file)) && !built(server)
      ? kept.filter((file) => !server.tests.test(file))
      : kept,
  fitting,
);
// Without a file, node would look for tests itself.
if (left.length > 0) step("tests", process.execPath, ["--test", "--test-concurrency=2", ...left]);

/** False where it cannot be had and need not be. */
function built({ what, build }: (typeof SERVERS)[number]): boolean {
  if (spawnSync("go", ["version"]).status === 0) {
    step(what, "bash", [join(root, build)]);
    return true;
  }
  if (ci) stop(`Cannot run the tests with ${what}: Go is missing, and CI=true forbids leaving them out`);
  console.log(`Left out: the tests with ${what}, because there is no Go on the PATH`);
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
