/** The paths that `serve` creates or writes: its sockets and its log. They are examined with the rights of this process; nothing is changed. */
import { lstatSync } from "node:fs";
import { dirname } from "node:path";
import type { Config } from "../config/config.ts";
import { type Finding, finding } from "../finding.ts";
import { assertBindable, type ListenOptions } from "../grpc/listener.ts";
import { assertLoggable } from "../telemetry/log.ts";

/** Checks the socket, the admin socket and the log. The audit log has a check of its own. */
export function checkPlaces({ listen, admin, log }: Config): Finding[] {
  return [
    checkSocket("socket", listen),
    ...(admin !== undefined && "socket" in admin ? [checkSocket("admin socket", admin)] : []),
    ...(log.file === undefined ? [] : [checkLog(log.file)]),
  ];
}

function checkSocket(subject: string, where: ListenOptions): Finding {
  const { socket, mode } = where;
  if (isMadeAtStart(dirname(socket))) {
    const detail = `${dirname(socket)} does not exist yet: the unit makes it at the start (RuntimeDirectory=), without a unit: install -d -m 0750 ${dirname(socket)}`;
    return { subject, ok: true, detail };
  }
  try {
    assertBindable(where);
    return { subject, ok: true, detail: `${socket} can be bound, mode ${mode.toString(8).padStart(4, "0")}` };
  } catch (error) {
    return finding(subject, error);
  }
}

/** /run is empty after each boot: a missing folder in it is made when the service starts. */
function isMadeAtStart(folder: string): boolean {
  return (
    ["/run", "/var/run"].includes(dirname(folder)) &&
    lstatSync(folder, { throwIfNoEntry: false }) === undefined
  );
}

function checkLog(file: string): Finding {
  const subject = "log";
  try {
    assertLoggable(file);
    return { subject, ok: true, detail: `${file} can be written` };
  } catch (error) {
    return finding(subject, error);
  }
}
