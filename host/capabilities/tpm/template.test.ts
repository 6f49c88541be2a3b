import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import * as tpm from "../../../test/support/tpm-commands.ts";
import { isCreatable, STORAGE_PRIMARY, STORAGE_PRIMARY_SHA256 } from "./template.ts";

/** TPMA_OBJECT (Part 2, 8.3), by bit: fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, sign. */
const [FIXED_TPM, FIXED_PARENT, ORIGIN, USER, NO_DA, SIGN] = [1, 4, 5, 6, 10, 18] as const;
const BITS = Array.from({ length: 32 }, (_, bit) => bit);
const POLICY = new Uint8Array(32);

/** The bits that alone decide if an object with these attributes is creatable. */
const decisive = (attributes: number, more: Parameters<typeof tpm.keyedHash>[1]) =>
  BITS.filter((bit) => !isCreatable(tpm.keyedHash((attributes ^ (2 ** bit)) >>> 0, more)));
const free = (...bits: (number | undefined)[]) => BITS.filter((bit) => !bits.includes(bit));

/** With a policy, the authorization value alone must not suffice to use an object. */
const underPolicy = (attributes: number) => attributes - 2 ** USER;

test("an HMAC key may be generated or imported, and use a policy or its authorization value; every other attribute is fixed", () => {
  assert.ok(isCreatable(tpm.keyedHash(tpm.HMAC_KEY)));
  assert.ok(isCreatable(tpm.keyedHash(underPolicy(tpm.HMAC_KEY), { policy: POLICY })));
  assert.deepEqual(decisive(tpm.HMAC_KEY, {}), free(ORIGIN));
  assert.deepEqual(decisive(underPolicy(tpm.HMAC_KEY), { policy: POLICY }), free(ORIGIN));
});

test("sealed data are never generated, and may use a policy or their authorization value; every other attribute is fixed", () => {
  assert.ok(isCreatable(tpm.keyedHash(tpm.SEALED, { hmac: false })));
  const policy = { hmac: false, policy: POLICY };
  assert.ok(isCreatable(tpm.keyedHash(underPolicy(tpm.SEALED), policy)));
  assert.deepEqual(decisive(tpm.SEALED, { hmac: false }), free());
  assert.deepEqual(decisive(underPolicy(tpm.SEALED), policy), free());
});

test("the attributes of both kinds have the expected values", () => {
  const sum = (...bits: (number | undefined)[]) => bits.reduce<number>((all, bit = 0) => all + 2 ** bit, 0);
  assert.equal(tpm.HMAC_KEY, sum(FIXED_TPM, FIXED_PARENT, ORIGIN, USER, NO_DA, SIGN));
  assert.equal(tpm.SEALED, sum(FIXED_TPM, FIXED_PARENT, USER, NO_DA));
});

test("a policy has 32 bytes or none", () => {
  for (const length of [1, 20, 31, 33, 48])
    assert.equal(isCreatable(tpm.keyedHash(tpm.HMAC_KEY, { policy: new Uint8Array(length) })), false);
});

test("a truncated or extended template is not creatable", () => {
  for (const template of [tpm.keyedHash(tpm.HMAC_KEY), tpm.keyedHash(tpm.SEALED, { hmac: false })]) {
    for (let end = 0; end < template.length; end++)
      assert.equal(isCreatable(template.subarray(0, end)), false);
    assert.equal(isCreatable(tpm.join(template, tpm.u8(0))), false);
  }
});

test("the storage primary is not creatable, and its hash is the one in the table", () => {
  assert.equal(isCreatable(STORAGE_PRIMARY), false);
  assert.equal(createHash("sha256").update(STORAGE_PRIMARY).digest("hex"), STORAGE_PRIMARY_SHA256);
});
