/**
 * npm run bench -- tpm: the tpm provider on a real swtpm, through the complete path: host, gRPC and callers in separate processes; compared
 * with the local provider on the same path, and with bare commands (TPM2_GetRandom) on swtpm's socket. Takes about a minute.
 */
import { createConnection } from "node:net";
import { Fixture, localConfig } from "../test/support/fixture.ts";
import { Swtpm } from "../test/support/swtpm.ts";
import { tpmNode } from "../test/support/tpm-node.ts";
import { type Load, run, summary } from "./callers.ts";
import { median, quantile } from "./figures.ts";

const quick = process.argv.includes("--quick");
const ROUNDS = quick ? 1 : 3;
const ROUND_MS = quick ? 1000 : 2000;
const STARTS = quick ? 2 : 5;

const tpm = await Swtpm.start("unix");
const inTpm = tpmNode(tpm);
const local = new Fixture();
try {
  const bare = await roundTrips();
  local
    .write(localConfig([{ name: "kek", use: "active" }], { log: { level: "warn", file: "kleidi.log" } }))
    .keyInit("kek");
  const made = inTpm.run("key", "init");
  if (made.status !== 0) throw new Error(made.stderr);
  await starts();
  const hosts = [await inTpm.serve(), await local.serve()];
  await throughput(bare);
  for (const host of hosts) await Fixture.stop(host);
  console.log(`Left in the TPM after the host stopped: ${(await tpm.loaded()) || "nothing"}`);
} finally {
  await inTpm.close();
  await local.close();
  await tpm.stop();
}

/** Milliseconds of TPM2_GetRandom(32), one after another, without kleidí in between. */
async function roundTrips(): Promise<number[]> {
  const socket = createConnection(tpm.socket);
  const samples: number[] = [];
  for (let i = 0; i < 1000; i++) {
    const begun = performance.now();
    socket.write(Buffer.from("80010000000c0000017b0020", "hex"));
    await new Promise((resolve) => socket.once("data", resolve));
    samples.push(performance.now() - begun);
  }
  socket.destroy();
  return samples;
}

/** From "kleidi serve" with an empty TPM to the first good Status: process, primary, session, load, and one Encrypt with its read-back. */
async function starts(): Promise<void> {
  const cold: number[] = [];
  const alone: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    for (const [fixture, samples] of [
      [inTpm, cold],
      [local, alone],
    ] as const) {
      const begun = performance.now();
      const host = await fixture.serve();
      samples.push(performance.now() - begun);
      await Fixture.stop(host);
    }
  }
  console.log(
    `Start to the first good Status, medians of ${STARTS}: tpm ${median(cold).toFixed(0)} ms, local ${median(alone).toFixed(0)} ms; the TPM's part ${(median(cold) - median(alone)).toFixed(0)} ms (target: at most 100)`,
  );
}

async function throughput(bare: number[]): Promise<void> {
  const rows: Record<string, object> = {
    "GetRandom on the bare socket": {
      "p50 ms": median(bare).toFixed(3),
      "p99 ms": quantile(bare, 0.99).toFixed(3),
    },
  };
  for (const callers of [1, 16, 64]) {
    for (const [name, fixture] of [
      ["tpm", inTpm],
      ["local", local],
    ] as const) {
      for (const rpc of ["Encrypt", "Decrypt"]) {
        const loads: Load[] = [];
        for (let round = 0; round < ROUNDS; round++)
          loads.push(await run(fixture.socket, rpc, callers, `${ROUND_MS}ms`));
        const { rps, p50, p99, failures } = summary(loads);
        rows[`${name} ${rpc}, ${callers} callers`] = {
          rps: Math.round(rps),
          "p50 ms": p50.toFixed(3),
          "p99 ms": p99.toFixed(3),
          failures,
        };
      }
    }
  }
  console.log(
    `Medians of ${ROUNDS} rounds of ${ROUND_MS} ms (target at one caller: p50 at most 2.5 ms; at least 400 Decrypts per second):`,
  );
  console.table(rows);
}
