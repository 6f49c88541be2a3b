/**
 * The effect of a misbehaving provider on the callers of an honest provider in the same host: latency of Decrypt while the
 * neighbour idles, loops, grows, allocates, floods the log or makes too many host calls.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { open, seal } from "../host/kms/seal.ts";
import { buildGuests } from "../test/guests/build.ts";
import { localModule } from "../test/support/fixture.ts";
import { startSandbox } from "../test/support/sandbox.ts";
import { median, quantile } from "./figures.ts";

const quick = process.argv.includes("--quick");
const ROUNDS = quick ? 1 : 3;
const WINDOW_MS = quick ? 2000 : 5000;
const PAUSE_MS = 2;
const ATTACKS = ["nothing", "loop", "grow", "blocks", "trap", "logs", "calls"];

const guests = await buildGuests();
const honest = await startSandbox("honest", localModule, { keys: ["kek"] });
const plaintext = new Uint8Array(32).fill(7);
const { version } = await honest.provider.status("kek");
const target = await honest.key("kek", version);
const sealed = await seal(target, plaintext);
for (let i = 0; i < 300; i++) await open(target, sealed);

/** Returns the milliseconds of each Decrypt of the honest provider, one after another with pauses, while the neighbour attacks. */
async function window(attack: string): Promise<number[]> {
  const neighbour = await startSandbox("neighbour", guests.misbehave, {
    keys: ["other"],
    rpcs: ["decrypt"],
    // Prevents a quarantine during the measurement.
    restartPolicy: { failures: 1e6, lastBackoffMs: 100 },
  });
  let on = true;
  const attacking = Array.from({ length: attack === "nothing" ? 0 : 4 }, async () => {
    const request = { key: attack, version: "v1", plaintext, associatedData: new Uint8Array() };
    while (on) await neighbour.provider.encrypt(request).catch(() => sleep(1));
  });
  await sleep(200);
  const samples: number[] = [];
  for (const end = performance.now() + WINDOW_MS; performance.now() < end; ) {
    const begun = performance.now();
    await open(target, sealed);
    samples.push(performance.now() - begun);
    await sleep(PAUSE_MS);
  }
  on = false;
  await neighbour.stop();
  await Promise.all(attacking);
  return samples;
}

const all = new Map<string, number[]>();
for (let round = 0; round < ROUNDS; round++) {
  for (const attack of ATTACKS) {
    process.stderr.write(`\r\u001b[Kround ${round + 1} of ${ROUNDS}: the neighbour does ${attack}`);
    all.set(attack, [...(all.get(attack) ?? []), ...(await window(attack))]);
  }
}
process.stderr.write("\r\u001b[K");
await honest.stop();
const rest = quantile(all.get("nothing") ?? [], 0.99);
console.log(
  `Decrypt of an honest provider, ${ROUNDS} windows of ${WINDOW_MS} ms (target: p99 at most doubled):`,
);
console.table(
  Object.fromEntries(
    [...all].map(([attack, samples]) => [
      attack,
      {
        calls: samples.length,
        "p50 ms": median(samples).toFixed(3),
        "p99 ms": quantile(samples, 0.99).toFixed(3),
        "p99 of rest": (quantile(samples, 0.99) / rest).toFixed(2),
        "worst ms": Math.max(...samples).toFixed(1),
      },
    ]),
  ),
);
