/** kleidi etcd scan: reports under which provider and key_id each object in etcd stands, and which objects cannot be read. Decrypts nothing. */
import { configuredKeyIds } from "../checks/keys.ts";
import { loadConfig } from "../config/load.ts";
import { EtcdFault } from "../etcd/etcd-fault.ts";
import type { Scan } from "../etcd/scan.ts";
import { type ScanContext, scanFindings } from "../etcd/scan-findings.ts";
import { scanReport } from "../etcd/scan-report.ts";
import type { Finding } from "../finding.ts";
import { becomeServingUser } from "../runtime/serving-user.ts";
import { type EtcdSource, scanSource } from "./etcd-source.ts";
import { report } from "./output.ts";

export interface EtcdScanOptions extends Omit<EtcdSource, "source"> {
  /** The path of the configuration with whose keys the key_ids are compared. */
  readonly config?: string;
  /** The resources that must be encrypted. */
  readonly resource: readonly string[];
  readonly json: boolean;
}

/**
 * @throws KleidiError config-invalid
 * @throws UsageError an option cannot be used
 */
export async function etcdScanCommand(source: string, options: EtcdScanOptions): Promise<number> {
  const { config, resource, json } = options;
  const encrypted = resource.length === 0 ? ["secrets"] : resource;
  try {
    // Before the next step: root alone may read the files of etcd.
    const scan = await scanSource({ ...options, source });
    const { keys, findings } = config === undefined ? NOT_COMPARED : await keysOf(config, scan);
    const context: ScanContext = { source, keys, encrypted };
    const all = [...scanFindings(scan, context), ...findings];
    return report(all, json, { scan: scanReport(scan, context) });
  } catch (error) {
    if (!(error instanceof EtcdFault)) throw error;
    return report([{ subject: source, ok: false, detail: error.message, hint: error.remedy }], json);
  }
}

type Keys = { readonly keys: ScanContext["keys"]; readonly findings: readonly Finding[] };

const NOT_COMPARED: Keys = {
  keys: undefined,
  findings: [
    {
      subject: "keys",
      ok: true,
      detail: "the key_ids are not compared with a configuration: give it with --config",
    },
  ],
};

async function keysOf(path: string, { groups }: Scan): Promise<Keys> {
  const notes = becomeServingUser(loadConfig(path));
  const { keys, findings } = await configuredKeyIds(
    loadConfig(path),
    groups.map(({ stored }) => stored),
  );
  return { keys, findings: [...notes, ...findings] };
}
