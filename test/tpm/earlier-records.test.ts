/**
 * Keys of every scheme that kleidi 0.1.0 made, before Load was held against what Create makes and Unseal was a grant: the virtual TPM's
 * state, the records and a ciphertext of each are in records-of-0.1.0.json. They must work as long as the project lives.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { requireDebian } from "../support/debian.ts";
import { Fixture } from "../support/fixture.ts";
import { Swtpm } from "../support/swtpm.ts";
import { tpmNode } from "../support/tpm-node.ts";

requireDebian(["swtpm", "tpm2-tools"]);

interface Made {
  readonly version: string;
  readonly record: string;
  readonly sealed: {
    readonly ciphertext: string;
    readonly keyId: string;
    readonly annotations: Readonly<Record<string, string>>;
  };
}

interface Earlier {
  readonly plaintext: string;
  /** tpm2-00.permall of swtpm. */
  readonly tpm: string;
  readonly keys: Readonly<Record<string, Made>>;
}

const earlier: Earlier = JSON.parse(readFileSync(join(import.meta.dirname, "records-of-0.1.0.json"), "utf8"));
const bytes = (base64: string) => Uint8Array.from(Buffer.from(base64, "base64"));
const [first = "", ...others] = Object.keys(earlier.keys);

let tpm: Swtpm;
let fixture: Fixture;
let client: KmsClient;

before(async () => {
  tpm = await Swtpm.start();
  await tpm.kill();
  writeFileSync(join(tpm.folder, "tpm2-00.permall"), bytes(earlier.tpm));
  await tpm.start();
  fixture = tpmNode({ device: tpm.device, others, unseal: true });
  fixture.write(fixture.readConfig().replaceAll('"kek"', JSON.stringify(first)));
  for (const [name, { record }] of Object.entries(earlier.keys))
    writeFileSync(join(fixture.folder, "state", `${name}.state`), bytes(record), { mode: 0o600 });
  client = new KmsClient(fixture.socket);
});

after(async () => {
  client.close();
  await fixture.close();
  await tpm.stop();
});

async function opened({ sealed }: Made): Promise<string> {
  const { ciphertext, keyId, annotations } = sealed;
  const entries = Object.entries(annotations).map(([name, value]) => [name, bytes(value)] as const);
  const { plaintext } = await client.decrypt({
    ciphertext: bytes(ciphertext),
    keyId,
    annotations: Object.fromEntries(entries),
    uid: "1",
  });
  return Buffer.from(plaintext).toString();
}

test("with Unseal granted, a key of each scheme opens what it sealed then, and is the same version", async () => {
  assert.equal(Object.keys(earlier.keys).length, 8);
  const host = await fixture.serve();
  for (const [name, made] of Object.entries(earlier.keys))
    assert.equal(await opened(made), earlier.plaintext, name);
  assert.equal(await Fixture.stop(host), 0);
  const versions = Object.entries(earlier.keys).map(([name, { version }]) => [name, version]);
  const config = JSON.parse(fixture.readConfig());
  config.keys = config.keys.map((key: { name: string }) => ({
    ...key,
    version: new Map(versions as [string, string][]).get(key.name),
  }));
  fixture.write(JSON.stringify(config));
  const { status, stdout } = fixture.run("check", "--live");
  assert.equal(status, 0, stdout);
});

test("without it, the keys that compute in the TPM do, and a sealed one says which line to write", async () => {
  fixture.write(fixture.readConfig().replace('"unseal":true', '"unseal":false'));
  const host = await fixture.serve();
  for (const [name, made] of Object.entries(earlier.keys)) {
    if (!name.includes("sealed")) assert.equal(await opened(made), earlier.plaintext, name);
    else await assert.rejects(opened(made), { code: 9 });
  }
  assert.equal(await Fixture.stop(host), 0);
  const { status, stdout } = fixture.run("check", "--live");
  assert.equal(status, 1);
  for (const name of Object.keys(earlier.keys).filter((each) => each.includes("sealed")))
    assert.match(
      stdout,
      new RegExp(
        `^FAIL live ${name}: .*TPM2_Unseal gives sealed data out of the TPM; to grant it, write under tpm: unseal: true$`,
        "m",
      ),
    );
});
