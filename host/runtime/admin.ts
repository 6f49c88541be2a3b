/** What the admin listener tells of a host: metrics, probes, and what it is and did, which `kleidi check` reads and people see. */
import { request } from "node:http";
import type { Socket } from "node:net";
import type { AdminConfig, Config, ProviderConfig } from "../config/config.ts";
import { KleidiError, toKleidiError } from "../error.ts";
import { listen } from "../grpc/listener.ts";
import type { KeyState } from "../kms/keyset.ts";
import type { KmsService } from "../kms/service.ts";
import { trustLine } from "../module/trust/trust.ts";
import { createAdmin, listenOnAddress } from "../telemetry/admin.ts";
import { failureFields, keyIdHash, type Logger } from "../telemetry/log.ts";
import type { Recorder } from "../telemetry/recorder.ts";
import type { HostReport, KeyReport, ProviderReport } from "../telemetry/report.ts";
import type { Host } from "./assemble.ts";
import type { AuditTrail } from "./audit-trail.ts";
import { type Kept, keepOpen } from "./keep-open.ts";
import type { LimitsLog } from "./limits-log.ts";
import { reach } from "./reach.ts";
import type { Watch } from "./watch.ts";

/** Why the host is not ready: what Status would fail with, of itself or because no record of it can be written. */
export function unready(
  service: Pick<KmsService, "activeKeyId">,
  audit?: Pick<AuditTrail, "assertReady">,
): string | undefined {
  try {
    service.activeKeyId();
    audit?.assertReady();
    return undefined;
  } catch (error) {
    return error instanceof KleidiError ? error.message : "Status failed in the host";
  }
}

export interface AdminContext {
  readonly config: Config;
  readonly host: Host;
  readonly watch: Watch;
  readonly log: Logger;
  readonly limits: LimitsLog;
}

/** Where it listens, as people write it. */
export function adminAddress(admin: AdminConfig): string {
  if ("socket" in admin) return `unix:${admin.socket}`;
  return admin.host.includes(":") ? `[${admin.host}]:${admin.port}` : `${admin.host}:${admin.port}`;
}

/**
 * Keys are served whether or not the address can be had: who took it could else keep the host from starting. It is tried again until it
 * can.
 */
export async function openAdmin(
  admin: AdminConfig,
  { config, host, watch, log, limits }: AdminContext,
): Promise<Kept> {
  const answering = createAdmin({
    metrics: () => watch.metrics.scrape(),
    unready: watch.unready,
    state: () => reportOf(config, host, watch),
    onClosed: (reason) => limits.admin(reason),
  });
  const accept = (socket: Socket) => answering.accept(socket);
  const open = () => ("socket" in admin ? listen(admin, accept) : listenOnAddress(admin, accept));
  const address = adminAddress(admin);
  let told = "";
  const kept = await keepOpen(open, {
    onRefused(error, nextTryMs) {
      watch.metrics.adminListenFailed();
      const failure = toKleidiError(error, "admin");
      // Once, and again where something else is in the way.
      if (told === failure.message) return;
      told = failure.message;
      log.error({ ...failureFields(failure), nextTryMs }, `${failure.message}; keys are served without it`);
    },
    onOpened(tries) {
      if (tries > 1) log.info({ admin: address, tries }, "the admin listener has its address now");
    },
  });
  return {
    close() {
      kept.close();
      answering.close();
    },
  };
}

function reportOf(config: Config, host: Host, { recorder, version, wall, unready }: Watch): HostReport {
  const why = unready();
  return {
    version,
    wall,
    startedAt: performance.timeOrigin,
    at: Date.now(),
    ...(why === undefined ? {} : { unready: why }),
    providers: Object.fromEntries(
      config.providers.map((provider) => [provider.name, providerReport(provider, host, recorder)]),
    ),
    keys: host.keyset.states().map((state) => keyReport(state, recorder)),
    denials: recorder.denials(),
    changes: recorder.changes(),
  };
}

function providerReport(provider: ProviderConfig, host: Host, recorder: Recorder): ProviderReport {
  const { name } = provider;
  const state = host.supervisors.get(name)?.state();
  const module = host.modules.get(name);
  if (state === undefined || module === undefined)
    throw new KleidiError("host-fault", `Cannot find provider "${name}"`);
  const { manifest, sha256, trusted } = module;
  return {
    ...state,
    module: {
      name: manifest.name,
      version: manifest.version,
      sha256,
      trust: trustLine(trusted),
    },
    reach: reach(provider, manifest).map(({ ok, detail, whys }) => {
      return { ok, detail, ...(whys.length === 0 ? {} : { why: whys.join("; ") }) };
    }),
    reached: recorder.reached(name),
  };
}

function keyReport({ key, current, failure }: KeyState, recorder: Recorder): KeyReport {
  const probe = recorder.lastProbe(key.name);
  return {
    name: key.name,
    provider: key.provider.name,
    use: key.use,
    ...(current && { key_id_sha256: keyIdHash(current.keyId), version: current.version }),
    ...(failure && { failure: failure.message, code: failure.code }),
    ...(probe && { probe }),
  };
}

const TIMEOUT_MS = 2000;
const MAX_BYTES = 8 << 20;

/**
 * Asks a running host for its state.
 * @returns undefined where nobody listens
 * @throws Error where the answer is none of a host
 */
export async function askState(admin: AdminConfig): Promise<HostReport | undefined> {
  let text: string;
  try {
    text = await get(admin, "/state");
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "ECONNREFUSED" || ("socket" in admin && code === "ENOENT")) return undefined;
    throw error;
  }
  const state: Partial<HostReport> | null = JSON.parse(text);
  if (typeof state?.providers !== "object" || !Array.isArray(state.keys)) throw new Error("it is no state");
  return state as HostReport;
}

function get(admin: AdminConfig, path: string): Promise<string> {
  const where = "socket" in admin ? { socketPath: admin.socket } : { host: admin.host, port: admin.port };
  return new Promise((resolve, reject) => {
    const asking = request({ ...where, path, timeout: TIMEOUT_MS, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_BYTES) asking.destroy(new Error(`the answer is over ${MAX_BYTES} bytes`));
        chunks.push(chunk);
      });
      response.on("end", () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString("utf8"));
        else reject(new Error(`the answer is HTTP ${response.statusCode}`));
      });
      response.on("error", reject);
    });
    asking.on("timeout", () => asking.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    asking.on("error", reject);
    asking.end();
  });
}
