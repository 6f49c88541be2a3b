/** kleidi doctor: all that `kleidi check` looks at, what each TPM can do and what is missing, and the way to each origin. */
import { examine, TpmSilent } from "../capabilities/tpm/examine.ts";
import { TransportError } from "../capabilities/tpm/transport-error.ts";
import { whereIs } from "../capabilities/tpm/where.ts";
import type { Config, Hierarchy } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import type { Finding } from "../runtime/finding.ts";
import { checkAll } from "./check.ts";
import { netFindings } from "./net-facts.ts";
import { report } from "./output.ts";
import { findingsOf } from "./tpm-facts.ts";

/** For the connection and for each answer: a TPM that is busy for longer is one that nobody can use. */
const TIMEOUT_MS = 3000;

export async function doctorCommand(
  configPath: string,
  options: { live: boolean; json: boolean },
): Promise<number> {
  const config = loadConfig(configPath);
  const findings = [
    ...(await checkAll(config, { ...options, files: false })),
    ...(await tpms(config)),
    ...(await netFindings(config)),
  ];
  return report(findings, options.json);
}

/** Each device once, with every hierarchy that any provider is granted on it. */
async function tpms({ providers }: Config): Promise<Finding[]> {
  const devices = new Map<string, Set<Hierarchy>>();
  for (const { grants } of providers) {
    if (grants.tpm === undefined) continue;
    const hierarchies = devices.get(grants.tpm.device) ?? new Set();
    for (const each of grants.tpm.hierarchies) hierarchies.add(each);
    devices.set(grants.tpm.device, hierarchies);
  }
  const findings: Finding[] = [];
  for (const [device, hierarchies] of devices) findings.push(...(await tpm(device, [...hierarchies])));
  return findings;
}

async function tpm(device: string, hierarchies: readonly Hierarchy[]): Promise<Finding[]> {
  const what = `TPM ${device}`;
  try {
    return findingsOf(what, await examine(whereIs(device), TIMEOUT_MS), hierarchies);
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    return [{ what, ok: false, detail: `it cannot be asked: ${error.message}`, hint: remedy(device, error) }];
  }
}

function remedy(device: string, error: TransportError): string {
  const virtual = device.includes(":");
  if (virtual && error instanceof TpmSilent) {
    return "A virtual TPM serves one client at a time: stop the host that uses it, or ask that host (kleidi check, kleidi healthcheck).";
  }
  if (virtual && error.errno !== undefined) return "Start the virtual TPM, or mend the device in grants.tpm.";
  if (error.errno === "EACCES") {
    return "The group tss may use it: usermod --append --groups tss kleidi; in a unit, DeviceAllow=/dev/tpmrm0 rw and SupplementaryGroups=tss.";
  }
  if (error.errno === "ENOENT") {
    return "Turn the TPM on in the firmware's settings; in a unit, PrivateDevices=no; in a container, the device has to be given to it.";
  }
  return "What answers there is no TPM 2.0, or it is broken: look at what the device of grants.tpm is.";
}
