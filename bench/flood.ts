/**
 * The process that produces the floods, for bench/floods.ts and bench/soak.ts:
 *
 *     flood.ts SOCKET PORT SECONDS NAME …
 */
import { FLOODS, type FloodName } from "../test/support/floods.ts";

const [socket = "", port = "", seconds = "", ...names] = process.argv.slice(2);
const signal = AbortSignal.timeout(Number(seconds) * 1000);
console.log("ready");
await Promise.all(names.map((name) => FLOODS[name as FloodName]({ socket, port: Number(port) }, signal)));
process.exit(0);
