/** A migration, as the options of `kleidi migrate` describe it. */
import { hashOf, type KnownKeys } from "../cluster/key-usage.ts";
import type { EtcdSource } from "./etcd-source.ts";

/** The objects to migrate and the way to the API servers. */
export interface Migration {
  readonly kubeconfig: string;
  /** undefined: the server of the kubeconfig. */
  readonly servers: readonly (string | undefined)[];
  readonly resources: readonly string[];
  /** The names of the kms providers; undefined: all that the API server has. */
  readonly names: readonly string[] | undefined;
  readonly keys: KnownKeys;
  readonly workers: number;
  /** Read at the end; undefined: etcd is not read. */
  readonly etcd: EtcdSource | undefined;
  readonly signal: AbortSignal;
}

/** The hash of the active key, which statusOfServers has compared. */
export function activeHash({ keys }: Migration): string {
  return hashOf(keys.active ?? "");
}
