/** Runs a pass by Kubernetes' own controller: creates a StorageVersionMigration (storagemigration.k8s.io/v1beta1) and polls it until it ends. */
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError } from "../../host/migration/api.ts";
import { parseResource } from "../../host/migration/resource.ts";
import { RetryPolicy } from "../../host/migration/retry-policy.ts";
import type { Tally } from "../../host/migration/tally.ts";
import type { Client } from "../cluster/client.ts";

interface VersionMigration {
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly message?: string;
    }[];
  };
}

const PATH = "/apis/storagemigration.k8s.io/v1beta1/storageversionmigrations";
const POLL_MS = 2000;

/** @throws ApiError the API is not served, or the request is not allowed */
export async function versionMigrationPass(
  client: Client,
  resource: string,
  name: string,
  signal: AbortSignal,
  tally: Tally,
): Promise<void> {
  const path = `${PATH}/${encodeURIComponent(name)}`;
  const retry = new RetryPolicy(signal);
  // The object of an earlier pass proves nothing about this one, and a failed one stays failed.
  await retry.run(() => client.json("DELETE", path, { signal }).catch(ignore(404)));
  const body = {
    apiVersion: "storagemigration.k8s.io/v1beta1",
    kind: "StorageVersionMigration",
    metadata: { name },
    spec: { resource: parseResource(resource) },
  };
  // If the answer was lost, the object exists already. The old one was just deleted, so it is the new one.
  await retry.run(() => client.json("POST", PATH, { body, signal }).catch(ignore(409)));
  for (;;) {
    const { status } = await retry.run(() => client.json<VersionMigration>("GET", path, { signal }));
    const is = (type: string) =>
      status?.conditions?.find((each) => each.type === type && each.status === "True");
    if (is("Succeeded")) return;
    const failed = is("Failed");
    if (failed) return tally.refuse(`StorageVersionMigration ${name}`, 0, failed.message ?? "it failed");
    await sleep(POLL_MS, undefined, { signal });
  }
}

function ignore(code: number): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof ApiError) || error.code !== code) throw error;
  };
}
