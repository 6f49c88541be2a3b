/**
 * The caller of the benchmark, in a separate process: this many concurrent calls, for this many milliseconds or calls.
 *
 *     load.ts SOCKET RPC CALLERS LIMIT     LIMIT: "1500ms" or "100000calls"
 *
 * Prints one JSON object: calls, failures, rps, p50 and p99 in milliseconds.
 */
import { KmsClient } from "../host/grpc/client.ts";
import { measure } from "./measure.ts";

const [socket = "", rpc = "", callers = "1", limit = ""] = process.argv.slice(2);
const forMs = limit.endsWith("ms") ? Number(limit.slice(0, -2)) : Number.POSITIVE_INFINITY;
const forCalls = limit.endsWith("calls") ? Number(limit.slice(0, -5)) : Number.POSITIVE_INFINITY;

const client = new KmsClient(socket);
const plaintext = new Uint8Array(32).fill(7);
const { ciphertext, keyId, annotations } = await client.encrypt({ plaintext });
const call = {
  Status: () => client.status(),
  Encrypt: () => client.encrypt({ plaintext }),
  Decrypt: () => client.decrypt({ ciphertext, keyId, annotations }),
}[rpc];
if (call === undefined) throw new Error(`"${rpc}" is not an RPC`);
console.log(JSON.stringify(await measure(Number(callers), { forMs, forCalls }, call)));
client.close();
