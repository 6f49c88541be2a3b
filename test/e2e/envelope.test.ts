/** The API server's own envelope code (k8s.io/apiserver and k8s.io/kms), as a second real client. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Fixture, localConfig } from "../support/fixture.ts";
import { binaries } from "./servers.ts";

describe("the envelope code of k8s.io/apiserver", () => {
  const fixture = new Fixture();

  before(async () => {
    fixture.write(localConfig([{ name: "kek", use: "active" }])).keyInit("kek");
    await fixture.serve();
  });
  after(() => fixture.close());

  test("writes with one transformer and reads with a new one, twenty times", () => {
    const plaintext = randomBytes(100).toString("hex");
    const args = ["-socket", fixture.socket, "-name", "kleidi", "-plaintext-hex", plaintext, "-rounds", "20"];
    const { status, stdout, stderr } = spawnSync(join(binaries, "kmspeer"), args, { encoding: "utf8" });
    assert.equal(status, 0, `${stdout}${stderr}`);
    const seen = JSON.parse(stdout);
    assert.equal(seen.ok, true);
    assert.equal(seen.version, "v2");
    assert.equal(seen.rounds, 20);
    assert.equal(seen.decrypts, 20);
    assert.deepEqual(seen.annotationKeys, ["format.kleidi.dev"]);
    // One byte of format, 12 of nonce, the seed of 32, 16 of tag.
    assert.equal(seen.ciphertextLen, 61);
  });
});
