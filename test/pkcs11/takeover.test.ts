/** Objects that the Go kleidi stored with its key in a token of SoftHSM, through a host that uses the same token. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { status } from "@grpc/grpc-js";
import { KmsClient } from "../../host/grpc/client.ts";
import { decryptedBy } from "../support/decrypted.ts";
import type { Fixture } from "../support/fixture.ts";
import { pkcs11Node } from "../support/pkcs11-node.ts";
import { SoftHsm } from "../support/softhsm.ts";

interface Recorded {
  readonly plaintext: string;
  readonly key: string;
  readonly objects: readonly {
    readonly keyId: string;
    readonly ciphertext: string;
    readonly annotations: Readonly<Record<string, string>>;
  }[];
}

const recorded: Recorded = JSON.parse(
  readFileSync(join(import.meta.dirname, "recorded/kleidi-go-softhsm.json"), "utf8"),
);
const LABEL = "kleidi-kms-plugin";
const ANNOTATIONS = { "v2.kleidi.beezy.dev": Uint8Array.of(0x31) };
const KEYS = [
  { name: "kek", provider: "hsm", use: "active" },
  { name: "old", provider: "hsm", use: "decrypt", foreign: "kleidi-go-softhsm", settings: { label: LABEL } },
];
const objects = recorded.objects.map(({ ciphertext }) => Buffer.from(ciphertext, "base64"));
const [object = Buffer.alloc(0)] = objects;

let hsm: SoftHsm;
let fixture: Fixture;
let client: KmsClient;

before(async () => {
  hsm = new SoftHsm();
  hsm.addKey("kek");
  hsm.importKey(LABEL, Buffer.from(recorded.key, "hex"));
  fixture = pkcs11Node(hsm, {}, { foreign: [LABEL] }, { keys: KEYS });
  await fixture.serve();
  client = new KmsClient(fixture.socket);
});
after(async () => {
  client?.close();
  await fixture?.close();
  hsm?.close();
});

const decrypted = (
  ciphertext: Uint8Array,
  keyId = LABEL,
  annotations: Record<string, Uint8Array> = ANNOTATIONS,
) => decryptedBy(client, { keyId, ciphertext, annotations });

test("each decrypts under its key_id and annotation", async () => {
  for (const { keyId, annotations } of recorded.objects)
    assert.deepEqual([keyId, annotations], [LABEL, { "v2.kleidi.beezy.dev": "1" }]);
  for (const each of objects) assert.equal(await decrypted(each), recorded.plaintext);
});

test("an object with other annotations is not the plugin's", async () => {
  for (const annotations of [{}, { "v2.kleidi.beezy.dev": Uint8Array.of(0x32) }])
    assert.equal(await decrypted(object, LABEL, annotations), status.NOT_FOUND);
});

test("a changed object is refused", async () => {
  for (let place = 0; place < object.length; place += 7) {
    const changed = Buffer.from(object);
    changed.writeUInt8(changed.readUInt8(place) ^ 1, place);
    assert.equal(await decrypted(changed), status.INVALID_ARGUMENT, `byte ${place}`);
  }
  for (const length of [1, 12, 16, 32, 33, object.length - 1])
    assert.equal(await decrypted(object.subarray(0, length)), status.INVALID_ARGUMENT, `${length} bytes`);
  assert.equal(await decrypted(object), recorded.plaintext);
});

test("an object of kleidí does not pass as a foreign one, nor a foreign one as its own", async () => {
  const own = await client.encrypt({ plaintext: new Uint8Array(32).fill(9) });
  assert.equal(await decrypted(own.ciphertext), status.INVALID_ARGUMENT);
  assert.equal(await decrypted(own.ciphertext.subarray(1)), status.INVALID_ARGUMENT);
  const framed = Buffer.concat([Buffer.of(1), object]);
  for (const each of [object, framed])
    assert.equal(await decrypted(each, own.keyId, own.annotations), status.INVALID_ARGUMENT);
});

for (const [what, grant, key, sentence] of [
  ["as one of kleidí's", { keys: ["kek", LABEL] }, {}, /write the label into grants\.pkcs11\.foreign/],
  ["not at all", {}, {}, /this key is not one of 1 granted/],
  ["but is not on the token", { foreign: ["other"] }, { settings: { label: "other" } }, /no AES key/],
] as const) {
  test(`check --live says that the plugin's key is granted ${what}`, async () => {
    const [ours, theirs] = KEYS;
    const wrong = pkcs11Node(hsm, {}, grant, { keys: [ours, { ...theirs, ...key }] });
    const { status: code, stdout, stderr } = wrong.run("check", "--live");
    await wrong.close();
    assert.equal(code, 1, stdout);
    assert.match(`${stdout}${stderr}`, sentence);
  });
}
