/**
 * Another KMS v2 plugin over a Transit key: it stores the same bytes as vault-kubernetes-kms, or as the Go kleidi with Vault
 * (docs/foreign-formats.md), whose Go modules cannot be had. With the path of a real vault-kubernetes-kms in KLEIDI_TEST_PLUGIN, that one
 * is started instead.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { KmsClient } from "../../host/grpc/client.ts";
import { until } from "../e2e/servers.ts";
import { type KmsPlugin, serveKmsPlugin } from "./kms-plugin.ts";
import type { OpenBao } from "./openbao.ts";

type Format = "vault-kubernetes-kms" | "kleidi-go-vault";

export async function startForeignPlugin(
  bao: OpenBao,
  key: string,
  socket: string,
  format: Format = "vault-kubernetes-kms",
): Promise<KmsPlugin> {
  const real = format === "vault-kubernetes-kms" ? process.env.KLEIDI_TEST_PLUGIN : undefined;
  const plugin = real ? startReal(real, bao, key, socket) : await startStandIn(bao, key, socket, format);
  const client = new KmsClient(socket);
  await until("the plugin answers", async () => (await client.status()).healthz === "ok").finally(() =>
    client.close(),
  );
  return plugin;
}

function startReal(program: string, bao: OpenBao, key: string, socket: string): KmsPlugin {
  const child: ChildProcess = spawn(
    program,
    [
      `-socket=unix://${socket}`,
      "-force-socket-overwrite",
      `-vault-address=${bao.url}`,
      "-auth-method=token",
      `-token=${bao.rootToken}`,
      `-transit-key=${key}`,
      "-health-port=0",
    ],
    { stdio: "ignore", env: { PATH: process.env.PATH } },
  );
  return {
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

async function startStandIn(bao: OpenBao, key: string, socket: string, format: Format): Promise<KmsPlugin> {
  return await serveKmsPlugin(socket, {
    annotations: format === "kleidi-go-vault" ? { "v2.kleidi.beezy.dev": Uint8Array.of(0x31) } : {},
    async keyId() {
      const { data } = await bao.must("GET", `transit/keys/${key}`);
      const { latest_version, keys } = data as { latest_version: number; keys: Record<string, number> };
      const latest = String(latest_version);
      return format === "kleidi-go-vault" ? `kleidi-kms-plugin_${latest}_${keys[latest]}` : latest;
    },
    async encrypt(plaintext) {
      const body = { plaintext: Buffer.from(plaintext).toString("base64") };
      const { data } = await bao.must("POST", `transit/encrypt/${key}`, body);
      return Buffer.from(String(data?.ciphertext));
    },
    async decrypt(ciphertext) {
      const body = { ciphertext: Buffer.from(ciphertext).toString() };
      const { data } = await bao.must("POST", `transit/decrypt/${key}`, body);
      return Buffer.from(String(data?.plaintext), "base64");
    },
  });
}
