/**
 * The program of starved-names.test.ts, in its own network: a DNS server that never answers, a stand-in for a KMS whose name is in
 * /etc/hosts, and a host whose other providers have names that do not resolve. Prints the result as JSON.
 *
 * argv: the folder of the fixture with ca/, the number of requests that the working server must receive.
 */
import { createSocket } from "node:dgram";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Fixture, root, sha256Of } from "../support/fixture.ts";
import { allowFor } from "../support/vault-node.ts";

const [, , folder = "", wanted = "0"] = process.argv;
const module = join(root, "providers", "vault.wasm");

const LIMIT_MS = 60_000;

const asked = new Set<string>();
const dns = createSocket("udp4");
// The name in the question in DNS encoding: a length before each label.
dns.on("message", (question) => asked.add(question.toString("latin1", 13, 13 + (question[12] ?? 0))));
await new Promise<void>((resolve) => dns.bind(53, "127.0.0.1", resolve));

let requests = 0;
const enough = Promise.withResolvers<void>();
const kms = createServer(
  {
    cert: readFileSync(join(folder, "ca", "good.pem")),
    key: readFileSync(join(folder, "ca", "good-key.pem")),
  },
  (_, response) => {
    // While both other lookups hang.
    if (asked.size >= 2) requests += 1;
    if (requests >= Number(wanted)) enough.resolve();
    response.writeHead(503, { "content-type": "application/json", connection: "close" }).end('{"errors":[]}');
  },
);
await new Promise<void>((resolve) => kms.listen(0, "127.0.0.1", resolve));
const { port } = kms.address() as AddressInfo;

const names = ["good", "hanga", "hangb"];
const provider = (name: string) => ({
  module,
  sha256: sha256Of(module),
  grants: {
    net: {
      origin: `https://${name}.test:${port}`,
      allow: allowFor(name),
      networks: ["127.0.0.0/8"],
      tls: { ca: join(folder, "ca", "ca.pem") },
    },
  },
});
const fixture = new Fixture();
fixture.write(
  JSON.stringify({
    apiVersion: "kleidi.dev/v1",
    listen: { socket: "kms.sock" },
    providers: Object.fromEntries(names.map((name) => [name, provider(name)])),
    keys: names.map((name) => ({ name, provider: name, use: name === "good" ? "active" : "decrypt" })),
    status: { interval: "1s" },
    log: { level: "debug", file: "kleidi.log" },
  }),
);
const host = fixture.spawn();
// Regardless of whether they came: the test reports what is missing.
const late = setTimeout(enough.resolve, LIMIT_MS);
await enough.promise;
clearTimeout(late);
const stopped = performance.now();
const status = await Fixture.stop(host);
const stoppedAfterMs = performance.now() - stopped;
const causes = fixture
  .readLog()
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line))
  .filter(({ code }) => code === "backend-unreachable")
  .map(({ key, cause }) => ({ key, cause }));
writeFileSync(
  1,
  `${JSON.stringify({ asked: [...asked].toSorted(), requests, status, stoppedAfterMs, causes })}\n`,
);
await fixture.close();
process.exit(0);
