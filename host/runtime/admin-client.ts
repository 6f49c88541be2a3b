/** Requests to the admin listener of a running host, bounded in time and size. */
import { request } from "node:http";
import type { AdminConfig } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import type { ActionResult } from "../telemetry/admin-actions.ts";
import { adminAddress } from "./admin-address.ts";

export interface AdminRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** The longest silence of the host, in milliseconds. */
  readonly timeoutMs: number;
}

const MAX_BYTES = 8 << 20;
/** A little longer than the host lets an action take. */
const ACTION_TIMEOUT_MS = 65_000;

/** @throws Error there is no HTTP answer; its `code` is that of the system, if the connection failed */
export function askAdmin(
  admin: AdminConfig,
  { method, path, timeoutMs }: AdminRequest,
): Promise<{ status: number | undefined; text: string }> {
  const where = "socket" in admin ? { socketPath: admin.socket } : { host: admin.host, port: admin.port };
  return new Promise((resolve, reject) => {
    const options = { ...where, method, path, timeout: timeoutMs, agent: false };
    const outgoing = request(options, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_BYTES) outgoing.destroy(new Error(`the answer is over ${MAX_BYTES} bytes`));
        chunks.push(chunk);
      });
      response.on("end", () =>
        resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString("utf8") }),
      );
      response.on("error", reject);
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    outgoing.on("error", reject);
    outgoing.end();
  });
}

/** True if no process listens on the address. */
export function isNotListening(admin: AdminConfig, error: unknown): boolean {
  const { code = "" } = error as NodeJS.ErrnoException;
  return code === "ECONNREFUSED" || ("socket" in admin && code === "ENOENT");
}

/**
 * Asks the running host for an action, and waits for its result.
 * @param action for messages, as an infinitive: "refresh the keys"
 * @param path of the action, such as "/refresh"
 * @returns the JSON object of the reply, also if `ok` is false
 * @throws KleidiError admin-refused: the configuration has no admin socket, no host answers there, or it offers no such action
 * @example const { ok } = await askForAction(config.admin, "refresh the keys", "/refresh");
 */
export async function askForAction<Result extends ActionResult>(
  admin: AdminConfig | undefined,
  action: string,
  path: string,
): Promise<Result> {
  if (admin === undefined || !("socket" in admin)) throw noSocket(action, admin);
  const where = adminAddress(admin);
  const { status, text } = await askAdmin(admin, {
    method: "POST",
    path,
    timeoutMs: ACTION_TIMEOUT_MS,
  }).catch((error: NodeJS.ErrnoException) => {
    throw unanswered(action, where, isNotListening(admin, error), error);
  });
  if (status === 200 || status === 409) return JSON.parse(text) as Result;
  throw refused(action, where, status);
}

function noSocket(action: string, admin: AdminConfig | undefined): KleidiError {
  const actual = admin === undefined ? "has no admin listener" : `listens on ${adminAddress(admin)}`;
  return new KleidiError(
    "admin-refused/no-socket",
    `Cannot ${action}: the configuration ${actual}, and a host takes actions over a socket only`,
  );
}

function unanswered(
  action: string,
  where: string,
  isAbsent: boolean,
  error: NodeJS.ErrnoException,
): KleidiError {
  const message = isAbsent
    ? `Cannot ${action}: no host listens on ${where} (${error.code})`
    : `Cannot ${action}: the process at ${where} does not answer: ${error.message}`;
  const fault = error.code === "EACCES" ? "admin-refused/not-permitted" : "admin-refused/not-running";
  return new KleidiError(fault, message, error);
}

function refused(action: string, where: string, status: number | undefined): KleidiError {
  const fault = status === 405 ? "admin-refused/read-only" : "admin-refused/stranger";
  return new KleidiError(fault, `Cannot ${action}: the host at ${where} answers HTTP ${status}`);
}
