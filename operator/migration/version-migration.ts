/** A pass by Kubernetes' own controller: a StorageVersionMigration (storagemigration.k8s.io/v1beta1), polled to its end. */
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, type Client } from "../cluster/client.ts";
import { Patience } from "./patience.ts";
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
  const path = `${PATH}/${encodeURIComponent(name)}`;
  const patience = new Patience(signal);
  // One of an earlier pass proves nothing about this one, and a failed one stays failed.
  await patience.ask(() => client.json("DELETE", path, { signal }).catch(ignore(404)));
  const body = {
    apiVersion: "storagemigration.k8s.io/v1beta1",
    kind: "StorageVersionMigration",
    metadata: { name },
    spec: { resource: parseResource(resource) },
  };
  // After a lost answer the object is there: it was deleted a moment ago, so it is this one.
  await patience.ask(() => client.json("POST", PATH, { body, signal }).catch(ignore(409)));
  for (;;) {
    const { status } = await patience.ask(() => client.json<VersionMigration>("GET", path, { signal }));
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
