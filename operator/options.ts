/** The options of both commands, parsed once. Defaults come from the pod: its service account and its environment. */
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import type { AdminAddress } from "./agent/host-state.ts";
import { Client, tokenFile } from "./cluster/client.ts";

const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

export class UsageError extends Error {}

const COMMON = {
  server: { type: "string" },
  "token-file": { type: "string", default: `${ACCOUNT}/token` },
  "ca-file": { type: "string", default: `${ACCOUNT}/ca.crt` },
  help: { type: "boolean", default: false },
} as const;

export interface Address {
  readonly host: string;
  readonly port: number;
}

export function controllerOptions(args: readonly string[], env: NodeJS.ProcessEnv) {
  const values = parse(args, {
    ...COMMON,
    namespace: { type: "string", default: env.POD_NAMESPACE ?? "" },
    identity: { type: "string", default: env.POD_NAME ?? `${hostname()}_${process.pid}` },
    interval: { type: "string", default: "10" },
    "idle-interval": { type: "string", default: "60" },
    "lease-seconds": { type: "string", default: "45" },
    "migration-service-account": { type: "string" },
    "retry-seconds": { type: "string", default: "300" },
    listen: { type: "string", default: "127.0.0.1:9465" },
  } as const);
  return {
    client: clientOf(serverOf(values.server, env), values),
    namespace: values.namespace || ownNamespace(),
    identity: values.identity,
    intervalMs: seconds("interval", values.interval, 1, 600) * 1000,
    idleMs: seconds("idle-interval", values["idle-interval"], 1, 3600) * 1000,
    leaseSeconds: seconds("lease-seconds", values["lease-seconds"], 3, 600),
    serviceAccount: values["migration-service-account"],
    retryMs: seconds("retry-seconds", values["retry-seconds"], 1, 86_400) * 1000,
    listen: address("listen", values.listen),
  };
}

export function agentOptions(args: readonly string[], env: NodeJS.ProcessEnv) {
  const values = parse(args, {
    ...COMMON,
    node: { type: "string", default: env.NODE_NAME ?? "" },
    admin: { type: "string", default: "127.0.0.1:9464" },
    "api-server": { type: "string" },
    "api-server-name": { type: "string" },
    interval: { type: "string", default: "30" },
    listen: { type: "string", default: "127.0.0.1:9466" },
    once: { type: "boolean", default: false },
  } as const);
  if (values.node === "") throw new UsageError("Cannot report: neither --node nor NODE_NAME is set");
  const server = serverOf(values.server, env);
  const own = values["api-server"] ?? (env.HOST_IP ? `https://${bracketed(env.HOST_IP)}:6443` : server);
  return {
    node: values.node,
    cluster: clientOf(server, values),
    apiServer: clientOf(own, values, values["api-server-name"]),
    admin: adminAddress(values.admin),
    // A node's clock may be wrong by four intervals before its report is refused. That is less than the default margin of a wait.
    intervalSeconds: seconds("interval", values.interval, 1, 60),
    listen: address("listen", values.listen),
    once: values.once,
  };
}

function parse<const T extends NonNullable<Parameters<typeof parseArgs>[0]>["options"]>(
  args: readonly string[],
  options: T,
) {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false })
      .values as ReturnType<
      typeof parseArgs<{ options: NonNullable<T>; strict: true; allowPositionals: false }>
    >["values"];
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function serverOf(server: string | undefined, env: NodeJS.ProcessEnv): string {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = "443" } = env;
  if (server !== undefined) return server;
  if (!host)
    throw new UsageError(
      "Cannot find the API server: --server is not set, and this process does not run in a pod",
    );
  return `https://${bracketed(host)}:${port}`;
}

function clientOf(
  server: string,
  values: { "token-file": string; "ca-file": string },
  serverName?: string,
): Client {
  if (!URL.canParse(server) || new URL(server).protocol !== "https:")
    throw new UsageError(`Cannot use the API server "${server}": expected https://HOST:PORT`);
  return new Client({
    server,
    token: tokenFile(values["token-file"]),
    ca: readText("ca-file", values["ca-file"]),
    serverName,
  });
}

function ownNamespace(): string {
  const file = `${ACCOUNT}/namespace`;
  if (existsSync(file)) return readFileSync(file, "utf8").trim();
  throw new UsageError("Cannot find the namespace: neither --namespace nor POD_NAMESPACE is set");
}

function readText(option: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`Cannot read --${option} ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
}

function seconds(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new UsageError(`Cannot use --${option} "${text}": expected whole seconds, ${min} to ${max}`);
}

function address(option: string, text: string): Address {
  const [, host = "", port = ""] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  if (host !== "" && Number(port) < 65_536)
    return { host: host.replace(/^\[(.*)\]$/, "$1"), port: Number(port) };
  throw new UsageError(`Cannot use --${option} "${text}": expected HOST:PORT`);
}

function adminAddress(text: string): AdminAddress {
  return text.startsWith("unix:") ? { socketPath: text.slice("unix:".length) } : address("admin", text);
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
