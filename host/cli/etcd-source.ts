/** An etcd that is scanned: a file, or an endpoint with the files of its TLS. */
import { statSync } from "node:fs";
import { EtcdFault } from "../etcd/etcd-fault.ts";
import type { EtcdTls } from "../etcd/kv-client.ts";
import type { Scan } from "../etcd/scan.ts";
import { scanEndpoint } from "../etcd/scan-endpoint.ts";
import { scanFile } from "../etcd/scan-file.ts";
import { FileFault } from "../lib/files.ts";
import { readSecretFile, type Secrecy } from "../lib/secret-files.ts";
import { type Progress, progress } from "./progress.ts";
import { UsageError } from "./usage-error.ts";

const MAX_BYTES = 1 << 20;

export interface EtcdSource {
  /** The path of a file, or "https://127.0.0.1:2379". */
  readonly source: string;
  /** Of the API server's keys, "/registry". */
  readonly prefix: string;
  readonly cacert?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/**
 * Scans with a progress bar.
 * @throws EtcdFault
 * @throws UsageError an option cannot be used
 */
export async function scanSource(from: EtcdSource): Promise<Scan> {
  const { source } = from;
  const prefix = from.prefix.replace(/\/+$/, "");
  if (!/^\/[\x21-\x7e]+$/.test(prefix))
    throw new UsageError(`Cannot scan ${from.prefix}: --prefix begins with /, such as /registry`);
  if (/^https?:\/\//.test(source)) return await scanWithBar(source, prefix, tlsOf(from));
  if ([from.cacert, from.cert, from.key].some((file) => file !== undefined))
    throw new UsageError("Cannot scan a file with --cacert, --cert or --key: they are for an endpoint");
  const size = statSync(source, { throwIfNoEntry: false })?.size ?? 0;
  const bar = progress(size);
  try {
    return scanFile(source, prefix, bar.add);
  } finally {
    bar.end();
  }
}

async function scanWithBar(endpoint: string, prefix: string, tls: EtcdTls): Promise<Scan> {
  if (!URL.canParse(endpoint)) throw new UsageError(`Cannot scan ${endpoint}: it is not https://host:port`);
  let bar: Progress | undefined;
  try {
    const onTotal = (total: number) => {
      bar ??= progress(total, (count) => `${count} keys`);
    };
    return await scanEndpoint({ endpoint, tls, prefix, onTotal, onObject: () => bar?.add(1) });
  } finally {
    bar?.end();
    tls.key?.fill(0);
  }
}

function tlsOf({ cacert, cert, key }: EtcdSource): EtcdTls {
  if ((cert === undefined) !== (key === undefined))
    throw new UsageError("Cannot use a client certificate: --cert and --key belong together");
  return { ca: fileOf(cacert, "public"), certificate: fileOf(cert, "public"), key: fileOf(key, "given") };
}

function fileOf(path: string | undefined, secrecy: Secrecy): Buffer | undefined {
  if (path === undefined) return undefined;
  const bytes = readSecretFile(path, MAX_BYTES, secrecy);
  if (bytes instanceof FileFault) throw new EtcdFault(`${path} ${bytes.problem}`, `${bytes.remedy}.`);
  return bytes;
}
