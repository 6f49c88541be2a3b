/** kleidi healthcheck: calls Status over the socket, as the API server does; for exec probes and for people. */
import type { ServiceError } from "@grpc/grpc-js";
import { loadConfig } from "../config/load.ts";
import { Grpc } from "../error.ts";
import type { Finding } from "../finding.ts";
import { connectionError, KmsClient } from "../grpc/client.ts";
import { explainPathError } from "../lib/path-fault.ts";
import { keyIdHash } from "../telemetry/log.ts";
import { report } from "./output.ts";
import { UsageError } from "./usage-error.ts";

export interface HealthcheckOptions {
  /** By default the socket of the configuration; if it is given, the configuration is not read. */
  readonly socket?: string;
  /** The longest wait for one answer, in milliseconds. */
  readonly timeoutMs: number;
  /** A duration such as 30s: asks again until the answer is good or this time is over. */
  readonly wait?: string;
  readonly json: boolean;
}

const PAUSE_MS = 250;
/** Answers of a host that runs and does not serve yet. */
const NOT_READY: ReadonlySet<number> = new Set([
  Grpc.FAILED_PRECONDITION,
  Grpc.UNAVAILABLE,
  Grpc.DEADLINE_EXCEEDED,
]);

/** @throws UsageError, the duration cannot be read */
export async function healthcheckCommand(configPath: string, options: HealthcheckOptions): Promise<number> {
  const { wait, timeoutMs, json } = options;
  const until = Date.now() + (wait === undefined ? 0 : millisecondsOf(wait));
  const socket = options.socket ?? loadConfig(configPath).listen.socket;
  for (;;) {
    const found = await ask(socket, timeoutMs);
    if (found.ok || Date.now() >= until) return report([found], json);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

async function ask(socket: string, timeoutMs: number): Promise<Finding> {
  const unreachable = await connectionError(socket);
  if (unreachable !== undefined) return noConnection(socket, unreachable);
  const client = new KmsClient(socket);
  try {
    const { version, healthz, keyId } = await client.status(timeoutMs);
    const detail = `${socket} answers ${version}, ${healthz}, key_id sha256 ${keyIdHash(keyId)}`;
    return { subject: "status", ok: version === "v2" && healthz === "ok", detail };
  } catch (error) {
    return refused(socket, error as ServiceError);
  } finally {
    client.close();
  }
}

function noConnection(socket: string, error: NodeJS.ErrnoException): Finding {
  if (error.code === "EACCES" || error.code === "EPERM") {
    const { problem = "", remedy = "" } = explainPathError(socket, error, "write") ?? {};
    const hint = `Run the command as a user of the socket's group, or ${remedy}.`;
    return failed(`not permitted: ${socket}: ${problem} (${error.code})`, hint);
  }
  const hint =
    "Start the host. If it was started: its log says why it ended, and `kleidi check` finds the reason.";
  return failed(`not running: no process listens on ${socket} (${error.code})`, hint);
}

function refused(socket: string, { details, code }: ServiceError): Finding {
  const state = NOT_READY.has(code) ? "not ready" : "refused";
  const hint =
    state === "not ready"
      ? "The host runs. Its log says why a key is not ready; `--wait 30s` waits for it."
      : "The host runs and refuses Status. Its log has the cause.";
  return failed(`${state}: ${socket}: ${details} (gRPC code ${code})`, hint);
}

function failed(detail: string, hint: string): Finding {
  return { subject: "status", ok: false, detail, hint };
}

/** @throws UsageError */
function millisecondsOf(text: string): number {
  const [, count, unit] = /^(\d{1,6})(ms|s|m)$/.exec(text) ?? [];
  if (count === undefined)
    throw new UsageError(`Cannot wait for "${text}": expected a duration such as 500ms, 30s or 5m`);
  return Number(count) * (unit === "ms" ? 1 : unit === "s" ? 1_000 : 60_000);
}
