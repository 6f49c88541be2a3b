/** kleidi healthcheck: calls Status over the socket, as the API server does; for exec probes and for people. */
import type { ServiceError } from "@grpc/grpc-js";
import { loadConfig } from "../config/load.ts";
import type { Finding } from "../finding.ts";
import { KmsClient } from "../grpc/client.ts";
import { keyIdHash } from "../telemetry/log.ts";
import { report } from "./output.ts";

/**
 * @param options.socket by default the socket of the configuration; if it is given, the configuration is not read
 * @param options.timeoutMs the longest wait for the answer, in milliseconds
 */
export async function healthcheckCommand(
  configPath: string,
  options: { socket?: string; timeoutMs: number; json: boolean },
): Promise<number> {
  const socket = options.socket ?? loadConfig(configPath).listen.socket;
  const client = new KmsClient(socket);
  let finding: Finding;
  try {
    const { version, healthz, keyId } = await client.status(options.timeoutMs);
    const ok = version === "v2" && healthz === "ok";
    const detail = `${socket} answers ${version}, ${healthz}, key_id sha256 ${keyIdHash(keyId)}`;
    finding = { subject: "status", ok, detail };
  } catch (error) {
    const { details, code } = error as ServiceError;
    const hint = "Is the host running? Its log says why a key is not ready.";
    finding = { subject: "status", ok: false, detail: `${socket}: ${details} (gRPC code ${code})`, hint };
  } finally {
    client.close();
  }
  return report([finding], options.json);
}
