/**
 * The Go kleidi with its key in a token, whose Go module cannot be had: this file stores the same bytes (docs/foreign-formats.md) with the
 * key's bytes, which the token has too. With the path of a real one in KLEIDI_TEST_GO_KLEIDI, that one is started with the token.
 */
import { spawn } from "node:child_process";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { KmsClient } from "../../host/grpc/client.ts";
import { until } from "../e2e/servers.ts";
import { type KmsPlugin, serveKmsPlugin } from "./kms-plugin.ts";
import { MODULE, type SoftHsm } from "./softhsm.ts";

/** The plugin's only key_id, which is also the label of its key and its associated data. */
export const GO_KLEIDI_KEY = "kleidi-kms-plugin";
const IV = 16;
const TAG = 16;

export async function startGoKleidi(hsm: SoftHsm, key: Uint8Array, socket: string): Promise<KmsPlugin> {
  const real = process.env.KLEIDI_TEST_GO_KLEIDI;
  const plugin = real ? startReal(real, hsm, socket) : await startStandIn(key, socket);
  const client = new KmsClient(socket);
  await until("the plugin answers", async () => (await client.status()).healthz === "ok").finally(() =>
    client.close(),
  );
  return plugin;
}

function startReal(program: string, hsm: SoftHsm, socket: string): KmsPlugin {
  const config = join(hsm.folder, "plugin.json");
  writeFileSync(config, JSON.stringify({ path: MODULE, tokenLabel: hsm.label, pin: hsm.pin }), {
    mode: 0o600,
  });
  const args = ["-listen", `unix://${socket}`, "-provider", "softhsm", "-configfile", config];
  const child = spawn(program, args, { stdio: "ignore", env: hsm.environment });
  return {
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

async function startStandIn(key: Uint8Array, socket: string): Promise<KmsPlugin> {
  const aad = Buffer.from(GO_KLEIDI_KEY);
  return await serveKmsPlugin(socket, {
    annotations: { "v2.kleidi.beezy.dev": Uint8Array.of(0x31) },
    keyId: async () => GO_KLEIDI_KEY,
    async encrypt(plaintext) {
      const iv = randomBytes(IV);
      const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(aad);
      return Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    },
    async decrypt(object) {
      const [iv, text, tag] = [object.subarray(0, IV), object.subarray(IV, -TAG), object.subarray(-TAG)];
      const decipher = createDecipheriv("aes-256-gcm", key, iv).setAAD(aad).setAuthTag(tag);
      return Buffer.concat([decipher.update(text), decipher.final()]);
    },
  });
}
