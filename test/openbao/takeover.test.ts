/**
 * Objects that another plugin stored, through a host and a real OpenBao. Those of vault-kubernetes-kms are recorded, because its Go module
 * cannot be had: its release ran against OpenBao 2.4.0, and the backup of its Transit key is restored here.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { status } from "@grpc/grpc-js";
import { parse } from "yaml";
import { KmsClient } from "../../host/grpc/client.ts";
import { decryptedBy } from "../support/decrypted.ts";
import { type Fixture, localModule, sha256Of } from "../support/fixture.ts";
import { startForeignPlugin } from "../support/foreign-plugin.ts";
import { OpenBao } from "../support/openbao.ts";
import { keyRules, Setup } from "../support/openbao-setup.ts";
import { Page } from "../support/page.ts";
import { allowFor, vaultConfig, vaultNode } from "../support/vault-node.ts";

interface Recorded {
  readonly plaintext: string;
  readonly key: string;
  readonly backup: string;
  readonly objects: readonly { readonly keyId: string; readonly ciphertext: string }[];
}

const recorded: Recorded = JSON.parse(
  readFileSync(join(import.meta.dirname, "recorded/vault-kubernetes-kms.json"), "utf8"),
);
const [shown = ""] = new Page("operate/from-kleidi-go.md").blocks("From hvault", "yaml");
const shownKey = parse(shown).keys[1];
const FORMAT = { "format.kleidi.dev": Uint8Array.of(0x31) };
const bytes = (text: string) => new TextEncoder().encode(text);

describe("the recorded objects of vault-kubernetes-kms", () => {
  let bao: OpenBao;
  let fixture: Fixture;
  let client: KmsClient;
  let options: Parameters<typeof vaultNode>[0];

  before(async () => {
    bao = await OpenBao.dev();
    const setup = new Setup(bao);
    await setup.transit();
    await bao.must("POST", `transit/restore/${recorded.key}`, { backup: recorded.backup });
    await setup.policy("kms", keyRules(recorded.key));
    // The worst case: the same Transit key encrypts for kleidí.
    const settings = { key: recorded.key };
    options = {
      origin: bao.url,
      token: await setup.token({ policies: ["kms"] }),
      net: { allow: allowFor(recorded.key) },
      rest: {
        keys: [
          { name: "kek", provider: "vault", use: "active", settings },
          { name: "old", provider: "vault", use: "decrypt", foreign: "vault-kubernetes-kms", settings },
          { ...shownKey, name: "go", settings },
        ],
      },
    };
    fixture = vaultNode(options);
    await fixture.serve();
    client = new KmsClient(fixture.socket);
  });
  after(async () => {
    client?.close();
    await fixture?.close();
    await bao?.stop();
  });

  const decrypted = (keyId: string, ciphertext: Uint8Array, annotations = {}) =>
    decryptedBy(client, { keyId, ciphertext, annotations });

  test("each decrypts under its key_id", async () => {
    assert.deepEqual(
      recorded.objects.map(({ keyId }) => keyId),
      ["1", "2"],
    );
    for (const { keyId, ciphertext } of recorded.objects)
      assert.equal(await decrypted(keyId, bytes(ciphertext)), recorded.plaintext);
  });

  test("the key_id is not bound to the ciphertext, as with the plugin itself", async () => {
    const [first] = recorded.objects;
    assert.equal(await decrypted("2", bytes(first?.ciphertext ?? "")), recorded.plaintext);
  });

  test("another key_id, another spelling of it, and another annotation are unknown", async () => {
    const ciphertext = bytes(recorded.objects[0]?.ciphertext ?? "");
    for (const keyId of ["3", "0", "01", "k1.1"])
      assert.equal(await decrypted(keyId, ciphertext), status.NOT_FOUND, keyId);
    for (const annotations of [FORMAT, { "v2.kleidi.beezy.dev": Uint8Array.of(0x31) }])
      assert.equal(await decrypted("1", ciphertext, annotations), status.NOT_FOUND);
  });

  test("a changed ciphertext, and another spelling of its version, are refused", async () => {
    const text = recorded.objects[0]?.ciphertext ?? "";
    const other = text.at(20) === "A" ? "B" : "A";
    for (const changed of [`${text.slice(0, 20)}${other}${text.slice(21)}`, text.replace("v1:", "v01:"), ""])
      assert.equal(await decrypted("1", bytes(changed)), status.INVALID_ARGUMENT, changed);
  });

  test("an object of kleidí does not pass as a foreign one, nor a foreign one as its own, under the same Transit key", async () => {
    const own = await client.encrypt({ plaintext: new Uint8Array(32).fill(9) });
    assert.equal(await decrypted("2", own.ciphertext), status.INVALID_ARGUMENT);
    assert.equal(await decrypted("2", own.ciphertext, own.annotations), status.NOT_FOUND);
    const foreign = bytes(recorded.objects[1]?.ciphertext ?? "");
    assert.equal(await decrypted(own.keyId, foreign, FORMAT), status.INVALID_ARGUMENT);
    assert.equal(await decrypted(own.keyId, foreign), status.INVALID_ARGUMENT);
  });

  test("what the Go kleidi stores with Vault decrypts, and not without its annotation", async () => {
    const socket = join(fixture.folder, "plugin.sock");
    const plugin = await startForeignPlugin(bao, recorded.key, socket, "kleidi-go-vault");
    const other = new KmsClient(socket);
    try {
      const plaintext = Buffer.from(recorded.plaintext, "hex");
      const { keyId, ciphertext, annotations } = await other.encrypt({ plaintext });
      assert.match(keyId, /^kleidi-kms-plugin_2_\d{10}$/);
      assert.equal(await decrypted(keyId, ciphertext, annotations), recorded.plaintext);
      assert.equal(await decrypted(keyId, ciphertext), status.NOT_FOUND);
      const another = keyId.replace(/_\d+$/, "_1");
      assert.equal(await decrypted(another, ciphertext, annotations), status.NOT_FOUND);
    } finally {
      other.close();
      await plugin.stop();
    }
  });

  test("check --live and key list name the foreign key, and a step that would make it encrypt is refused", async () => {
    const live = await fixture.runAside("check", "--live");
    assert.match(live.stdout, /live old: Status for objects of vault-kubernetes-kms through provider vault/);
    const listed = JSON.parse((await fixture.runAside("key", "list", "--json")).stdout);
    const old = listed.keys.find(({ name }: { name: string }) => name === "old");
    assert.equal(old.foreign, "vault-kubernetes-kms");
    assert.equal(old.next, "kleidi migrate, then kleidi key retire old, with a proof");
    for (const words of [
      ["key", "promote", "old"],
      ["key", "rotate", "old"],
      ["key", "retire", "old"],
    ]) {
      const { status: code, stdout } = fixture.run(...words, "--json");
      assert.equal(code, 1, words.join(" "));
      assert.equal(JSON.parse(stdout).code, "key-change-refused", words.join(" "));
    }
  });

  test("check --live fails for a provider that does not know the format", async (t) => {
    const aside = vaultNode(options);
    t.after(() => aside.close());
    const config = vaultConfig(options) as { providers: object; keys: object[] };
    aside.write(
      JSON.stringify({
        ...config,
        keystore: { directory: "keys" },
        providers: {
          ...config.providers,
          local: {
            module: localModule,
            sha256: sha256Of(localModule),
            grants: { keystore: { keys: ["old"] } },
          },
        },
        keys: [config.keys[0], { ...config.keys[1], provider: "local", settings: {} }],
      }),
    );
    aside.keyInit("old");
    const { status: code, stdout } = aside.run("check", "--live");
    assert.equal(code, 1);
    assert.match(stdout, /the module of provider "local" does not know the format vault-kubernetes-kms/);
  });
});
