/**
 * npm run bench -- pkcs11: the pkcs11 provider on a token of SoftHSM, through the complete path: host, gRPC, the module's process and callers
 * in separate processes; beside the local provider on the same path. Takes half a minute.
 */
import { loadavg } from "node:os";
import { Fixture, localConfig } from "../test/support/fixture.ts";
import { pkcs11Node } from "../test/support/pkcs11-node.ts";
import { SoftHsm } from "../test/support/softhsm.ts";
import { type Load, run, summary } from "./callers.ts";

const quick = process.argv.includes("--quick");
const ROUNDS = quick ? 1 : 3;
const ROUND_MS = quick ? 1000 : 2000;

const hsm = new SoftHsm();
hsm.addKey("kek");
const quiet = { log: { level: "warn", file: "kleidi.log" }, status: { interval: "60s" } };
const inToken = pkcs11Node(hsm, {}, {}, quiet);
const local = new Fixture();
try {
  local.write(localConfig([{ name: "kek", use: "active" }], quiet)).keyInit("kek");
  const hosts = [await inToken.serve(), await local.serve()];
  await throughput();
  for (const host of hosts) await Fixture.stop(host);
} finally {
  await inToken.close();
  await local.close();
  hsm.close();
}

async function throughput(): Promise<void> {
  const rows: Record<string, object> = {};
  for (const callers of [1, 16]) {
    for (const [name, fixture] of [
      ["pkcs11", inToken],
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
  const load = loadavg()
    .map((each) => each.toFixed(1))
    .join(", ");
  console.log(
    `Medians of ${ROUNDS} rounds of ${ROUND_MS} ms, at a load of ${load} (target of Decrypt at one caller: p50 at most 1.5 ms):`,
  );
  console.table(rows);
}
