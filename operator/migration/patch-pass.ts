/**
 * A pass over all objects of a resource: each gets an empty patch. The API server reads the object from etcd, and writes it anew if it is not
 * encrypted with the key in force; else nothing is written, and its resourceVersion stays. Only metadata comes back.
 */
import { ApiError, type Client, MERGE_PATCH, type RequestOptions } from "../cluster/client.ts";
import { Patience } from "./patience.ts";
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

/** @throws ApiError a page cannot be listed */
export async function patchPass(options: PassOptions, tally: Tally): Promise<void> {
  const { client, signal, pageSize } = options;
  const { group, resource } = parseResource(options.resource);
  const patience = new Patience(signal);
  const base = await patience.ask(() => basePath(client, { group, resource }));
  let at: string | undefined = "";
  while (at !== undefined) {
    const query: string = `limit=${pageSize}${at && `&continue=${encodeURIComponent(at)}`}`;
    try {
      const page = await patience.ask(() =>
        client.json<Page>("GET", `${base}/${resource}?${query}`, { accept: LIST, signal }),
      );
      await patchAll(options, page.items, { base, resource, patience }, tally);
      at = page.metadata.continue || undefined;
    } catch (error) {
      // The list is older than etcd's history: it goes on with newer objects, or begins anew.
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
    patience,
  }: { readonly base: string; readonly resource: string; readonly patience: Patience },
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
        return patience.ask(() => client.json<{ metadata: Metadata }>("PATCH", path, ask));
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
    // Changed by another writer meanwhile. The object that is there now is patched, whatever its version is.
    tally.conflicts += 1;
    await send({}).catch((second) => {
      if (!(second instanceof ApiError) || second.code !== 404) throw second;
    });
  }
}
