/** Reads the encryption metrics of an API server (k8s.io/apiserver, envelope/metrics and encryptionconfig/metrics). */

import { type Sample, sampleOf } from "../../host/cluster/samples.ts";
import type { KleidiNodeStatus, SeenKey } from "../api/kleidi-node.ts";
import type { Client } from "../cluster/client.ts";

type ApiServerPart = NonNullable<KleidiNodeStatus["apiServer"]>;

const ENVELOPE = "apiserver_envelope_encryption_key_id_hash";
const CONFIG = "apiserver_encryption_config_controller";
const START = "process_start_time_seconds";
const MAX_KEYS = 128;
const HASH = /^sha256:[0-9a-f]{64}$/;

/** Adds up the samples one by one; it stores no samples. */
export class EncryptionMetrics {
  readonly #keys = new Map<string, { polledAt?: number; reads: number; writes: number }>();
  #startedAt: number | undefined;
  #configurationHash: string | undefined;
  #failedReloads = 0;

  add({ name, labels, value }: Sample): void {
    if (!Number.isFinite(value)) return;
    if (name === START) this.#startedAt = value;
    if (name === `${CONFIG}_last_config_info` && HASH.test(labels.hash ?? ""))
      this.#configurationHash = labels.hash;
    if (name === `${CONFIG}_automatic_reloads_total` && labels.status === "failure")
      this.#failedReloads += value;
    const hash = labels.key_id_hash;
    if (hash === undefined || !HASH.test(hash)) return;
    const key = this.#keys.get(hash) ?? { reads: 0, writes: 0 };
    this.#keys.set(hash, key);
    if (name === `${ENVELOPE}_status_last_timestamp_seconds`) key.polledAt = value;
    if (name !== `${ENVELOPE}_total`) return;
    if (labels.transformation_type === "from_storage") key.reads += value;
    else key.writes += value;
  }

  part(): ApiServerPart {
    const keys = [...this.#keys].slice(0, MAX_KEYS).map(([hash, { polledAt, ...counts }]): SeenKey => {
      return { hash, ...counts, ...(polledAt === undefined ? {} : { polledAt: atMs(polledAt) }) };
    });
    return {
      reachable: true,
      ...(this.#startedAt === undefined ? {} : { startedAt: atMs(this.#startedAt) }),
      ...(this.#configurationHash === undefined ? {} : { configurationHash: this.#configurationHash }),
      failedReloads: this.#failedReloads,
      keys,
    };
  }
}

/** @returns the API server's part of the report; `reachable: false` if the API server did not answer */
export async function apiServerPart(client: Client): Promise<ApiServerPart> {
  const metrics = new EncryptionMetrics();
  try {
    await client.lines("/metrics", [ENVELOPE, CONFIG, START], (line) => {
      const sample = sampleOf(line);
      if (sample !== undefined) metrics.add(sample);
    });
    return metrics.part();
  } catch {
    return { reachable: false };
  }
}

function atMs(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
