/**
 * aws-encryption-provider over the stand-in for AWS KMS. Its Go module cannot be had, so AWS's SDK makes its requests and this file stores
 * the same bytes (docs/foreign-formats.md). With the path of a real one in KLEIDI_TEST_AWS_PLUGIN, that one is started instead.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { KmsClient } from "../../host/grpc/client.ts";
import { until } from "../e2e/servers.ts";
import { type FakeAws, REGION } from "./aws/aws.ts";
import { AwsDrive } from "./awsdrive.ts";
import { type KmsPlugin, serveKmsPlugin } from "./kms-plugin.ts";

/** The options `--key` and `--encryption-context`. */
interface Options {
  readonly key: string;
  readonly context: string;
}

const FIRST_BYTE = Buffer.from("1");

export async function startAwsEncryptionProvider(
  aws: FakeAws,
  options: Options,
  socket: string,
): Promise<KmsPlugin> {
  const { accessKeyId, secretAccessKey } = aws.user("plugin");
  const environment = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  const real = process.env.KLEIDI_TEST_AWS_PLUGIN;
  const plugin = real
    ? startReal(real, aws, options, socket, environment)
    : await startStandIn(aws, options, socket, environment);
  const client = new KmsClient(socket);
  await until("the plugin answers", async () => (await client.status()).healthz === "ok").finally(() =>
    client.close(),
  );
  return plugin;
}

function startReal(
  program: string,
  aws: FakeAws,
  { key, context }: Options,
  socket: string,
  environment: Record<string, string>,
): KmsPlugin {
  const words = {
    key,
    "encryption-context": context,
    listen: socket,
    region: REGION,
    "kms-endpoint": aws.at.kms.origin,
    "health-port": "127.0.0.1:0",
  };
  const args = Object.entries(words).map(([name, value]) => `--${name}=${value}`);
  const child = spawn(program, args, { stdio: "ignore", env: { PATH: process.env.PATH, ...environment } });
  return {
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

async function startStandIn(
  aws: FakeAws,
  { key, context }: Options,
  socket: string,
  environment: Record<string, string>,
): Promise<KmsPlugin> {
  const sdk = new AwsDrive({
    ...environment,
    AWS_REGION: REGION,
    AWS_ENDPOINT_URL_KMS: aws.at.kms.origin,
  });
  const pairs = Object.fromEntries(context.split(",").map((pair) => pair.split("=")));
  const ask = async (op: string, rest: Record<string, string>) => {
    const answer = await sdk.ask({ op, key, context: pairs, ...rest });
    assert.equal(answer.error, undefined, answer.message ?? "");
    return answer;
  };
  const plugin = await serveKmsPlugin(socket, {
    annotations: {},
    keyId: async () => key,
    async encrypt(plaintext) {
      const { ciphertext = "" } = await ask("encrypt", {
        plaintext: Buffer.from(plaintext).toString("base64"),
      });
      return Buffer.concat([FIRST_BYTE, Buffer.from(ciphertext, "base64")]);
    },
    async decrypt(object) {
      const ciphertext = Buffer.from(object.subarray(1)).toString("base64");
      const { plaintext = "" } = await ask("decrypt", { ciphertext });
      return Buffer.from(plaintext, "base64");
    },
  });
  return {
    async stop() {
      await plugin.stop();
      sdk.close();
    },
  };
}
