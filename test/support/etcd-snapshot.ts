/** Takes a snapshot of a running etcd over its API, as `etcdctl snapshot save` does: the store, and then its SHA-256. */
import { writeFileSync } from "node:fs";

/** @param url of the client API of etcd */
export async function saveSnapshot(url: string, path: string): Promise<void> {
  const response = await fetch(`${url}/v3/maintenance/snapshot`, { method: "POST", body: "{}" });
  // One JSON object a line, each with a part in base64.
  const lines = (await response.text()).trim().split("\n");
  const parts = lines.map((line) => JSON.parse(line).result.blob ?? "");
  writeFileSync(path, Buffer.concat(parts.map((part) => Buffer.from(part, "base64"))));
}
