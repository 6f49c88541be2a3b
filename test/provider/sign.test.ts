/** kleidi provider sign: what it writes, and what it refuses. test/sandbox/signed-modules.test.ts has a host admit and refuse its modules. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { requireDebian } from "../support/debian.ts";
import { kleidi, localModule, sha256Of } from "../support/fixture.ts";
import { minisign } from "../support/minisign.ts";

requireDebian(["minisign"]);
const folder = mkdtempSync(join(tmpdir(), "kleidi-sign-"));
after(() => rmSync(folder, { recursive: true, force: true }));
for (const name of ["one", "two"])
  assert.equal(minisign(folder, ["-G", "-W", "-p", `${name}.pub`, "-s", `${name}.key`]).status, 0);
copyFileSync(localModule, join(folder, "local.wasm"));

function sign(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(kleidi, ["provider", "sign", ...args], {
    cwd: folder,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

function put(name: string, content: string | Uint8Array, mode = 0o600): string {
  writeFileSync(join(folder, name), content, { mode });
  return name;
}

const verify = (key: string, signature: string) =>
  minisign(folder, ["-V", "-p", `${key}.pub`, "-m", "local.wasm", "-x", signature]).status;

test("the signature is the same for the same key and module, and --json has its parts", () => {
  const { status, stdout, stderr } = sign("local.wasm", "--key", "one.key", "--json");
  assert.equal(status, 0, stderr);
  const said = JSON.parse(stdout);
  const [, key] = readFileSync(join(folder, "one.pub"), "utf8").split("\n");
  const sha256 = sha256Of(localModule);
  assert.deepEqual(
    [said.ok, said.provider, said.sha256, said.signature, said.publicKey, said.expires],
    [true, "local", sha256, "local.wasm.minisig", key, undefined],
  );
  assert.equal(said.comment, `provider:local version:${said.version} sha256:${sha256}`);
  assert.equal(verify("one", "local.wasm.minisig"), 0);
  const first = readFileSync(join(folder, "local.wasm.minisig"));
  assert.equal(sign("local.wasm", "--key", "one.key").status, 0);
  assert.deepEqual(readFileSync(join(folder, "local.wasm.minisig")), first);
});

test("a signature by another key stays, and --out adds one beside it", () => {
  const refused = sign("local.wasm", "--key", "two.key");
  assert.equal(refused.status, 2);
  assert.match(
    refused.stderr,
    /^error: Cannot replace local\.wasm\.minisig: it is by the key [0-9A-F]{16}; .*--out local\.wasm\.NAME\.minisig$/m,
  );
  const { status } = sign("local.wasm", "--key", "two.key", "--out", "local.wasm.two.minisig");
  assert.equal(status, 0);
  assert.deepEqual([verify("one", "local.wasm.minisig"), verify("two", "local.wasm.two.minisig")], [0, 0]);
});

describe("nothing is written", () => {
  const key = readFileSync(join(folder, "one.key"), "utf8");
  const [comment = "", line = ""] = key.split("\n");
  const withPassword = Buffer.from(line, "base64");
  withPassword.write("Sc", 2);
  put("password.key", `${comment}\n${withPassword.toString("base64")}\n`);
  put("open.key", key, 0o644);
  put("text.wasm", "text");
  put("note.minisig", "a note\n");
  const changed = readFileSync(localModule);
  changed.write("keystorf", changed.lastIndexOf("keystore"));
  put("changed.wasm", changed);
  const out = ["--out", "none.minisig"];
  const one = ["--key", "one.key", ...out];

  for (const [what, args, code, said] of [
    ["without a key", ["local.wasm", ...out], 2, /Cannot sign without --key: .*minisign -G -W/],
    [
      "with a key that others can read",
      ["local.wasm", "--key", "open.key", ...out],
      2,
      /open\.key cannot be used: it has the mode 0644/,
    ],
    ["with a public key", ["local.wasm", "--key", "one.pub", ...out], 2, /one\.pub cannot be used: it /],
    [
      "with a key that has a password",
      ["local.wasm", "--key", "password.key", ...out],
      2,
      /it has a password; sign with minisign itself: minisign -S -s password\.key -t "kleidi expires:YYYY-MM-DD" -m local\.wasm$/m,
    ],
    [
      "with a day that does not exist",
      ["local.wasm", ...one, "--expires", "2027-02-30"],
      2,
      /"2027-02-30": expected a day as YYYY-MM-DD/,
    ],
    [
      "with a day that has ended",
      ["local.wasm", ...one, "--expires", "2020-01-31"],
      2,
      /2020-01-31: the day has ended in UTC/,
    ],
    ["for a file that is no module", ["text.wasm", ...one], 1, /its module cannot be read as WebAssembly/],
    ["for a module that no host admits", ["changed.wasm", ...one], 1, /^Cannot load provider/],
    ["for a module that is not there", ["absent.wasm", ...one], 2, /Cannot read absent\.wasm: /],
    [
      "over a file that is no signature",
      ["local.wasm", "--key", "one.key", "--out", "note.minisig"],
      2,
      /Cannot replace note\.minisig: it is not a signature; /,
    ],
    [
      "into a folder that does not exist",
      ["local.wasm", "--key", "one.key", "--out", "no/such.minisig"],
      2,
      /Cannot write the signature no\/such\.minisig: /,
    ],
  ] as const) {
    test(what, () => {
      const { status, stdout, stderr } = sign(...args);
      assert.deepEqual([status, stdout], [code, ""], stderr);
      assert.match(stderr, said);
      assert.ok(!stderr.includes(line.slice(20, 60)));
      assert.equal(existsSync(join(folder, "none.minisig")), false);
    });
  }
  test("and the note is unchanged", () =>
    assert.equal(readFileSync(join(folder, "note.minisig"), "utf8"), "a note\n"));
});
