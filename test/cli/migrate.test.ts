/** kleidi migrate against an API server that is busy, refuses, or does not answer: its answers are scripted. test/e2e/migrate.test.ts uses a real one. */
import assert from "node:assert/strict";
import { type ChildProcess, execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { hashOf } from "../../host/cluster/key-usage.ts";
import { KmsClient } from "../../host/grpc/client.ts";
import { Authority } from "../support/certificates.ts";
import { Fixture, kleidi, localConfig } from "../support/fixture.ts";

const NAMES = ["a", "b", "c"];
const METRIC = "apiserver_envelope_encryption_key_id_hash";

type Answer = (request: IncomingMessage, response: ServerResponse, name: string) => void;

describe("migrate", () => {
  const fixture = new Fixture();
  const kubeconfig = join(fixture.folder, "kubeconfig");
  let hash = "";
  let server: Server;
  let reads = 0;
  let patches: string[] = [];
  let onPatch: Answer;

  const send = (response: ServerResponse, code: number, body: unknown, headers = {}) =>
    response.writeHead(code, headers).end(typeof body === "string" ? body : JSON.stringify(body));
  const objectOf = (name: string, resourceVersion = "1") => ({
    metadata: { name, namespace: "default", uid: name, resourceVersion },
  });
  const rewritten: Answer = (_, response, name) => send(response, 200, objectOf(name, "2"));

  before(async () => {
    fixture.write(localConfig([{ name: "kek", use: "active" }])).keyInit("kek");
    await fixture.serve();
    const client = new KmsClient(fixture.socket);
    hash = hashOf((await client.status()).keyId);
    client.close();
    const authority = new Authority(join(fixture.folder, "ca"));
    const { cert, key } = authority.server("api");
    server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, answer);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const cluster = { server: `https://127.0.0.1:${port}`, "certificate-authority": authority.file };
    const config = {
      kind: "Config",
      clusters: [{ name: "c", cluster }],
      users: [{ name: "u", user: { token: "secret-token" } }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    };
    writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 });
  });
  beforeEach(() => {
    patches = [];
    onPatch = rewritten;
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await fixture.close();
  });

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url ?? "", "https://h");
    const name = pathname.split("/").at(-1) ?? "";
    if (request.headers.authorization !== "Bearer secret-token") return void send(response, 401, "who?");
    if (pathname === "/metrics") {
      const labels = `key_id_hash="${hash}",provider_name="kleidi",apiserver_id_hash="sha256:1"`;
      const status = `${METRIC}_status_last_timestamp_seconds{${labels}} 1.7e9`;
      return void send(
        response,
        200,
        `${status}\n${METRIC}_total{${labels},transformation_type="from_storage"} ${reads}\n`,
      );
    }
    if (request.method === "PATCH") {
      patches.push(name);
      onPatch(request, response, name);
      return;
    }
    if (name === "secrets")
      return void send(response, 200, { metadata: {}, items: NAMES.map((each) => objectOf(each)) });
    reads += 1;
    send(response, 200, objectOf(name));
  }

  function start(...words: string[]): {
    child: ChildProcess;
    ended: Promise<{ code: number; lines: string[] }>;
  } {
    const argv = ["migrate", "--kubeconfig", kubeconfig, "--config", fixture.config, "--json", ...words];
    let child: ChildProcess | undefined;
    const ended = new Promise<{ code: number; lines: string[] }>((resolve) => {
      child = execFile(kleidi, argv, (error, stdout) => {
        const { findings } = JSON.parse(stdout) as {
          findings: { level: string; subject: string; detail: string }[];
        };
        const lines = findings.map(
          ({ level, subject, detail }) =>
            `${level} ${subject}: ${detail.replace(/ in [\d.]+ s, \d+\/s/, "")}`,
        );
        resolve({ code: Number(error?.code ?? 0), lines });
      });
    });
    assert.ok(child);
    return { child, ended };
  }

  test("sends a request again after 429, and an object again that others changed", async () => {
    const first = new Set<string>();
    onPatch = (request, response, name) => {
      const again = first.has(name);
      first.add(name);
      if (again || name === "c") return rewritten(request, response, name);
      if (name === "a") send(response, 429, { message: "busy" }, { "retry-after": "1" });
      else send(response, 409, { message: "the object has been modified" });
    };
    const { code, lines } = await start("--workers", "1").ended;
    assert.deepEqual(patches, ["a", "a", "b", "b", "c"]);
    assert.equal(code, 0, lines.join("\n"));
    assert.equal(
      lines[1],
      "ok secrets: 3 objects were sent: 2 were rewritten, the others were current; 1 were changed by other clients meanwhile",
    );
  });

  test("goes on after an object is deleted, and names one that is refused", async () => {
    onPatch = (request, response, name) => {
      if (name === "a") send(response, 404, { message: "not found" });
      else if (name === "b") send(response, 422, { message: "denied by a policy" });
      else rewritten(request, response, name);
    };
    const { code, lines } = await start().ended;
    assert.equal(code, 1);
    assert.deepEqual(lines.slice(1), [
      "ok secrets: 3 objects were sent: 1 were rewritten, the others were current",
      "fail secrets: secrets default/b was not rewritten: 422 denied by a policy",
    ]);
  });

  test("ends at SIGINT with what was done, while a request hangs", async () => {
    const hung = Promise.withResolvers<void>();
    onPatch = (request, response, name) => {
      if (name === "b") hung.resolve();
      else rewritten(request, response, name);
    };
    const { child, ended } = start("--workers", "1");
    await hung.promise;
    child.kill("SIGINT");
    const { code, lines } = await ended;
    assert.equal(code, 1);
    assert.equal(
      lines[1],
      "fail secrets: the pass ended early after 1 objects, 1 of them rewritten: it was interrupted",
    );
  });

  test("names each object that it may not patch", async () => {
    onPatch = (_, response) => send(response, 403, { message: "secrets is forbidden" });
    const { code, lines } = await start("--workers", "1").ended;
    assert.equal(code, 1);
    assert.deepEqual(
      lines.slice(2),
      NAMES.map(
        (name) => `fail secrets: secrets default/${name} was not rewritten: 403 secrets is forbidden`,
      ),
    );
  });
});
