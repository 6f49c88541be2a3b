/**
 * Objects that aws-encryption-provider stored, through a host and the stand-in for AWS KMS. They are recorded, because its Go module cannot
 * be had: a build of its source ran against the stand-in, whose keys are restored here.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { status } from "@grpc/grpc-js";
import { KmsClient } from "../../host/grpc/client.ts";
import { FakeAws } from "../support/aws/aws.ts";
import { awsNode, staticKeys } from "../support/aws-node.ts";
import { decryptedBy } from "../support/decrypted.ts";
import type { Fixture } from "../support/fixture.ts";

interface Recorded {
  readonly plaintext: string;
  readonly keys: readonly {
    readonly arn: string;
    readonly alias?: string;
    readonly materials: readonly { readonly id: string; readonly key: string }[];
    /** The plugin's options `--key` and `--encryption-context`. */
    readonly option: string;
    readonly context?: string;
    readonly objects: readonly { readonly keyId: string; readonly ciphertext: string }[];
  }[];
}

const recorded: Recorded = JSON.parse(
  readFileSync(join(import.meta.dirname, "recorded/aws-encryption-provider.json"), "utf8"),
);
const [byArn, byAlias] = recorded.keys;
assert.ok(byArn !== undefined && byAlias !== undefined);

let aws: FakeAws;

before(async () => {
  aws = await FakeAws.start();
  for (const { arn, alias, materials } of recorded.keys) {
    const restored = materials.map(({ id, key }) => ({ id, key: Buffer.from(key, "hex") }));
    aws.kms.keys.set(arn, { ...aws.kms.create(), arn, materials: restored });
    if (alias !== undefined) aws.kms.aliases.set(alias, arn);
  }
});
after(() => aws.close());

for (const key of [byArn, byAlias]) {
  describe(`the recorded objects under ${key.option}`, () => {
    let fixture: Fixture;
    let client: KmsClient;

    before(async () => {
      // The worst case: the same key of KMS encrypts for kleidí.
      const settings = { key: key.option, ...(key.context === undefined ? {} : { context: key.context }) };
      const keys = [
        { name: "kek", provider: "aws", use: "active", settings: { key: key.arn } },
        { name: "old", provider: "aws", use: "decrypt", foreign: "aws-encryption-provider", settings },
      ];
      fixture = awsNode({ aws, key: key.arn, ...staticKeys(aws.user("kek")), rest: { keys } });
      await fixture.serve();
      client = new KmsClient(fixture.socket);
    });
    after(async () => {
      client?.close();
      await fixture?.close();
    });

    const decrypted = (keyId: string, ciphertext: Uint8Array, annotations = {}) =>
      decryptedBy(client, { keyId, ciphertext, annotations });
    const objects = key.objects.map(({ keyId, ciphertext }) => ({
      keyId,
      ciphertext: Buffer.from(ciphertext, "base64"),
    }));
    const [{ keyId, ciphertext } = { keyId: "", ciphertext: Buffer.alloc(0) }] = objects;

    test("each decrypts under its key_id", async () => {
      for (const each of objects) {
        assert.equal(each.keyId, key.option);
        assert.equal(await decrypted(each.keyId, each.ciphertext), recorded.plaintext);
      }
    });

    test("the names of the same key that the plugin did not store are unknown", async () => {
      for (const other of [key.arn, key.arn.split("/")[1] ?? "", "alias/other"])
        if (other !== key.option) assert.equal(await decrypted(other, ciphertext), status.NOT_FOUND, other);
    });

    test("an object with an annotation is not the plugin's", async () => {
      for (const name of ["format.kleidi.dev", "x.example"])
        assert.equal(
          await decrypted(keyId, ciphertext, { [name]: Uint8Array.of(0x31) }),
          status.NOT_FOUND,
          name,
        );
    });

    test("a changed object is refused, its first byte too", async () => {
      for (const place of [0, 1, 40, 90, ciphertext.length - 1]) {
        const changed = Buffer.from(ciphertext);
        changed.writeUInt8(changed.readUInt8(place) ^ 1, place);
        const how = await decrypted(keyId, changed);
        // KMS does not tell a changed name of a key in the ciphertext from a key that the host may not use.
        assert.ok(how === status.INVALID_ARGUMENT || how === status.UNAUTHENTICATED, `byte ${place}: ${how}`);
      }
      assert.equal(await decrypted(keyId, ciphertext.subarray(1)), status.INVALID_ARGUMENT);
    });

    test("an object of another key of the account is refused, although the host may use that key", async () => {
      const [theirs] = (key === byArn ? byAlias : byArn).objects;
      assert.ok(theirs);
      const how = await decrypted(keyId, Buffer.from(theirs.ciphertext, "base64"));
      assert.equal(how, status.INVALID_ARGUMENT);
    });

    test("an object of kleidí does not pass as a foreign one, nor a foreign one as its own", async () => {
      const own = await client.encrypt({ plaintext: new Uint8Array(32).fill(9) });
      assert.equal(await decrypted(keyId, own.ciphertext), status.INVALID_ARGUMENT);
      const prefixed = Buffer.concat([Buffer.from("1"), own.ciphertext]);
      assert.equal(await decrypted(keyId, prefixed), status.INVALID_ARGUMENT);
      assert.equal(
        await decrypted(own.keyId, ciphertext.subarray(1), own.annotations),
        status.INVALID_ARGUMENT,
      );
    });
  });
}
