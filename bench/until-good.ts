import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../host/grpc/client.ts";

const LIMIT_MS = 60_000;

/** Waits for the first good Status of a plugin that is starting. @returns its time on the clock of performance.now() */
export async function untilGood(socket: string): Promise<number> {
  const latest = performance.now() + LIMIT_MS;
  // A client that finds no socket waits longer and longer before it tries again.
  while (!existsSync(socket)) await pause(1, latest);
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
  if (performance.now() > latest) throw new Error(`Status is not ok after ${LIMIT_MS} ms`);
  await sleep(ms);
}
