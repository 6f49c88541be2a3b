/** A pass by Kubernetes' own controller: a StorageVersionMigration (storagemigration.k8s.io/v1beta1), polled to its end. */
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, type Client } from "../cluster/client.ts";
import { parseResource } from "./resource.ts";
import type { Tally } from "./tally.ts";

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

/** @throws ApiError it is not served, or not allowed */
export async function versionMigrationPass(
  client: Client,
  resource: string,
  name: string,
  signal: AbortSignal,
  tally: Tally,
): Promise<void> {
  const path = `${PATH}/${name}`;
  // One of an earlier pass proves nothing about this one, and a failed one stays failed.
  await client.json("DELETE", path).catch(ignore404);
  const body = {
    apiVersion: "storagemigration.k8s.io/v1beta1",
    kind: "StorageVersionMigration",
    metadata: { name },
    spec: { resource: parseResource(resource) },
  };
  await client.json("POST", PATH, { body });
  for (;;) {
    const { status } = await client.json<VersionMigration>("GET", path);
    const is = (type: string) =>
      status?.conditions?.find((each) => each.type === type && each.status === "True");
    if (is("Succeeded")) return;
    const failed = is("Failed");
    if (failed) return tally.refuse(`StorageVersionMigration ${name}`, 0, failed.message ?? "it failed");
    await sleep(POLL_MS, undefined, { signal });
  }
}

function ignore404(error: unknown): void {
  if (!(error instanceof ApiError) || error.code !== 404) throw error;
}
