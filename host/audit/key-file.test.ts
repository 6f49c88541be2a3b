import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, type TestContext, test } from "node:test";
import { thrown } from "../../test/support/thrown.ts";
import { keyIdOf, parsePublic, publicLine } from "./checkpoint.ts";
import { createKey, loadKey } from "./key-file.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-audit-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;
const fresh = () => join(folder, `${count++}.key`);

function assertInvalid(t: TestContext, path: string): void {
  const { code, message } = thrown(() => loadKey(path));
  assert.equal(code, "audit-invalid");
  t.assert.snapshot(message.replaceAll(folder, "FOLDER"));
}

function write(text: string | Buffer, mode = 0o600): string {
  const path = fresh();
  writeFileSync(path, text, { mode });
  return path;
}

describe("loadKey", () => {
  test("loads a key created by createKey", () => {
    const path = fresh();
    const made = createKey(path);
    assert.equal(publicLine(createPublicKey(loadKey(path))), publicLine(made));
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  test("refuses a key of another algorithm", (t) => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const path = write(privateKey.export({ type: "pkcs8", format: "pem" }).toString());
    assertInvalid(t, path);
  });

  test("refuses a public key, and bytes that are not a key", (t) => {
    const { publicKey } = generateKeyPairSync("ed25519");
    const path = write(publicKey.export({ type: "spki", format: "pem" }).toString());
    assertInvalid(t, path);
    assertInvalid(t, write(randomBytes(100)));
  });

  test("follows a link, and refuses a file that others can read, a folder, a file that is too large and a missing file", (t) => {
    const path = fresh();
    createKey(path);
    const link = fresh();
    symlinkSync(path, link);
    assert.equal(loadKey(link).asymmetricKeyType, "ed25519");
    chmodSync(path, 0o644);
    assertInvalid(t, path);
    const place = fresh();
    mkdirSync(place);
    assertInvalid(t, place);
    assertInvalid(t, write(Buffer.alloc(5000)));
    assertInvalid(t, fresh());
  });
});

describe("parsePublic", () => {
  const { publicKey } = generateKeyPairSync("ed25519");
  const line = publicLine(publicKey);

  test("reads a public key line with its newline", () => {
    assert.equal(keyIdOf(parsePublic(`${line}\n`) ?? assert.fail()), keyIdOf(publicKey));
  });

  for (const [what, text] of [
    ["nothing", ""],
    ["other text", "audit.pub"],
    ["a truncated line", line.slice(0, -4)],
    ["the key of another algorithm", `A${line.slice(1)}`],
    ["a line with invalid characters", `${line.slice(0, 20)} ${line.slice(20)}`],
  ] as const) {
    test(`refuses ${what}`, () => assert.equal(parsePublic(text), undefined));
  }
});
