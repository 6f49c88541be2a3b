/** Examines TPMs for `kleidi doctor`: each device once, with every hierarchy that any provider is granted on it. */
import type { Finding } from "../../finding.ts";
import type { ExamineContext, Examined, Need } from "../capability.ts";
import { examine, TpmTimeout } from "./examine.ts";
import { findingsOf } from "./findings.ts";
import type { Hierarchy, TpmConfig } from "./grant.ts";
import { parseTpmDevice } from "./parse-device.ts";
import { TransportError } from "./transport-error.ts";

/** For the connection and for each response: a TPM that is busy for longer is unusable. */
const TIMEOUT_MS = 3000;

export async function examineTpms({ grants, needs }: ExamineContext<TpmConfig>): Promise<Examined[]> {
  const devices = new Map<string, Set<Hierarchy>>();
  for (const { device, hierarchies } of grants.values())
    devices.set(device, new Set([...(devices.get(device) ?? []), ...hierarchies]));
  const all: Examined[] = [];
  for (const [device, hierarchies] of devices) {
    const own = new Map([...needs].filter(([provider]) => grants.get(provider)?.device === device));
    const onDevice = [...grants.values()].filter((grant) => grant.device === device);
    const hasParent = onDevice.some(({ persistent }) => persistent.length > 0);
    const findings = await examineTpm(device, [...hierarchies], hasParent, own);
    all.push({ findings });
    if (findings.every(({ ok }) => ok))
      for (const [provider, grant] of grants)
        if (grant.device === device) all.push({ provider, findings: [] });
  }
  return all;
}

async function examineTpm(
  device: string,
  hierarchies: readonly Hierarchy[],
  hasParent: boolean,
  needs: ReadonlyMap<string, readonly Need[]>,
): Promise<Finding[]> {
  const subject = `TPM ${device}`;
  try {
    return findingsOf(
      subject,
      await examine(parseTpmDevice(device), TIMEOUT_MS),
      hierarchies,
      hasParent,
      needs,
    );
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    return [
      { subject, ok: false, detail: `it cannot be asked: ${error.message}`, hint: remedy(device, error) },
    ];
  }
}

function remedy(device: string, error: TransportError): string {
  const virtual = device.includes(":");
  if (virtual && error instanceof TpmTimeout) {
    return "A virtual TPM serves one client at a time: stop the host that uses it, or ask that host (kleidi check, kleidi healthcheck).";
  }
  if (virtual && error.errno !== undefined) return "Start the virtual TPM, or fix the device in grants.tpm.";
  if (error.errno === "EACCES") {
    return "The group tss may use it: usermod --append --groups tss kleidi; in a unit, DeviceAllow=/dev/tpmrm0 rw and SupplementaryGroups=tss.";
  }
  if (error.errno === "ENOENT") {
    return "Turn the TPM on in the firmware's settings; in a unit, PrivateDevices=no; in a container, pass the device into it.";
  }
  return "The device in grants.tpm does not answer like a TPM 2.0: check that it is one and that it works.";
}
