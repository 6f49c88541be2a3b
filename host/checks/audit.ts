/** The audit log, as the configuration has it. */
import { Signer } from "../audit/checkpoint.ts";
import { loadKey } from "../audit/key-file.ts";
import { assertContinues } from "../audit/open-file.ts";
import type { Config } from "../config/config.ts";
import { type Finding, finding } from "../finding.ts";

/** Reports on the audit log, which is optional. Loads its key, and examines its file: a host that cannot continue it does not start. */
export function checkAudit({ audit }: Config): Finding {
  const subject = "audit";
  if (audit === undefined) {
    return {
      subject,
      ok: true,
      detail: "no audit log is configured: only the operational log records the actions of providers",
    };
  }
  const { file, stdout, checkpoints } = audit;
  try {
    if (file !== undefined) assertContinues(file, checkpoints !== undefined);
  } catch (error) {
    return finding(subject, error);
  }
  const sinks = [...(file === undefined ? [] : [file]), ...(stdout ? ["stdout"] : [])].join(" and ");
  if (checkpoints === undefined) {
    return {
      subject,
      ok: true,
      detail: `written to ${sinks}, not signed: anyone who can write there can rewrite the whole log`,
    };
  }
  try {
    const { key: id } = new Signer(loadKey(checkpoints.key));
    return {
      subject,
      ok: true,
      detail: `written to ${sinks}, signed with key ${id} at least every ${checkpoints.intervalMs / 1000} s`,
    };
  } catch (error) {
    return finding(subject, error);
  }
}
