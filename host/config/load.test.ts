import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ConfigError } from "./config-error.ts";
import { loadConfig } from "./load.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-config-"));
after(() => rmSync(folder, { recursive: true }));

const VALID = `apiVersion: kleidi.dev/v1
listen: { socket: kms.sock }
providers: { local: { module: local.wasm, sha256: ${"ab".repeat(32)} } }
keys: [{ name: kek, provider: local, use: active }]
`;

/** A file's content, or what else is made at the path, and what is said of it after the path. */
const cases: readonly (readonly [
  name: string,
  content: string | Buffer | ((path: string) => void),
  says: string,
])[] = [
  [
    "a file that is not there",
    () => {},
    "expected a file that can be read, found none; write the file, or give the path of another",
  ],
  ["a folder", (path) => mkdirSync(path), "expected a file, found a folder; give the path of the file in it"],
  [
    "a pipe, without waiting for its writer",
    (path) => assert.equal(spawnSync("mkfifo", [path]).status, 0),
    "expected a file, found a named pipe; give the path of a regular file",
  ],
  [
    "a file of 1 MiB and a byte",
    "#".repeat(1024 * 1024 + 1),
    "expected at most 1 MiB, found 1048577 bytes; give the path of the configuration",
  ],
  [
    "bytes that are not UTF-8",
    Buffer.from([0x61, 0xff]),
    "expected UTF-8 text, found bytes that are not; save the file as UTF-8",
  ],
];

for (const [i, [name, content, says]] of cases.entries())
  test(`loadConfig refuses ${name}`, () => {
    const path = join(folder, `case-${i}`);
    if (typeof content === "function") content(path);
    else writeFileSync(path, content);
    assert.throws(
      () => loadConfig(path),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError);
        assert.equal(error.message, `Cannot use the configuration ${path}: 1 fault\n${path}: ${says}`);
        return true;
      },
    );
  });

test("loadConfig refuses a path below a file, and keeps the cause", () => {
  const file = join(folder, "plain");
  writeFileSync(file, VALID);
  assert.throws(
    () => loadConfig(join(file, "config.yaml")),
    (error: unknown) => {
      assert.ok(error instanceof ConfigError && error.cause instanceof Error);
      assert.equal(error.faults[0]?.actual, "ENOTDIR");
      return true;
    },
  );
});

test("loadConfig resolves paths against the file's folder", () => {
  const path = join(folder, "config.yaml");
  writeFileSync(path, `\ufeff${VALID}`);
  const config = loadConfig(path);
  assert.equal(config.file, path);
  assert.equal(config.listen.socket, join(folder, "kms.sock"));
  assert.equal(config.providers[0]?.module, join(folder, "local.wasm"));
});

test("loadConfig accepts a file of 1 MiB", () => {
  const path = join(folder, "large.yaml");
  writeFileSync(path, `${VALID}#`.padEnd(1024 * 1024, "x"));
  assert.equal(loadConfig(path).keys.length, 1);
});
