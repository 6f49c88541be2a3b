/** What `kleidi doctor` finds of each TPM: each device once, with every hierarchy that any provider is granted on it. */
import type { Finding } from "../../finding.ts";
import type { Examined, GrantContext } from "../capability.ts";
import { examine, TpmSilent } from "./examine.ts";
import { findingsOf } from "./findings.ts";
import type { Hierarchy, TpmConfig } from "./grant.ts";
import { TransportError } from "./transport-error.ts";
import { whereIs } from "./where.ts";

/** For the connection and for each answer: a TPM that is busy for longer is one that nobody can use. */
const TIMEOUT_MS = 3000;

export async function examineTpms({ grants }: GrantContext<TpmConfig>): Promise<Examined[]> {
  const devices = new Map<string, Set<Hierarchy>>();
  for (const { device, hierarchies } of grants.values())
    devices.set(device, new Set([...(devices.get(device) ?? []), ...hierarchies]));
  const all: Examined[] = [];
  for (const [device, hierarchies] of devices)
    all.push({ findings: await examineTpm(device, [...hierarchies]) });
  return all;
}

async function examineTpm(device: string, hierarchies: readonly Hierarchy[]): Promise<Finding[]> {
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
