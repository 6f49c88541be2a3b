/** The vault provider and the objects of other plugins over a Transit key. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { NetRequest } from "../proto/provider/v1/provider_pb.ts";
import {
  AAD,
  answer,
  base64,
  CREATED,
  data,
  encrypt,
  guest,
  KEY,
  PLAINTEXT,
  SEALED,
  sent,
  VERSION,
} from "./vault/harness/calls.ts";
import { failureOf, type Server, unasked } from "./vault/harness/guest.ts";

const status = (foreignFormat: string, server: Server = () => data(KEY)) =>
  guest.status({ key: "kek", foreignFormat }, server);
const decrypt = (server: Server, text: string, foreignFormat = "vault-kubernetes-kms", version = VERSION) =>
  guest.decrypt({ key: "kek", version, ciphertext: new TextEncoder().encode(text), foreignFormat }, server);

const KEY_IDS: readonly [string, readonly string[]][] = [
  ["vault-kubernetes-kms", ["3", "2", "1"]],
  ["kleidi-go-vault", [3, 2, 1].map((n) => `kleidi-kms-plugin_${n}_${CREATED + n}`)],
];
for (const [format, keyIds] of KEY_IDS)
  test(`Status names the key ids of ${format}, and the versions as for a key of kleidí`, () => {
    const reply = status(format);
    assert.deepEqual(reply.foreignKeyIds, keyIds);
    assert.equal(reply.version, VERSION);
    assert.equal(reply.olderVersions.length, 2);
  });

test("Status names no key id below min_decryption_version, and none for a key of kleidí", () => {
  const reply = status("vault-kubernetes-kms", () => data({ ...KEY, min_decryption_version: 2 }));
  assert.deepEqual(reply.foreignKeyIds, ["3", "2"]);
  assert.deepEqual(status("").foreignKeyIds, []);
});

test("an unknown format is refused before a request is made", () => {
  for (const reply of [status("aws", unasked), decrypt(unasked, `vault:v3:${SEALED}`, "aws")]) {
    const [code, said] = failureOf(reply);
    assert.equal(code, 2);
    assert.match(said ?? "", /the format "aws" is not one of this provider/);
  }
});

test("Decrypt sends the ciphertext alone, of any version of the key", () => {
  for (const number of [1, 3]) {
    let request: NetRequest | undefined;
    const reply = decrypt((asked) => {
      request = asked;
      return data({ plaintext: base64(PLAINTEXT) });
    }, `vault:v${number}:${SEALED}`);
    assert.deepEqual(reply.plaintext, PLAINTEXT);
    assert.ok(request);
    assert.deepEqual(sent(request), [
      "POST",
      "/v1/transit/decrypt/kek",
      ["x-vault-request: true", "content-type: application/json"],
      { ciphertext: `vault:v${number}:${SEALED}` },
    ]);
  }
});

test("Decrypt refuses what is not a ciphertext of Transit in its one spelling, and another place's version", () => {
  for (const text of ["", "vault:v0:AAAA", "vault:v01:AAAA", "vault:v1:", "vault:v1:A", "vault:v1:AA==\n"])
    assert.equal(failureOf(decrypt(unasked, text))[0], 1, text);
  const elsewhere = VERSION.replace(/[0-9a-f]{16}$/, "0123456789abcdef");
  assert.equal(failureOf(decrypt(unasked, `vault:v3:${SEALED}`, "vault-kubernetes-kms", elsewhere))[0], 2);
});

test("Decrypt bounds the plaintext, and repeats no text of the server", () => {
  const of = (size: number) =>
    decrypt(() => data({ plaintext: base64(new Uint8Array(size)) }), `vault:v3:${SEALED}`);
  assert.equal(failureOf(of(0))[0], 1);
  assert.equal(failureOf(of(513))[0], 1);
  const [code, said] = failureOf(
    decrypt(() => answer(400, { errors: [`vault:v3:${SEALED}`] }), `vault:v3:${SEALED}`),
  );
  assert.equal(code, 5);
  assert.ok(!said?.includes(SEALED));
});

test("Encrypt binds the associated data as before", () => {
  let body: Record<string, unknown> = {};
  encrypt((asked) => {
    body = sent(asked)[3] as typeof body;
    return data({ ciphertext: `vault:v3:${SEALED}` });
  });
  assert.equal(body.associated_data, base64(AAD));
});
