/**
 * A pass over all objects of a resource: sends an empty patch for each. The API server reads the object from etcd, and rewrites it if it is not
 * encrypted with the key in force; otherwise it writes nothing and the resourceVersion stays. It returns only metadata.
 */
import { ApiError, type ApiRequests, MERGE_PATCH, METADATA, type RequestOptions } from "./api.ts";
import { type ObjectMetadata, objectPath, type Page, pages } from "./resource.ts";
import { RetryPolicy } from "./retry-policy.ts";
import type { Tally } from "./tally.ts";

export interface PassOptions {
  readonly client: ApiRequests;
  /** "secrets", "deployments.apps"; no wildcards. */
  readonly resource: string;
  /** Number of objects patched at the same time, 1 to 8. */
  readonly workers: number;
  readonly pageSize: number;
  readonly signal: AbortSignal;
  /** Objects up to this one, as positionOf names it, are skipped: an earlier pass sent them. */
  readonly after?: string | undefined;
  /** Called before each page, with the number of objects that are left. */
  readonly onPage?: (remaining: number) => void;
  /** Called after each page, with the position of its last object: a later pass can start after it. */
  readonly onPosition?: (position: string) => void;
  /** Called after each object. */
  readonly onObject?: () => void;
}

/** @throws ApiError a page could not be listed */
export async function patchPass(options: PassOptions, tally: Tally): Promise<void> {
  const { client, resource, pageSize, signal, after, onPage, onPosition } = options;
  const retry = new RetryPolicy(signal);
  for await (const page of pages({ client, resource, pageSize, retry, signal })) {
    const items = after === undefined ? page.items : page.items.filter((each) => positionOf(each) > after);
    onPage?.(items.length + page.remaining);
    await patchAll(options, { ...page, items }, retry, tally);
    const last = items.at(-1);
    if (last !== undefined) onPosition?.(positionOf(last));
  }
}

/** The position of an object in the list of its resource: the API server lists in the order of these texts. */
export function positionOf({ namespace, name }: Pick<ObjectMetadata, "namespace" | "name">): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

async function patchAll(
  { client, workers, signal, onObject }: PassOptions,
  { base, resource, items }: Page,
  retry: RetryPolicy,
  tally: Tally,
): Promise<void> {
  const left = items.values();
  const work = async () => {
    for (const metadata of left) {
      signal.throwIfAborted();
      const { name, namespace } = metadata;
      const path = objectPath(base, resource, name, namespace);
      const send = (body: object) => {
        const ask: RequestOptions = { body: { metadata: body }, type: MERGE_PATCH, accept: METADATA, signal };
        return retry.run(() => client.json<{ metadata: ObjectMetadata }>("PATCH", path, ask));
      };
      await patchOne(send, metadata, tally).catch((error) => {
        if (signal.aborted || !(error instanceof ApiError)) throw error;
        tally.refuse(`${resource} ${positionOf(metadata)}`, error.code, error.reason);
      });
      tally.objects += 1;
      onObject?.();
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
}

async function patchOne(
  send: (metadata: object) => Promise<{ metadata: ObjectMetadata }>,
  { uid, resourceVersion }: ObjectMetadata,
  tally: Tally,
): Promise<void> {
  try {
    const { metadata } = await send({ uid, resourceVersion });
    if (metadata.resourceVersion !== resourceVersion) tally.changed += 1;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === 404) return;
    if (error.code !== 409) throw error;
    // Another client changed the object meanwhile. Patch the current object, whatever its version is.
    tally.conflicts += 1;
    await send({}).catch((second) => {
      if (!(second instanceof ApiError) || second.code !== 404) throw second;
    });
  }
}
