import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { FileFault } from "../lib/files.ts";
import { readSecretFile } from "../lib/secret-files.ts";
import { ConfigError } from "./config-error.ts";
import { loadConfig } from "./load.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-config-"));
after(() => rmSync(folder, { recursive: true }));

const VALID = `apiVersion: kleidi.dev/v1
listen: { socket: kms.sock }
providers: { local: { module: local.wasm, sha256: ${"ab".repeat(32)} } }
keys: [{ name: kek, provider: local, use: active }]
`;

/** The content of a file, or a function that creates something else at the path. */
const cases: readonly (readonly [name: string, content: string | Buffer | ((path: string) => void)])[] = [
  ["a missing file", () => {}],
  ["a folder", (path) => mkdirSync(path)],
  ["a pipe, without waiting for a writer", (path) => assert.equal(spawnSync("mkfifo", [path]).status, 0)],
  ["a file of 1 MiB and one byte", "#".repeat(1024 * 1024 + 1)],
  ["bytes that are not UTF-8", Buffer.from([0x61, 0xff])],
];

/** The message, with the path replaced by PATH. */
function refusalOf(i: number, content: (typeof cases)[number][1]): string {
  const path = join(folder, `case-${i}`);
  rmSync(path, { recursive: true, force: true });
  if (typeof content === "function") content(path);
  else writeFileSync(path, content);
  try {
    loadConfig(path);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.equal(error.code, "config-invalid");
    assert.deepEqual(
      error.faults.map(({ line, column, path }) => [line, column, path]),
      [[0, 0, ""]],
    );
    return error.message.replaceAll(path, "PATH");
  }
  assert.fail("the file was accepted");
}

for (const [i, [name, content]] of cases.entries())
  test(`loadConfig refuses ${name}`, () => void refusalOf(i, content));

test("each refusal names the expectation, the file found and the correction", (t) => {
  const messages = cases.map(([name, content], i) => `${name}\n${refusalOf(i, content)}`);
  t.assert.snapshot(messages.join("\n\n"), { serializers: [String] });
});

test("loadConfig refuses a path below a file, and keeps the cause", () => {
  const file = join(folder, "plain");
  writeFileSync(file, VALID);
  assert.throws(
    () => loadConfig(join(file, "config.yaml")),
    (error: unknown) => {
      assert.ok(error instanceof ConfigError && error.cause instanceof Error);
      assert.match(error.faults[0]?.actual ?? "", /^ENOTDIR: .* is not a folder$/);
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

/** Root can give a file to any group; another user only to its own. */
const gid = process.getuid?.() === 0 ? 4242 : (process.getgid?.() ?? 0);
const SOCKETS: readonly (readonly [what: string, listen: string, more: string, isRefused: boolean])[] = [
  ["that may connect to the socket", `{ socket: kms.sock, mode: "0660", group: ${gid} }`, "", true],
  ["of a socket of mode 0600", `{ socket: kms.sock, mode: "0600", group: ${gid} }`, "", false],
  ["other than the socket's", `{ socket: kms.sock, mode: "0660", group: ${gid + 1} }`, "", false],
  [
    "that may connect to the admin socket",
    "{ socket: kms.sock }",
    `admin: { listen: "unix:admin.sock", mode: "0660", group: ${gid} }\n`,
    true,
  ],
];
for (const [what, listen, more, isRefused] of SOCKETS)
  test(`after a configuration is loaded, a secret of a group ${what} is ${isRefused ? "refused" : "read"}`, () => {
    const secret = join(folder, "secret");
    writeFileSync(secret, "CANARY");
    chmodSync(secret, 0o640);
    if (process.getuid?.() === 0) chownSync(secret, 0, gid);
    const config = join(folder, "sockets.yaml");
    writeFileSync(config, VALID.replace("{ socket: kms.sock }", listen) + more);
    const setgroups = process.setgroups?.bind(process);
    const groups = process.getgroups?.() ?? [];
    if (process.getuid?.() === 0) setgroups?.([...groups, gid]);
    try {
      loadConfig(config);
      const content = readSecretFile(secret, 100, "given");
      if (isRefused)
        assert.match(String((content as FileFault).problem), /and may call the host on its socket$/);
      else assert.equal(String(content), "CANARY");
    } finally {
      if (process.getuid?.() === 0) setgroups?.(groups);
    }
  });
