/**
 * Another KMS v2 plugin over a Transit key: it stores the same bytes as vault-kubernetes-kms, or as the Go kleidi with Vault
 * (docs/foreign-formats.md), whose Go modules cannot be had. With the path of a real vault-kubernetes-kms in KLEIDI_TEST_PLUGIN, that one
 * is started instead.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { create } from "@bufbuild/protobuf";
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { KmsClient } from "../../host/grpc/client.ts";
import { kmsMethods } from "../../host/grpc/methods.ts";
import {
  DecryptResponseSchema,
  EncryptResponseSchema,
  StatusResponseSchema,
} from "../../proto/kms/v2/kms_pb.ts";
import { until } from "../e2e/servers.ts";
import type { OpenBao } from "./openbao.ts";

type Format = "vault-kubernetes-kms" | "kleidi-go-vault";

export interface ForeignPlugin {
  stop(): Promise<void>;
}

export async function startForeignPlugin(
  bao: OpenBao,
  key: string,
  socket: string,
  format: Format = "vault-kubernetes-kms",
): Promise<ForeignPlugin> {
  const real = format === "vault-kubernetes-kms" ? process.env.KLEIDI_TEST_PLUGIN : undefined;
  const plugin = real ? startReal(real, bao, key, socket) : await startStandIn(bao, key, socket, format);
  const client = new KmsClient(socket);
  await until("the plugin answers", async () => (await client.status()).healthz === "ok").finally(() =>
    client.close(),
  );
  return plugin;
}

function startReal(program: string, bao: OpenBao, key: string, socket: string): ForeignPlugin {
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

async function startStandIn(
  bao: OpenBao,
  key: string,
  socket: string,
  format: Format,
): Promise<ForeignPlugin> {
  const annotations: Record<string, Uint8Array> =
    format === "kleidi-go-vault" ? { "v2.kleidi.beezy.dev": Uint8Array.of(0x31) } : {};
  const keyIdNow = async (): Promise<string> => {
    const { data } = await bao.must("GET", `transit/keys/${key}`);
    const { latest_version, keys } = data as { latest_version: number; keys: Record<string, number> };
    const latest = String(latest_version);
    const created = keys[latest];
    return format === "kleidi-go-vault" ? `kleidi-kms-plugin_${latest}_${created}` : latest;
  };
  const server = new Server();
  server.addService(kmsMethods, {
    Status: unary(async () => {
      return create(StatusResponseSchema, { version: "v2", healthz: "ok", keyId: await keyIdNow() });
    }),
    Encrypt: unary(async ({ plaintext }: { plaintext: Uint8Array }) => {
      const body = { plaintext: Buffer.from(plaintext).toString("base64") };
      const { data } = await bao.must("POST", `transit/encrypt/${key}`, body);
      const ciphertext = Buffer.from(String(data?.ciphertext));
      return create(EncryptResponseSchema, { ciphertext, keyId: await keyIdNow(), annotations });
    }),
    Decrypt: unary(async ({ ciphertext }: { ciphertext: Uint8Array }) => {
      const body = { ciphertext: Buffer.from(ciphertext).toString() };
      const { data } = await bao.must("POST", `transit/decrypt/${key}`, body);
      return create(DecryptResponseSchema, { plaintext: Buffer.from(String(data?.plaintext), "base64") });
    }),
  });
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    ),
  );
  return {
    async stop() {
      server.forceShutdown();
    },
  };
}

function unary<In, Out>(work: (request: In) => Promise<Out>): UntypedHandleCall {
  return (({ request }: ServerUnaryCall<In, Out>, reply: sendUnaryData<Out>) => {
    work(request).then(
      (answer) => reply(null, answer),
      (error: Error) => reply({ code: 2, details: error.message }),
    );
  }) as UntypedHandleCall;
}
