/** A checkout is set up and the host is started on x64 and on arm64. A test machine is one of them, so the other one is simulated. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { filterPath } from "../../host/sandbox/wall/filter-file.ts";

const root = join(import.meta.dirname, "..", "..");
const ARCHITECTURES = ["x64", "arm64"] as const;
/** The first question of host/kleidi-node to a Node. */
const VERSION = '[ "$1" = --version ] && exec echo v26.0.0';
/** Makes a Node report another architecture. */
const believing = (arch: string) =>
  `data:text/javascript,Object.defineProperty(process,"arch",{value:"${arch}"})`;

interface LockedPackage {
  readonly version: string;
  readonly cpu?: string | string[];
  readonly optional?: boolean;
}
const lock: { packages: Record<string, LockedPackage> } = JSON.parse(
  readFileSync(join(root, "package-lock.json"), "utf8"),
);

for (const arch of ARCHITECTURES) {
  describe(arch, () => {
    const buf = `@bufbuild/buf-linux-${arch === "arm64" ? "aarch64" : arch}`;
    for (const name of [`node-linux-${arch}`, `@biomejs/cli-linux-${arch}`, buf]) {
      test(`the lockfile has ${name}, which other architectures omit`, () => {
        const { cpu = [], optional } = lock.packages[`node_modules/${name}`] ?? {};
        assert.deepEqual([cpu].flat(), [arch]);
        assert.equal(optional, true);
      });
    }

    test("the wall has a filter of system calls", () => assert.ok(existsSync(filterPath(arch))));

    test("kleidi-node runs the Node of the lockfile", (t) => {
      const checkout = checkoutOf(t);
      writeProgram(join(checkout, nodeOf(arch)), `${VERSION}; echo "the Node of the lockfile: $*"`);
      const { stdout } = spawnSync("sh", [join(checkout, "host/kleidi-node"), "main.ts"], {
        encoding: "utf8",
      });
      assert.equal(stdout, "the Node of the lockfile: main.ts\n");
    });

    test("the set-up installs the lockfile and builds the providers with its Node", (t) => {
      const checkout = checkoutOf(t);
      const { status, stdout, stderr } = setUp(checkout, arch, nodeOf(arch));
      assert.equal(status, 0, stderr);
      for (const folder of ["", "operator"])
        assert.match(
          stdout,
          new RegExp(`^npm ci --prefix ${join(checkout, folder)}/? --ignore-scripts `, "m"),
        );
      assert.match(stdout, /^node .*\/providers\/build\.ts$/m);
    });

    test("the set-up fails where npm omitted its Node, also the next time", (t) => {
      const checkout = checkoutOf(t);
      for (const _ of [1, 2]) {
        const { status, stderr } = setUp(checkout, arch, "node_modules/other/bin/node");
        assert.equal(status, 1);
        assert.equal(stderr, `Cannot set up: npm did not install ${nodeOf(arch)}: run it again\n`);
      }
    });
  });
}

test("both architectures have the same version of Node", () => {
  const versions = ARCHITECTURES.map((arch) => lock.packages[`node_modules/node-linux-${arch}`]?.version);
  assert.equal(versions[0], versions[1]);
});

test("the set-up refuses another architecture", (t) => {
  const { status, stderr } = setUp(checkoutOf(t), "riscv64", nodeOf("x64"));
  assert.equal(status, 1);
  assert.match(stderr, /this is linux riscv64; the pinned Node is for linux x64 and arm64/);
});

test("npm test names the test that it skips on arm64", () => {
  const args = ["--import", believing("arm64"), join(root, "test/run.ts"), "test/sandbox/confinement"];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.equal(status, 0);
  assert.match(
    stdout,
    /^Left out: test\/sandbox\/confinement\.test\.ts, because it is for x64 and this is arm64$/m,
  );
});

const nodeOf = (arch: string) => `node_modules/node-linux-${arch}/bin/node`;

/** A checkout with nothing installed, and only the files that the set-up needs. */
function checkoutOf(t: TestContext): string {
  const checkout = mkdtempSync(join(tmpdir(), "kleidi-architecture-"));
  t.after(() => rmSync(checkout, { recursive: true, force: true }));
  for (const file of [
    ".ci/setup.mjs",
    "host/kleidi-node",
    "package-lock.json",
    "operator/package-lock.json",
  ]) {
    mkdirSync(dirname(join(checkout, file)), { recursive: true });
    copyFileSync(join(root, file), join(checkout, file));
  }
  return checkout;
}

/** Runs the set-up with an npm that installs one program. */
function setUp(checkout: string, arch: string, installed: string) {
  const node = join(checkout, "a-node");
  writeProgram(node, `${VERSION}; echo "node $*"`);
  const program = join(checkout, installed);
  writeProgram(
    join(checkout, "bin", "npm"),
    `echo "npm $*"; mkdir -p "$3/node_modules" '${dirname(program)}'; cp '${node}' '${program}'`,
  );
  const PATH = `${join(checkout, "bin")}:/usr/bin:/bin`;
  const args = ["--import", believing(arch), join(checkout, ".ci/setup.mjs")];
  return spawnSync(process.execPath, args, { encoding: "utf8", env: { PATH } });
}

function writeProgram(path: string, script: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}
