/** The loop of every caller in a benchmark: a number of concurrent calls, until a time or a number of calls is reached. */
import type { Load } from "./callers.ts";
import { quantile } from "./figures.ts";

export interface Limits {
  readonly forMs?: number;
  readonly forCalls?: number;
}

/** Failed calls count too, with the time they took. */
export async function measure(
  callers: number,
  { forMs = Number.POSITIVE_INFINITY, forCalls = Number.POSITIVE_INFINITY }: Limits,
  call: () => Promise<unknown>,
): Promise<Load> {
  for (let i = 0; i < 200; i++) await call();
  const samples: number[] = [];
  let failures = 0;
  let begun = 0;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (begun < forCalls && performance.now() - start < forMs) {
        begun += 1;
        const at = performance.now();
        try {
          await call();
        } catch {
          failures += 1;
        }
        samples.push(performance.now() - at);
      }
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  return {
    calls: samples.length,
    failures,
    rps: samples.length / seconds,
    p50: quantile(samples, 0.5),
    p99: quantile(samples, 0.99),
  };
}
