/**
 * A process that appends to an audit log like a host, and reports each result over IPC: the last acknowledged sequence, or the error. Its
 * argument is JSON: { settings, options, burst, uid }.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { AuditLog } from "../../host/audit/log.ts";

const { settings, options = {}, burst = 1, uid } = JSON.parse(process.argv[2] ?? "{}");
if (uid !== undefined) {
  process.setgid?.(uid);
  process.setuid?.(uid);
}
const log = await AuditLog.open(settings, { backOff: { firstMs: 20, longestMs: 50 }, ...options });
let running = true;
process.on("message", (message) => {
  if (message === "rotate") log.rotate();
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
