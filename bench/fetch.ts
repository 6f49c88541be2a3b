/**
 * The baseline of the vault benchmark, in a process of its own: plain fetch of Transit's decrypt, so many at once, for so many
 * milliseconds.
 *
 *     fetch.ts ORIGIN KEY TOKEN CALLERS MILLISECONDS
 *
 * Prints one JSON object, as load.ts does.
 */
import { quantile } from "./figures.ts";

const [origin = "", key = "", token = "", callers = "1", forMs = "1000"] = process.argv.slice(2);
const headers = { "x-vault-token": token, "content-type": "application/json" };
const associated_data = Buffer.from("bench").toString("base64");

async function post(operation: string, fields: Record<string, unknown>): Promise<Record<string, string>> {
  const body = JSON.stringify({ ...fields, associated_data });
  const answer = await fetch(`${origin}/v1/transit/${operation}/${key}`, { method: "POST", headers, body });
  if (!answer.ok) throw new Error(`${operation} gave ${answer.status}`);
  return ((await answer.json()) as { data: Record<string, string> }).data;
}

const { ciphertext } = await post("encrypt", { plaintext: Buffer.alloc(32, 7).toString("base64") });
for (let i = 0; i < 200; i++) await post("decrypt", { ciphertext });

const samples: number[] = [];
let failures = 0;
const start = performance.now();
await Promise.all(
  Array.from({ length: Number(callers) }, async () => {
    while (performance.now() - start < Number(forMs)) {
      const at = performance.now();
      try {
        await post("decrypt", { ciphertext });
      } catch {
        failures += 1;
      }
      samples.push(performance.now() - at);
    }
  }),
);
const seconds = (performance.now() - start) / 1000;
console.log(
  JSON.stringify({
    calls: samples.length,
    failures,
    rps: samples.length / seconds,
    p50: quantile(samples, 0.5),
    p99: quantile(samples, 0.99),
  }),
);
