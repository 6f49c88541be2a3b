/**
 * Keys of every scheme that kleidi 0.1.0 made, before Load was compared with the output of Create and Unseal needed a grant. The state of
 * the virtual TPM, the records and a ciphertext of each are in records-of-0.1.0.json. They must work as long as the project exists.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { loadConfig } from "../../host/config/load.ts";
import { associatedData, deriveKeyId } from "../../host/kms/key-id.ts";
import { Providers } from "../../host/runtime/providers.ts";
import type { SandboxedProvider } from "../../host/sandbox/provider.ts";
import { createLog } from "../../host/telemetry/log.ts";
import { requireDebian } from "../support/debian.ts";
import type { Fixture } from "../support/fixture.ts";
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

before(async () => {
  tpm = await Swtpm.start();
  await tpm.kill();
  writeFileSync(join(tpm.folder, "tpm2-00.permall"), bytes(earlier.tpm));
  await tpm.start();
  fixture = tpmNode({ device: tpm.device, others, unseal: true });
  fixture.write(fixture.readConfig().replaceAll('"kek"', JSON.stringify(first)));
  for (const [name, { record }] of Object.entries(earlier.keys))
    writeFileSync(join(fixture.folder, "state", `${name}.state`), bytes(record), { mode: 0o600 });
});

after(async () => {
  await fixture.close();
  await tpm.stop();
});

/** The providers as commands run them, with a deadline that a busy machine can meet. */
async function withProvider(work: (provider: SandboxedProvider) => Promise<void>): Promise<void> {
  const log = createLog({ level: "fatal" });
  const providers = await Providers.open(loadConfig(fixture.config), log, { deadlineMs: 60_000 });
  try {
    await providers.start();
    await work(providers.get("tpm").provider);
  } finally {
    await providers.close();
  }
}

async function assertOpens(provider: SandboxedProvider, name: string, made: Made): Promise<void> {
  assert.equal((await provider.status(name)).version, made.version, name);
  const keyId = await deriveKeyId(name, made.version);
  assert.equal(keyId, made.sealed.keyId, name);
  const plaintext = await provider.decrypt({
    key: name,
    version: made.version,
    ciphertext: bytes(made.sealed.ciphertext),
    annotations: [],
    associatedData: associatedData("tpm", keyId),
  });
  assert.equal(Buffer.from(plaintext).toString(), earlier.plaintext, name);
}

test("with Unseal granted, a key of each scheme has the same version and decrypts its old ciphertext", async () => {
  assert.equal(Object.keys(earlier.keys).length, 8);
  await withProvider(async (provider) => {
    for (const [name, made] of Object.entries(earlier.keys)) await assertOpens(provider, name, made);
  });
});

test("without Unseal, the keys that compute in the TPM work, and a sealed key names the missing line", async () => {
  fixture.write(fixture.readConfig().replace('"unseal":true', '"unseal":false'));
  await withProvider(async (provider) => {
    for (const [name, made] of Object.entries(earlier.keys)) {
      if (!name.includes("sealed")) await assertOpens(provider, name, made);
      else
        await assert.rejects(provider.status(name), {
          code: "capability-denied",
          message:
            /TPM2_Unseal releases sealed data from the TPM; to grant it, write under tpm: unseal: true$/,
        });
    }
  });
});
