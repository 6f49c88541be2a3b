/**
 * A process that appends to an audit log like a host, and reports each result over IPC: the last acknowledged sequence, or the error. Its
 * argument is JSON: { settings, options, burst, uid }. The message "rotate" rotates the log, "slow" ends the bursts, any other one the process.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { AuditLog } from "../../host/audit/log.ts";

const { settings, options = {}, uid, ...rest } = JSON.parse(process.argv[2] ?? "{}");
if (uid !== undefined) {
  process.setgid?.(uid);
  process.setuid?.(uid);
}
const log = await AuditLog.open(settings, { backOff: { firstMs: 20, longestMs: 50 }, ...options });
let { burst = 1 } = rest;
let running = true;
process.on("message", (message) => {
  if (message === "rotate") log.rotate();
  else if (message === "slow") burst = 1;
  else running = false;
});
log.append({ kind: "start", version: "0.0.0", pid: process.pid, ...log.claim });
while (running) {
  try {
    for (let i = 0; i < burst; i++) {
      log.append({
        kind: "rpc",
        rpc: "encrypt",
        uid: `${process.pid}-${i}`,
        decision: "allowed",
        ms: 1,
        outcome: "ok",
      });
    }
    const { seq } = log.at;
    await log.settled();
    process.send?.({ seq });
  } catch (error) {
    process.send?.({ error: (error as Error).message });
    await sleep(10);
  }
  await sleep(1);
}
await log.close();
process.disconnect?.();
