/** Scans a running etcd. */
import { type EtcdTls, KvClient } from "./kv-client.ts";
import type { Scan } from "./scan.ts";
import { StoredTally } from "./tally.ts";

export interface EndpointOptions {
  /** "https://127.0.0.1:2379" */
  readonly endpoint: string;
  readonly tls: EtcdTls;
  /** Of the API server's keys, "/registry". */
  readonly prefix: string;
  /** Called with the number of all keys. */
  readonly onTotal?: (total: number) => void;
  readonly onObject?: () => void;
}

/** @throws EtcdFault etcd does not answer, or denies the request */
export async function scanEndpoint(options: EndpointOptions): Promise<Scan> {
  const { endpoint, tls, prefix, onTotal, onObject } = options;
  const client = new KvClient(endpoint, tls);
  const tally = new StoredTally(prefix);
  let at = 0;
  try {
    for await (const { revision, total, pairs } of client.pages(`${prefix}/`)) {
      onTotal?.(total);
      at = revision;
      for (const { key, value } of pairs) {
        tally.add({ key: Buffer.from(key).toString("latin1"), value });
        onObject?.();
      }
    }
  } finally {
    client.close();
  }
  return { revision: at, objects: tally.objects, groups: tally.groups(), faults: [], faultCount: 0 };
}
