/** Gets the state report of a running host from its admin listener. */
import { request } from "node:http";
import type { AdminConfig } from "../config/config.ts";
import type { HostReport } from "../telemetry/report.ts";

const TIMEOUT_MS = 2000;
const MAX_BYTES = 8 << 20;

/**
 * @returns undefined if no process listens on the address
 * @throws Error the process that listens there does not answer with a state report
 */
export async function fetchStateReport(admin: AdminConfig): Promise<HostReport | undefined> {
  let text: string;
  try {
    text = await get(admin, "/state");
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "ECONNREFUSED" || ("socket" in admin && code === "ENOENT")) return undefined;
    throw error;
  }
  const report: Partial<HostReport> | null = JSON.parse(text);
  if (typeof report?.providers !== "object" || !Array.isArray(report.keys))
    throw new Error("not a kleidi state report");
  return report as HostReport;
}

function get(admin: AdminConfig, path: string): Promise<string> {
  const where = "socket" in admin ? { socketPath: admin.socket } : { host: admin.host, port: admin.port };
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...where, path, timeout: TIMEOUT_MS, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_BYTES) outgoing.destroy(new Error(`the answer is over ${MAX_BYTES} bytes`));
        chunks.push(chunk);
      });
      response.on("end", () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString("utf8"));
        else reject(new Error(`the answer is HTTP ${response.statusCode}`));
      });
      response.on("error", reject);
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    outgoing.on("error", reject);
    outgoing.end();
  });
}
