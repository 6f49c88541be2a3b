import { setTimeout as sleep } from "node:timers/promises";

/** Retries until the work succeeds, for at most 20 s. */
export async function untilWell<T>(work: () => Promise<T>): Promise<T> {
  for (let i = 0; ; i++) {
    try {
      return await work();
    } catch (error) {
      if (i === 200) throw error;
      await sleep(100);
    }
  }
}
