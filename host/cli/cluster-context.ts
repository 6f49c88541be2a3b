/** The parts of `doctor` and `migrate` that know the running host and the API server's EncryptionConfiguration. */
import { realpathSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { ServiceError } from "@grpc/grpc-js";
import { type EncryptionExamination, examineEncryptionConfig } from "../cluster/encryption-config.ts";
import { hashOf, type KnownKeys } from "../cluster/key-usage.ts";
import type { Plugin } from "../cluster/kms-provider.ts";
import type { Config } from "../config/config.ts";
import type { Finding } from "../finding.ts";
import { KmsClient } from "../grpc/client.ts";
import { FileFault, readRegular } from "../lib/files.ts";
import { fetchStateReport } from "../runtime/fetch-state.ts";
import { UsageError } from "./usage-error.ts";

const MAX_BYTES = 1 << 20;
/** The length of what the API server writes before a hash. */
const PREFIX = "sha256:".length;

export interface EncryptionFile extends EncryptionExamination {
  /** The hash of the file, as the API server reports it. */
  readonly hash: string;
}

/** @throws UsageError the file cannot be read */
export function readEncryptionFile(file: string, config: Config): EncryptionFile {
  const bytes = readRegular(file, MAX_BYTES);
  if (bytes instanceof FileFault) throw new UsageError(`Cannot read ${file}: it ${bytes.text}`);
  const examined = examineEncryptionConfig(bytes.toString(), file, statSync(file).mode, pluginOf(config));
  const hash = hashOf(bytes);
  bytes.fill(0); // it may contain keys
  return { ...examined, hash };
}

export function pluginOf({ listen, providers }: Config): Plugin {
  const own = realPath(listen.socket);
  return {
    socket: listen.socket,
    deadlineMs: Math.max(...providers.map(({ limits }) => limits.deadlineMs)),
    isSocket: (path) => realPath(resolve(path)) === own,
  };
}

/** Follows the links of the folder: /var/run is a link to /run. The socket need not exist. */
function realPath(path: string): string {
  try {
    return join(realpathSync(dirname(path)), path.slice(dirname(path).length));
  } catch {
    return path;
  }
}

/** Asks the running host for its active key_id and, on the admin page, for the hashes of all. */
export async function runningKeys(config: Config): Promise<{ keys: KnownKeys; findings: Finding[] }> {
  const subject = "running host";
  const client = new KmsClient(config.listen.socket);
  const names = await keyNames(config);
  try {
    return { keys: { active: (await client.status()).keyId, names }, findings: [] };
  } catch (error) {
    const { details } = error as ServiceError;
    const detail = `its active key is unknown, and older keys cannot be told from it: ${details}`;
    const hint = "Start the host, and run this as a user who may use its socket.";
    return { keys: { active: undefined, names }, findings: [{ subject, ok: false, detail, hint }] };
  } finally {
    client.close();
  }
}

async function keyNames({ admin }: Config): Promise<Map<string, string>> {
  if (admin === undefined) return new Map();
  try {
    const keys = (await fetchStateReport(admin))?.keys ?? [];
    return new Map(
      keys.flatMap(({ name, key_id_hashes: hashes }) =>
        hashes.map((hash) => [hash.slice(PREFIX, PREFIX + 16), name]),
      ),
    );
  } catch {
    return new Map(); // check reports it
  }
}
