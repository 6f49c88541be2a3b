/**
 * A host as "kleidi serve" runs it, with a second listener in the same process that scrapes an empty registry of prom-client.
 *
 *     scrape-host.ts CONFIG PORT
 */
import { createServer } from "node:http";
import { Registry } from "prom-client";
import { serveCommand } from "../host/cli/serve.ts";

const [config = "", port = ""] = process.argv.slice(2);
const empty = new Registry();
createServer(async (_, response) => {
  response.end(await empty.metrics());
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));
// The second listener would keep the process running.
process.exit(await serveCommand(config, "bench"));
