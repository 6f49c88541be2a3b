/** What the admin listener tells of a host: metrics, probes, and the state that `kleidi check` reads. */
import { request } from "node:http";
import type { Config } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import type { KmsService } from "../kms/service.ts";
import type { ProviderState } from "../sandbox/supervisor.ts";
import { type Admin, listenAdmin } from "../telemetry/admin.ts";
import { keyIdHash } from "../telemetry/log.ts";
import type { Host } from "./assemble.ts";
import type { Watch } from "./watch.ts";

export interface HostState {
  readonly providers: Readonly<Record<string, ProviderState>>;
  readonly keys: readonly KeyStateLine[];
}

export interface KeyStateLine {
  readonly name: string;
  readonly provider: string;
  readonly use: string;
  /** Absent until it was learnt. */
  readonly key_id_sha256?: string;
  /** Why it is not well. */
  readonly failure?: string;
}

/** Why the host is not ready: what Status would fail with. */
export function unready(service: KmsService): string | undefined {
  try {
    service.status();
    return undefined;
  } catch (error) {
    return error instanceof KleidiError ? error.message : "Status failed in the host";
  }
}

/** @throws KleidiError admin-refused */
export async function openAdmin(
  admin: NonNullable<Config["admin"]>,
  host: Host,
  service: KmsService,
  { metrics }: Watch,
): Promise<Admin> {
  return await listenAdmin({
    ...admin,
    metrics: () => metrics.registry.metrics(),
    unready: () => unready(service),
    state: () => stateOf(host),
  });
}

function stateOf({ supervisors, keyset }: Host): HostState {
  return {
    providers: Object.fromEntries([...supervisors].map(([name, each]) => [name, each.state()])),
    keys: keyset.states().map(({ key, current, failure }) => ({
      name: key.name,
      provider: key.provider.name,
      use: key.use,
      ...(current === undefined ? {} : { key_id_sha256: keyIdHash(current.keyId) }),
      ...(failure === undefined ? {} : { failure: failure.message }),
    })),
  };
}

const TIMEOUT_MS = 2000;
const MAX_BYTES = 1 << 20;

/**
 * Asks a running host for its state.
 * @returns undefined where nobody listens
 * @throws Error where the answer is none of a host
 */
export async function askState({ host, port }: NonNullable<Config["admin"]>): Promise<HostState | undefined> {
  let text: string;
  try {
    text = await get(host, port, "/state");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ECONNREFUSED") return undefined;
    throw error;
  }
  const state: Partial<HostState> | null = JSON.parse(text);
  if (typeof state?.providers !== "object" || !Array.isArray(state.keys)) throw new Error("it is no state");
  return state as HostState;
}

function get(host: string, port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asking = request({ host, port, path, timeout: TIMEOUT_MS, agent: false }, (response) => {
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
