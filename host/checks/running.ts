/** The host that runs with the configuration, over its admin address: what is in force now, and what the files no longer say. */
import { lstatSync } from "node:fs";
import type { Config } from "../config/config.ts";
import { remedyOfFault } from "../error.ts";
import type { Finding } from "../finding.ts";
import { adminAddress } from "../runtime/admin-address.ts";
import { fetchStateReport } from "../runtime/fetch-state.ts";
import type { HostReport } from "../telemetry/report.ts";

const SUBJECT = "running host";

/** Asks the host that runs with this configuration, if there is one, for its state. */
export async function checkRunning(config: Config): Promise<Finding[]> {
  const { admin } = config;
  if (admin === undefined) return [];
  const where = adminAddress(admin);
  let state: HostReport | undefined;
  try {
    state = await fetchStateReport(admin);
  } catch (error) {
    const detail = `the process at ${where} does not answer as a kleidi host: ${(error as Error).message}`;
    return [failed(detail, "Find out which process listens there.")];
  }
  if (state === undefined) return [passed(`no host answers at ${where}`)];
  return [
    passed(`the wall in force is ${state.wall}`),
    readiness(state),
    ...refusedReload(state),
    ...edited(config, state),
    ...socketRemoved(config),
    ...failedSinks(state),
    ...failedKeys(state),
    ...reducedKeys(state),
    ...providers(state),
  ];
}

function readiness({ notReadyReason }: HostReport): Finding {
  if (notReadyReason === undefined) return passed("it is ready");
  return failed(
    `it refuses calls: ${notReadyReason}`,
    "Its log has the cause; `kleidi healthcheck` asks it again.",
  );
}

function edited({ file, sha256 }: Config, { configurationSha256, startedAt }: HostReport): Finding[] {
  if (sha256 === configurationSha256) return [];
  const since = new Date(startedAt).toISOString();
  const detail = `it runs since ${since} with another configuration (sha256 ${configurationSha256.slice(0, 16)}…) than ${file} (sha256 ${sha256.slice(0, 16)}…)`;
  return [failed(detail, "Apply it with `kleidi reload` or a restart, or undo the change.")];
}

function refusedReload({ lastReload }: HostReport): Finding[] {
  if (lastReload?.outcome !== "refused") return [];
  const { at, reason = "" } = lastReload;
  const detail = `its reload at ${new Date(at).toISOString()} was refused, it serves with the configuration that it had: ${reason}`;
  return [failed(detail, "Correct the configuration, then run `kleidi reload`.")];
}

function socketRemoved({ listen: { socket } }: Config): Finding[] {
  if (lstatSync(socket, { throwIfNoEntry: false })?.isSocket()) return [];
  const detail = `it runs, and ${socket} is not a socket: no API server can reach it`;
  return [failed(detail, "The host binds it again within status.interval. Find out what removed it.")];
}

function failedSinks({ audit = [] }: HostReport): Finding[] {
  return audit.flatMap(({ name, failure }) => {
    if (failure === undefined) return [];
    return [
      failed(
        `the audit log's sink ${name} takes no records: ${failure}`,
        remedyOfFault("audit-failed/sinks"),
      ),
    ];
  });
}

function failedKeys({ keys }: HostReport): Finding[] {
  return keys.flatMap(({ name, use, failure, hint }) => {
    // The active key's failure is the reason why the host is not ready.
    if (failure === undefined || use === "active") return [];
    return [failed(`key ${name} is not usable: ${failure}`, hint ?? "Read the log lines of this key.")];
  });
}

function reducedKeys({ keys }: HostReport): Finding[] {
  return keys.flatMap(({ name, leftOut = [] }) => {
    if (leftOut.length === 0) return [];
    const names = leftOut.join(" and ");
    const detail = `key ${name} encrypts without its member ${names}: new objects cannot be read with it`;
    const hint = `Repair ${names}; a minute later the key uses it again, and kleidi migrate rewrites the objects in between.`;
    return [{ subject: SUBJECT, ok: true, warning: true, detail, hint }];
  });
}

function providers(state: HostReport): Finding[] {
  return Object.entries(state.providers).map(
    ([name, { state, quarantine, refusal, processes, wanted, ends }]) => {
      if (refusal !== undefined)
        return failed(
          `provider ${name} is not run: ${refusal}`,
          "Correct the module, then restart the host.",
        );
      const detail = `provider ${name} is ${state}, ${processes} of ${wanted} processes, ${ends} unexpected exits`;
      if (quarantine === undefined) return passed(detail);
      const until =
        quarantine.until === undefined ? "the host is restarted" : new Date(quarantine.until).toISOString();
      return failed(
        `provider ${name} is in quarantine until ${until}: ${quarantine.reason}`,
        remedyOfFault(
          quarantine.until === undefined ? "provider-quarantined/taken-over" : "provider-quarantined/exits",
        ),
      );
    },
  );
}

function passed(detail: string): Finding {
  return { subject: SUBJECT, ok: true, detail };
}

function failed(detail: string, hint: string): Finding {
  return { subject: SUBJECT, ok: false, detail, hint };
}
