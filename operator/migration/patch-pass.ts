/**
 * A pass over all objects of a resource: sends an empty patch for each. The API server reads the object from etcd, and rewrites it if it is not
 * encrypted with the key in force; otherwise it writes nothing and the resourceVersion stays. It returns only metadata.
 */
import { ApiError, type Client, MERGE_PATCH, type RequestOptions } from "../cluster/client.ts";
import { basePath, objectPath, parseResource } from "./resource.ts";
import { RetryPolicy } from "./retry-policy.ts";
import type { Tally } from "./tally.ts";

export interface PassOptions {
  readonly client: Client;
  readonly resource: string;
  /** Number of objects patched at the same time, 1 to 8. */
  readonly workers: number;
  readonly pageSize: number;
  readonly signal: AbortSignal;
}

interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly uid: string;
  readonly resourceVersion: string;
}
interface Page {
  readonly metadata: { readonly continue?: string };
  readonly items: readonly { readonly metadata: Metadata }[];
}

const ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/** @throws ApiError a page could not be listed */
export async function patchPass(options: PassOptions, tally: Tally): Promise<void> {
  const { client, signal, pageSize } = options;
  const { group, resource } = parseResource(options.resource);
  const retry = new RetryPolicy(signal);
  const base = await retry.run(() => basePath(client, { group, resource }));
  let at: string | undefined = "";
  while (at !== undefined) {
    const query: string = `limit=${pageSize}${at && `&continue=${encodeURIComponent(at)}`}`;
    try {
      const page = await retry.run(() =>
        client.json<Page>("GET", `${base}/${resource}?${query}`, { accept: LIST, signal }),
      );
      await patchAll(options, page.items, { base, resource, retry }, tally);
      at = page.metadata.continue || undefined;
    } catch (error) {
      // The list is older than etcd's history: it continues with newer objects, or restarts.
      if (!(error instanceof ApiError) || error.code !== 410 || at === "") throw error;
      at = error.continueAt ?? "";
    }
  }
}

async function patchAll(
  { client, workers, signal }: PassOptions,
  items: Page["items"],
  {
    base,
    resource,
    retry,
  }: { readonly base: string; readonly resource: string; readonly retry: RetryPolicy },
  tally: Tally,
): Promise<void> {
  const left = items.values();
  const work = async () => {
    for (const { metadata } of left) {
      signal.throwIfAborted();
      const { name, namespace } = metadata;
      const path = objectPath(base, resource, name, namespace);
      const send = (body: object) => {
        const ask: RequestOptions = { body: { metadata: body }, type: MERGE_PATCH, accept: ONE, signal };
        return retry.run(() => client.json<{ metadata: Metadata }>("PATCH", path, ask));
      };
      await patchOne(send, metadata, tally).catch((error) => {
        if (signal.aborted || !(error instanceof ApiError)) throw error;
        const object = `${resource} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
        tally.refuse(object, error.code, error.reason);
      });
      tally.objects += 1;
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
}

async function patchOne(
  send: (metadata: object) => Promise<{ metadata: Metadata }>,
  { uid, resourceVersion }: Metadata,
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
