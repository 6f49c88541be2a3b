/**
 * A pass over all objects of a resource: each gets an empty patch. The API server reads the object from etcd, and writes it anew if it is not
 * encrypted with the key in force; else nothing is written, and its resourceVersion stays. Only metadata comes back.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, type Client, MERGE_PATCH, type RequestOptions } from "../cluster/client.ts";
import { basePath, objectPath, parseResource } from "./resource.ts";
import type { Tally } from "./tally.ts";

export interface PassOptions {
  readonly client: Client;
  readonly resource: string;
  /** Objects at the same time, 1 to 8. */
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
/** Seven tries in about 30 s: an API server may restart meanwhile. */
const DELAYS_MS = [250, 500, 1000, 4000, 8000, 16_000];

/** @throws ApiError a page cannot be listed */
export async function patchPass(options: PassOptions, tally: Tally): Promise<void> {
  const { client, signal, pageSize } = options;
  const { group, resource } = parseResource(options.resource);
  const base = await patiently(signal, () => basePath(client, { group, resource }));
  let at: string | undefined = "";
  while (at !== undefined) {
    const query: string = `limit=${pageSize}${at && `&continue=${encodeURIComponent(at)}`}`;
    try {
      const page = await patiently(signal, () =>
        client.json<Page>("GET", `${base}/${resource}?${query}`, { accept: LIST, signal }),
      );
      await patchAll(options, page.items, { base, resource }, tally);
      at = page.metadata.continue || undefined;
    } catch (error) {
      // The list is older than etcd's history: it goes on with newer objects, which are encrypted with the new key.
      if (!(error instanceof ApiError) || error.code !== 410 || error.continueAt === undefined) throw error;
      at = error.continueAt;
    }
  }
}

async function patchAll(
  { client, workers, signal }: PassOptions,
  items: Page["items"],
  { base, resource }: { readonly base: string; readonly resource: string },
  tally: Tally,
): Promise<void> {
  const left = items.values();
  const work = async () => {
    for (const { metadata } of left) {
      signal.throwIfAborted();
      const { name, namespace } = metadata;
      await patchOne(client, objectPath(base, resource, name, namespace), metadata, signal, tally).catch(
        (error) => {
          if (signal.aborted || !(error instanceof ApiError)) throw error;
          tally.refuse(
            `${resource} ${namespace === undefined ? "" : `${namespace}/`}${name}`,
            error.code,
            error.reason,
          );
        },
      );
      tally.objects += 1;
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
}

async function patchOne(
  client: Client,
  path: string,
  before: Metadata,
  signal: AbortSignal,
  tally: Tally,
): Promise<void> {
  const send = (metadata: object) => {
    const options: RequestOptions = { body: { metadata }, type: MERGE_PATCH, accept: ONE, signal };
    return patiently(signal, () => client.json<{ metadata: Metadata }>("PATCH", path, options));
  };
  const { uid, resourceVersion } = before;
  try {
    const { metadata } = await send({ uid, resourceVersion });
    if (metadata.resourceVersion !== resourceVersion) tally.changed += 1;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === 404) return;
    if (error.code !== 409) throw error;
    // Changed by another writer meanwhile. The object that is there now is patched, whatever its version is.
    tally.conflicts += 1;
    await send({}).catch((second) => {
      if (!(second instanceof ApiError) || second.code !== 404) throw second;
    });
  }
}

/** Tries again where the API server is busy, restarts or does not answer. */
async function patiently<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  for (const delay of DELAYS_MS) {
    try {
      return await ask();
    } catch (error) {
      const transient =
        error instanceof ApiError && (error.code === 0 || error.code === 429 || error.code >= 500);
      if (!transient || signal.aborted) throw error;
      await sleep(Math.max(delay, error.retryAfterMs), undefined, { signal });
    }
  }
  return await ask();
}
