/** Rewrites the objects of a migration, with a progress bar, from the position of an earlier run. */
import { ApiClient, refusal } from "../cluster/api-client.ts";
import { readKubeconfig } from "../cluster/kubeconfig.ts";
import { interruption, passFindings } from "../cluster/migration-findings.ts";
import type { Finding } from "../finding.ts";
import { ApiError } from "../migration/api.ts";
import { patchPass } from "../migration/patch-pass.ts";
import { Tally } from "../migration/tally.ts";
import { activeHash, type Migration } from "./migration.ts";
import type { Position, PositionFile } from "./migration-position.ts";
import { type Progress, progress } from "./progress.ts";

const PAGE = 500;

/** @returns the findings of each pass; the last one is not ok if it did not reach its end */
export async function rewrite(migration: Migration, file: PositionFile): Promise<Finding[]> {
  const { kubeconfig, workers, resources } = migration;
  const key = activeHash(migration);
  const from = file.read(key, resources);
  const client = new ApiClient(readKubeconfig(kubeconfig), workers);
  const findings: Finding[] = from === undefined ? [] : [resumed(from)];
  try {
    const left = from === undefined ? resources : resources.slice(resources.indexOf(from.resource));
    for (const resource of left) {
      const after = resource === from?.resource ? from.after : undefined;
      const onPosition = (after: string) => file.write({ key, resources: [...resources], resource, after });
      const pass = await passOf(client, migration, resource, { after, onPosition });
      findings.push(...pass);
      if (pass.some(({ ok }) => !ok)) return findings;
    }
  } finally {
    await client.close();
  }
  file.remove();
  return findings;
}

function resumed({ resource, after }: Position): Finding {
  return { subject: resource, ok: true, detail: `continues after ${after}, the position of an earlier run` };
}

async function passOf(
  client: ApiClient,
  { workers, signal }: Migration,
  resource: string,
  options: { readonly after: string | undefined; readonly onPosition: (position: string) => void },
): Promise<Finding[]> {
  const tally = new Tally();
  const startedAt = performance.now();
  const bar = objectBar(resource);
  try {
    await patchPass({ client, resource, workers, pageSize: PAGE, signal, ...bar, ...options }, tally);
    return passFindings(resource, tally, (performance.now() - startedAt) / 1000);
  } catch (error) {
    if (signal.aborted) return [interruption(resource, tally, (signal.reason as Error).message)];
    if (!(error instanceof ApiError)) throw error;
    return [interruption(resource, tally, refusal(client.server, error).message)];
  } finally {
    bar.end();
  }
}

/** A bar that learns its total from the first page of the list. */
export function objectBar(resource: string) {
  let bar: Progress | undefined;
  return {
    onPage: (total: number) => {
      bar ??= progress(total, (count) => `${count} ${resource}`);
    },
    onObject: () => bar?.add(1),
    end: () => bar?.end(),
  };
}
