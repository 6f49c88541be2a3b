import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../host/grpc/client.ts";

const LIMIT_MS = 60_000;

/** Waits for the socket of a plugin that is starting. @returns the time of performance.now() */
export async function untilSocket(socket: string): Promise<number> {
  const latest = performance.now() + LIMIT_MS;
  while (!existsSync(socket)) await pause(1, latest);
  return performance.now();
}

/** Waits for the first good Status of a plugin that is starting. @returns its time on the clock of performance.now() */
export async function untilGood(socket: string): Promise<number> {
  // A client that finds no socket waits longer and longer before it tries again.
  const latest = (await untilSocket(socket)) + LIMIT_MS;
  for (;;) {
    const client = new KmsClient(socket);
    try {
      if ((await client.status()).healthz === "ok") return performance.now();
    } catch {
      await pause(5, latest);
    } finally {
      client.close();
    }
  }
}

async function pause(ms: number, latest: number): Promise<void> {
  if (performance.now() > latest) throw new Error(`the plugin does not serve after ${LIMIT_MS} ms`);
  await sleep(ms);
}
