/** The proof that no object needs a key: a count of the objects through an API server, or the status of the operator's rotation. */
import { statSync } from "node:fs";
import { ApiClient } from "../cluster/api-client.ts";
import { ClusterFault } from "../cluster/cluster-fault.ts";
import { countObjects } from "../cluster/count.ts";
import { examineEncryptionConfig } from "../cluster/encryption-config.ts";
import { readKubeconfig } from "../cluster/kubeconfig.ts";
import { provedRotations } from "../cluster/rotations.ts";
import type { Config } from "../config/config.ts";
import { FileFault, readRegular } from "../lib/files.ts";
import { pluginOf } from "./cluster-context.ts";
import { UsageError } from "./usage-error.ts";

const MAX_BYTES = 1 << 20;

export interface ProofOptions {
  /** The path of the EncryptionConfiguration: count the objects that it names. Without it, the operator is asked. */
  readonly encryptionConfig?: string;
  /** The paths of kubeconfigs, one for each API server. */
  readonly kubeconfig: readonly string[];
}

export interface Proof {
  /** The end of a sentence. Absent: not proved. */
  readonly proof?: string;
  readonly faults: readonly string[];
}

/** The key_ids under which no object may be. */
export interface Former {
  /** Of all key_ids that the key decrypts, as the running host has them. */
  readonly hashes: readonly string[];
  /**
   * Set if the configuration has a composed key: then every other key_id than this one, the active key's. A composed key has many key_ids, and
   * an object of it needs the keys of its wraps.
   */
  readonly allBut?: string | undefined;
}

/**
 * @param former the key_ids that must not be found
 * @throws UsageError, the options do not belong together, or the file cannot be read
 */
export async function proofOf(config: Config, former: Former, options: ProofOptions): Promise<Proof> {
  const { hashes, allBut } = former;
  const { encryptionConfig, kubeconfig } = options;
  if (kubeconfig.length === 0) {
    if (encryptionConfig !== undefined)
      throw new UsageError("Cannot count objects: --encryption-config needs --kubeconfig");
    return {
      faults: [
        "objects may need it, and there is no proof: give --encryption-config and --kubeconfig (counts the objects), or --kubeconfig alone (asks the operator)",
      ],
    };
  }
  if (hashes.length === 0)
    return { faults: ["nothing can be proved: the running host does not know the key_ids of the key"] };
  if (allBut !== undefined && encryptionConfig === undefined)
    return {
      faults: [
        "the operator's proof is about one key_id, and a composed key has many: give --encryption-config too",
      ],
    };
  const ask =
    encryptionConfig === undefined
      ? (client: ApiClient) => rotated(client, hashes)
      : counter(config, encryptionConfig, former);
  const proofs = [];
  for (const path of kubeconfig) proofs.push(await withClient(path, ask));
  const faults = proofs.flatMap((each) => each.faults);
  if (faults.length > 0) return { faults };
  return { proof: proofs.map(({ proof }) => proof).join("; "), faults };
}

async function withClient(path: string, ask: (client: ApiClient) => Promise<Proof>): Promise<Proof> {
  let client: ApiClient | undefined;
  try {
    client = new ApiClient(readKubeconfig(path));
    return await ask(client);
  } catch (error) {
    if (!(error instanceof ClusterFault)) throw error;
    return { faults: [`nothing is proved: ${error.message} (${error.remedy})`] };
  } finally {
    await client?.close();
  }
}

function counter(config: Config, file: string, { hashes, allBut }: Former) {
  const isFormer = (hash: string) => (allBut === undefined ? hashes.includes(hash) : hash !== allBut);
  const under = allBut === undefined ? "it" : "another key_id than the active one";
  const bytes = readRegular(file, MAX_BYTES);
  if (bytes instanceof FileFault) throw new UsageError(`Cannot read ${file}: it ${bytes.text}`);
  const { names, resources } = examineEncryptionConfig(
    bytes.toString(),
    file,
    statSync(file).mode,
    pluginOf(config),
  );
  bytes.fill(0); // it may contain keys
  return async (client: ApiClient): Promise<Proof> => {
    const wildcard = resources.find((each) => each.includes("*"));
    if (wildcard !== undefined)
      return { faults: [`objects of ${wildcard} cannot be counted, so nothing is proved`] };
    if (resources.length === 0) return { faults: [`${file} names no resource that this host encrypts`] };
    const { objects, reads } = await countObjects(client, { resources, names });
    const old = reads.filter(({ hash }) => isFormer(hash)).reduce((sum, { count }) => sum + count, 0);
    if (old > 0)
      return {
        faults: [
          `of ${objects} objects of ${resources.join(", ")}, ${old} were read under ${under} through ${client.server}: rewrite them`,
        ],
      };
    return {
      proof: `${objects} objects of ${resources.join(", ")} were read through ${client.server}, none under ${allBut === undefined ? "the key" : under}`,
      faults: [],
    };
  };
}

async function rotated(client: ApiClient, hashes: readonly string[]): Promise<Proof> {
  const proved = await provedRotations(client);
  const missing = hashes.find((hash) => !proved.has(hash));
  if (missing === undefined)
    return {
      proof: `the operator proved the rotation ${hashes.map((hash) => proved.get(hash)).join(", ")}`,
      faults: [],
    };
  return { faults: [`the operator has no proved KeyRotation from ${missing}`] };
}
