/**
 * The host of the benchmark: one process that runs the server code of kleidi three times, each on a separate socket. "echo" returns
 * its input, "aes" does AES-256-GCM in the process, "local" is the sandboxed local provider as "kleidi serve" runs it.
 *
 *     host.ts CONFIG FOLDER
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { join } from "node:path";
import { loadConfig } from "../host/config/load.ts";
import { KmsServer } from "../host/grpc/server.ts";
import { withFormat } from "../host/kms/annotations.ts";
import { deriveKeyId } from "../host/kms/key-id.ts";
import { Prober } from "../host/kms/prober.ts";
import { type DecryptInput, KmsService } from "../host/kms/service.ts";
import { keysetOf, Providers } from "../host/runtime/providers.ts";
import { createLog } from "../host/telemetry/log.ts";

const [file = "", folder = ""] = process.argv.slice(2);
const config = loadConfig(file);
const providers = await Providers.open(config, createLog({ level: "warn" }));
const keyset = keysetOf(config, providers);
const prober = new Prober(keyset, { intervalMs: config.status.intervalMs, onChange: () => {} });
const keyId = await deriveKeyId("bench", "1");
const key = randomBytes(32);

const echo = {
  status: () => keyId,
  encrypt: async (plaintext: Uint8Array) => ({ ciphertext: plaintext, keyId, annotations: withFormat([]) }),
  decrypt: async ({ ciphertext }: DecryptInput) => ciphertext,
};
const aes = {
  status: () => keyId,
  async encrypt(plaintext: Uint8Array) {
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", key, nonce);
    const ciphertext = Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    return { ciphertext, keyId, annotations: withFormat([]) };
  },
  async decrypt({ ciphertext }: DecryptInput) {
    const decipher = createDecipheriv("aes-256-gcm", key, ciphertext.subarray(0, 12));
    decipher.setAuthTag(ciphertext.subarray(-16));
    return Buffer.concat([decipher.update(ciphertext.subarray(12, -16)), decipher.final()]);
  },
};
const local = new KmsService(keyset, prober);
for (const [name, service] of Object.entries({ echo, aes, local })) {
  await new KmsServer({ service }).listen({ socket: join(folder, `${name}.sock`), mode: 0o600 });
}
await providers.start();
await prober.start();
console.log("ready");
