/** The contracts are compatible with the last release, and an incompatible change is found. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { breakingChanges, writeBaseline } from "./breaking.ts";

const root = join(import.meta.dirname, "..");
const PROVIDER = "proto/provider/v1/provider.proto";
const KMS = "proto/kms/v2/kms.proto";

test("the contracts are compatible with the last release; change them only by addition", () => {
  assert.deepEqual(breakingChanges(root), []);
});

describe("an incompatible change is found:", () => {
  const BREAKING: Readonly<Record<string, readonly [file: string, from: string, to: string, says: RegExp]>> =
    {
      "a removed field": [PROVIDER, "  string version = 2;", "", /present field "2" with name "version"/],
      "a removed and reserved field": [PROVIDER, "  string version = 2;", "  reserved 2;", /field "2"/],
      "a field with another type": [PROVIDER, "  string key = 1;", "  bytes key = 1;", /changed type/],
      "a field with another name": [PROVIDER, "  string key = 1;", "  string name = 1;", /changed name/],
      "a removed message": [PROVIDER, /^message StateGetRequest \{.*?^\}$/ms.source, "", /StateGetRequest/],
      "a removed RPC": [KMS, "  rpc Decrypt(DecryptRequest) returns (DecryptResponse);", "", /Decrypt/],
      "another package": [KMS, "package v2;", "package v3;", /package/],
    };
  for (const [name, [file, from, to, says]] of Object.entries(BREAKING)) {
    test(name, (t) => {
      const checkout = changed(t, file, from, to);
      const changes = breakingChanges(checkout);
      assert.match(changes.join("\n"), says);
      assert.ok(
        changes.every((line) => line.startsWith(file.replace(/\/[^/]*$/, ""))),
        changes.join("\n"),
      );
    });
  }
});

test("an added field and an added message are compatible, and the new baseline contains them", (t) => {
  const checkout = changed(
    t,
    PROVIDER,
    "message StatusRequest {",
    "message Added {}\n\nmessage StatusRequest {\n  Added added = 9;\n",
  );
  assert.deepEqual(breakingChanges(checkout), []);
  const baseline = join(checkout, "next.binpb");
  writeBaseline(checkout, baseline);
  assert.match(breakingChanges(root, baseline).join("\n"), /"Added"/);
});

test("a comment does not change the baseline", (t) => {
  const [one, two] = ["// one", "// two"].map((comment) => {
    const checkout = changed(t, PROVIDER, "package kleidi", `${comment}\npackage kleidi`);
    writeBaseline(checkout, join(checkout, "next.binpb"));
    return readFileSync(join(checkout, "next.binpb"));
  });
  assert.deepEqual(one, two);
});

test("malformed contracts are not compatible", (t) => {
  const checkout = changed(t, PROVIDER, "message StatusRequest {", "message StatusRequest");
  assert.match(breakingChanges(checkout).join("\n"), /^proto\/provider\/v1\/provider\.proto:\d+:\d+:/);
});

test("without a baseline the comparison fails", (t) => {
  const checkout = changed(t, PROVIDER, "package kleidi", "// one\npackage kleidi");
  const missing = join(checkout, "missing.binpb");
  assert.throws(
    () => breakingChanges(checkout, missing),
    /^Error: Cannot compare the contracts: .*missing\.binpb/,
  );
});

test("an incompatible change does not renew the baseline", (t) => {
  const checkout = changed(t, PROVIDER, "  string version = 2;", "");
  for (const part of ["proto/breaking.ts", "proto/baseline.binpb", "package.json", "node_modules/.bin/buf"])
    cpSync(join(root, part), join(checkout, part));
  const before = readFileSync(join(checkout, "proto/baseline.binpb"));
  const args = [join(checkout, "proto/breaking.ts"), "--renew"];
  const run = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.equal(run.status, 1);
  assert.match(run.stderr, /These changes break the released contracts/);
  assert.deepEqual(readFileSync(join(checkout, "proto/baseline.binpb")), before);
});

/** A copy of the contracts with one change. */
function changed(t: TestContext, file: string, from: string, to: string): string {
  const checkout = mkdtempSync(join(tmpdir(), "kleidi-breaking-"));
  t.after(() => rmSync(checkout, { recursive: true, force: true }));
  for (const part of ["buf.yaml", PROVIDER, KMS]) cpSync(join(root, part), join(checkout, part));
  const path = join(checkout, file);
  const text = readFileSync(path, "utf8");
  const after = from.startsWith("^") ? text.replace(new RegExp(from, "ms"), to) : text.replace(from, to);
  assert.notEqual(after, text, `${file} has ${from}`);
  writeFileSync(path, after);
  return checkout;
}
