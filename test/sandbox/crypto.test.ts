/** Every vector of kleidi:crypto, called by a guest in its sandbox. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { buildGuests } from "../guests/build.ts";
import { root } from "../support/fixture.ts";
import { type Sandbox, startSandbox } from "../support/sandbox.ts";

interface Vector {
  readonly name: string;
  readonly operation: string;
  readonly hex: string;
  readonly body?: string;
  readonly code?: number;
}

// In the guest's numbering.
const OPERATIONS = [
  "random",
  "digest",
  "hmac",
  "hkdf",
  "aead_seal",
  "aead_open",
  "aes_cfb_encrypt",
  "aes_cfb_decrypt",
  "ecdh",
];
const vectors: Vector[] = JSON.parse(
  readFileSync(join(root, "proto/provider/v1/vectors.json"), "utf8"),
).crypto;
let sandbox: Sandbox;

before(async () => {
  sandbox = await startSandbox("crypto", (await buildGuests()).crypto);
});
after(() => sandbox.stop());

/** The host code, and the body in hexadecimal. */
async function ask(operation: string, request: Buffer): Promise<{ code: number; body: string }> {
  const { ciphertext } = await sandbox.provider.encrypt({
    key: "any",
    version: "v1",
    plaintext: Buffer.concat([Buffer.of(OPERATIONS.indexOf(operation)), request]),
    associatedData: new Uint8Array(),
  });
  return { code: ciphertext[0] ?? -1, body: Buffer.from(ciphertext.subarray(1)).toString("hex") };
}

for (const { name, operation, hex, body, code } of vectors) {
  test(name, async () => {
    const reply = await ask(operation, Buffer.from(hex, "hex"));
    assert.equal(reply.code, code ?? 0);
    if (body !== undefined) assert.equal(reply.body, body);
  });
}

test("random bytes differ between calls", async () => {
  const request = Buffer.of(8, 32);
  const [one, two] = [await ask("random", request), await ask("random", request)];
  assert.equal(one.body.length, 64);
  assert.notEqual(one.body, two.body);
});
