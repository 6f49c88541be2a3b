/**
 * npm test: all tests, the cheapest failures first. With arguments, only the tests whose path contains one of them:
 *
 *     npm test -- kms sandbox
 *
 * As root, the Debian packages that the tests need are installed; otherwise the missing ones are listed. The servers that tests need are
 * built with Go, one after the other, while the other tests run. Without Go, the tests with these servers are skipped with one line each;
 * under CI=true that is a failure.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { join } from "node:path";
import { installDebian } from "./support/debian.ts";

const root = join(import.meta.dirname, "..");
const wanted = process.argv.slice(2);
const ci = process.env.CI === "true";
/** Real servers that are built before the tests with such a path run. */
const SERVERS = [
  {
    tests: /^test\/(e2e|helm|install|node|operator)\//,
    what: "a real kube-apiserver and etcd",
    build: "test/e2e/go/build.sh",
  },
  {
    tests: /^test\/audit\/note\//,
    what: "Go's own reader of signed notes",
    build: "test/audit/note/build.sh",
  },
  {
    tests: /^test\/(helm|node|operator)\//,
    what: "a real kubelet, kube-controller-manager and containerd",
    build: "test/node/go/build.sh",
  },
  {
    tests: /^test\/install\//,
    what: "kubectl, etcdctl and etcdutl",
    build: "test/install/go/build.sh",
  },
  {
    tests: /^test\/(install|packages)\//,
    what: "nfpm, which writes the packages",
    build: "deploy/packages/go/build.sh",
  },
  { tests: /^test\/helm\//, what: "a real Helm", build: "test/helm/build.sh" },
  {
    tests: /^test\/kmsclient\//,
    what: "kube-apiserver's KMS v2 client",
    build: "test/kmsclient/build.sh",
  },
  { tests: /^test\/kmsclient\/conformance/, what: "a plugin in Go", build: "bench/go/build.sh" },
  {
    tests: /^(test\/provider\/new|\.ci\/dist\/author)/,
    what: "Go's compiler for WebAssembly",
    build: "test/provider/go-build.sh",
  },
  { tests: /^test\/(aws\/|e2e\/takeover-aws)/, what: "AWS's SDK for Go", build: "test/aws/build.sh" },
  { tests: /^test\/gcp\//, what: "Google Cloud's SDK for Go", build: "test/gcp/build.sh" },
  { tests: /^test\/azure\//, what: "Azure's SDK for Go", build: "test/azure/build.sh" },
  { tests: /openbao|vault|^test\/install\//, what: "a real OpenBao", build: "test/openbao/build.sh" },
] as const;
type Server = (typeof SERVERS)[number];
const running = new Set<ChildProcess>();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop(`Stopped by ${signal}`));
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
  await step("types", join(root, "node_modules/.bin/tsc"), ["--noEmit"]);
  await step("generated messages", process.execPath, [join(root, "proto/generate.ts"), "--check"]);
  await step("format and lint", join(root, "node_modules/.bin/biome"), ["check", "--error-on-warnings", "."]);
}
const remedy = installDebian();
if (remedy !== undefined) stop(`Cannot test: ${remedy}`);
const fitting = files.filter((file) => process.arch === "x64" || !ONLY_ON_X64.includes(file));
for (const file of files.filter((each) => !fitting.includes(each)))
  console.log(`Left out: ${file}, because it is for x64 and this is ${process.arch}`);
const needed = SERVERS.filter(({ tests }) => fitting.some((file) => tests.test(file)));
const hasGo = needed.length === 0 || spawnSync("go", ["version"]).status === 0;
const waiting = fitting.filter((file) => needed.some(({ tests }) => tests.test(file)));
if (!hasGo) leaveOut(needed);
const built = hasGo ? buildAll(needed) : undefined;
await test(
  "tests",
  fitting.filter((file) => !waiting.includes(file)),
);
if (built !== undefined) {
  await built;
  await test("tests with real servers", waiting);
}

/** Builds one server after the other, at a lower priority than the tests that run meanwhile. */
async function buildAll(servers: readonly Server[]): Promise<void> {
  for (const { what, build } of servers) await step(what, "nice", ["-n", "10", "bash", join(root, build)]);
}

function leaveOut(servers: readonly Server[]): void {
  if (ci)
    stop(
      `Cannot run the tests with ${servers[0]?.what}: Go is missing, and CI=true forbids leaving them out`,
    );
  for (const { what } of servers)
    console.log(`Left out: the tests with ${what}, because there is no Go on the PATH`);
}

async function test(name: string, chosen: readonly string[]): Promise<void> {
  // Without a file, node would look for tests itself.
  if (chosen.length === 0) return;
  const reporters = [join(root, "test/support/slowest.mjs"), "spec"].flatMap((reporter) => [
    `--test-reporter=${reporter}`,
    "--test-reporter-destination=stdout",
  ]);
  // Three on two processors: most tests wait for a process, a server or a clock half of their time.
  await step(name, process.execPath, [
    "--test",
    "--test-concurrency=3",
    "--test-timeout=900000",
    ...reporters,
    ...chosen,
  ]);
}

async function step(name: string, command: string, args: readonly string[]): Promise<void> {
  console.log(`\n== ${name}`);
  // Its own process group, which stop() ends: a compiler must not outlive a failed run.
  const child = spawn(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], detached: true });
  running.add(child);
  const [status, signal] = await once(child, "exit");
  running.delete(child);
  if (status !== 0) stop(`Failed: ${name} (${signal ?? `exit code ${status}`})`);
}

function stop(message: string): never {
  console.error(message);
  for (const { pid } of running) {
    try {
      if (pid !== undefined) process.kill(-pid, "SIGTERM");
    } catch {
      // It has just exited.
    }
  }
  process.exit(1);
}
