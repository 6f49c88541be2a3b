/**
 * The baseline of the clouds benchmark, in a separate process: the request that a host sent, again and again, with this many callers, for this
 * many milliseconds.
 *
 *     replay.ts REQUEST CALLERS MILLISECONDS
 *
 * REQUEST is JSON: url, method, headers, body in base64, and perhaps ca, the path of a PEM file. Prints one JSON object, like load.ts.
 */
import { readFileSync } from "node:fs";
import { Agent, request } from "undici";
import { measure } from "./measure.ts";

const [text = "{}", callers = "1", forMs = "1000"] = process.argv.slice(2);
const { url, method, headers, body, ca } = JSON.parse(text);
const dispatcher = new Agent(ca === undefined ? {} : { connect: { ca: readFileSync(ca) } });
const bytes = Buffer.from(body, "base64");

async function send(): Promise<unknown> {
  const answer = await request(url, { method, headers, body: bytes, dispatcher });
  if (answer.statusCode !== 200) throw new Error(`${url} gave ${answer.statusCode}`);
  return await answer.body.json();
}

console.log(JSON.stringify(await measure(Number(callers), { forMs: Number(forMs) }, send)));
await dispatcher.close();
