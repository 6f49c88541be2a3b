/**
 * The baseline of the vault benchmark, in a separate process: plain fetch of Transit's decrypt, with this many callers, for this many
 * milliseconds.
 *
 *     fetch.ts ORIGIN KEY TOKEN CALLERS MILLISECONDS
 *
 * Prints one JSON object, like load.ts.
 */
import { measure } from "./measure.ts";

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
const decrypt = () => post("decrypt", { ciphertext });
console.log(JSON.stringify(await measure(Number(callers), { forMs: Number(forMs) }, decrypt)));
