/**
 * The baseline of aws in the clouds benchmark, in a separate process: a plain signed Decrypt, with this many callers, for this many milliseconds.
 *
 *     signed.ts ORIGIN KEY ID SECRET CALLERS MILLISECONDS
 *
 * Prints one JSON object, like load.ts.
 */
import { Signer } from "../host/capabilities/net/login/aws/signer.ts";
import { Secret } from "../host/lib/secret.ts";
import { measure } from "./measure.ts";

const [origin = "", KeyId = "", id = "", secret = "", callers = "1", forMs = "1000"] = process.argv.slice(2);
const signer = new Signer(
  { accessKeyId: id, secretAccessKey: Secret.of(secret) },
  { region: "eu-central-1", service: "kms" },
);
const { host } = new URL(origin);

async function post(operation: string, fields: Record<string, unknown>): Promise<Record<string, string>> {
  const body = Buffer.from(JSON.stringify({ KeyId, ...fields }));
  const headers = {
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": `TrentService.${operation}`,
  };
  const signed = signer.sign({ method: "POST", path: "/", headers, body }, host, Date.now());
  const answer = await fetch(`${origin}/`, { method: "POST", headers: signed.headers, body });
  if (!answer.ok) throw new Error(`${operation} gave ${answer.status}`);
  return (await answer.json()) as Record<string, string>;
}

const { CiphertextBlob } = await post("Encrypt", { Plaintext: Buffer.alloc(32, 7).toString("base64") });
const decrypt = () => post("Decrypt", { CiphertextBlob });
console.log(JSON.stringify(await measure(Number(callers), { forMs: Number(forMs) }, decrypt)));
