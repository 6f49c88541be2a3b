/** The host that runs with the configuration, over its admin address. */
import type { Config } from "../config/config.ts";
import { ERRORS } from "../error.ts";
import type { Finding } from "../finding.ts";
import { adminAddress } from "../runtime/admin-address.ts";
import { fetchStateReport } from "../runtime/fetch-state.ts";
import type { HostReport } from "../telemetry/report.ts";

/** Asks the host that runs with this configuration, if there is one, for the state of its providers. */
export async function checkRunning({ admin }: Config): Promise<Finding[]> {
  if (admin === undefined) return [];
  const subject = "running host";
  const where = adminAddress(admin);
  let state: HostReport | undefined;
  try {
    state = await fetchStateReport(admin);
  } catch (error) {
    const detail = `the process at ${where} does not answer as a kleidi host: ${(error as Error).message}`;
    return [{ subject, ok: false, detail, hint: "Find out which process listens there." }];
  }
  if (state === undefined) return [{ subject, ok: true, detail: `no host answers at ${where}` }];
  const wall: Finding = { subject, ok: true, detail: `the wall in force is ${state.wall}` };
  const providers = Object.entries(state.providers).map(
    ([name, { state, quarantine, processes, ends }]): Finding => {
      const detail = `provider ${name} is ${state}, ${processes} of 2 processes, ${ends} unexpected exits`;
      if (quarantine === undefined) return { subject, ok: true, detail };
      const until =
        quarantine.until === undefined ? "the host is restarted" : new Date(quarantine.until).toISOString();
      return {
        subject,
        ok: false,
        detail: `provider ${name} is in quarantine until ${until}: ${quarantine.reason}`,
        hint: ERRORS["provider-quarantined"].hint,
      };
    },
  );
  return [wall, ...providers];
}
