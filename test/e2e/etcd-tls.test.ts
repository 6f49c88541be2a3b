/** kleidi etcd scan over TLS with client certificates, on a real etcd; and an endpoint that is no honest etcd. */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { scanEndpoint } from "../../host/etcd/scan-endpoint.ts";
import { RangeResponseSchema } from "../../proto/etcd/v3/etcd_pb.ts";
import { Authority } from "../support/certificates.ts";
import { kleidi } from "../support/fixture.ts";
import { binaries, freePort, until } from "./servers.ts";

describe("an etcd that requires client certificates", () => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-etcd-"));
  const authority = new Authority(join(folder, "ca"));
  const stranger = new Authority(join(folder, "stranger"));
  // Also of a client: etcd connects to itself with it.
  const server = authority.server("etcd", { extensions: ["extendedKeyUsage = serverAuth, clientAuth"] });
  const client = authority.client("apiserver");
  let endpoint = "";
  let etcd: ChildProcess;

  before(async () => {
    const [port, peer] = [await freePort(), await freePort()];
    endpoint = `https://127.0.0.1:${port}`;
    const options = {
      "data-dir": join(folder, "data"),
      "listen-client-urls": endpoint,
      "advertise-client-urls": endpoint,
      "listen-peer-urls": `http://127.0.0.1:${peer}`,
      "initial-advertise-peer-urls": `http://127.0.0.1:${peer}`,
      "initial-cluster": `default=http://127.0.0.1:${peer}`,
      "cert-file": server.cert,
      "key-file": server.key,
      "trusted-ca-file": authority.file,
      "log-level": "error",
    };
    const flags = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
    etcd = spawn(join(binaries, "etcd"), [...flags, "--client-cert-auth", "--unsafe-no-fsync"], {
      stdio: "ignore",
    });
    await until("etcd answers", async () => (await scan(authority, client)).code === 0);
  });
  after(async () => {
    const ended = new Promise((resolve) => etcd.once("exit", resolve));
    etcd.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });

  function scan(trusted: Authority, identity?: { cert: string; key: string }) {
    const own = identity === undefined ? [] : ["--cert", identity.cert, "--key", identity.key];
    const words = ["etcd", "scan", endpoint, "--cacert", trusted.file, ...own];
    return new Promise<{ code: number; text: string }>((resolve) =>
      execFile(kleidi, words, (error, stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), text: stdout + stderr }),
      ),
    );
  }

  test("is scanned with a certificate that it trusts", async () => {
    const { code, text } = await scan(authority, client);
    assert.equal(code, 0, text);
    assert.match(text, /^ok {3}etcd: https:\/\/127\.0\.0\.1:\d+ has 0 objects at revision 1$/m);
  });

  for (const [name, trusted, identity] of [
    ["without a certificate", authority, undefined],
    ["with the certificate of another CA", authority, stranger.client("apiserver")],
    ["if the certificate of etcd is of another CA", stranger, client],
  ] as const)
    test(`is not scanned ${name}`, async () => {
      const { code, text } = await scan(trusted, identity);
      assert.equal(code, 1, text);
      assert.match(
        text,
        /^FAIL https:.*: https:\S+ does not return its keys: .+\n {5}Check the endpoint, --cacert/,
      );
    });

  test("a certificate without its key is a usage error", () => {
    const { status, stderr } = spawnSync(kleidi, ["etcd", "scan", endpoint, "--cert", client.cert], {
      encoding: "utf8",
    });
    assert.equal(status, 2);
    assert.equal(stderr, "error: Cannot use a client certificate: --cert and --key belong together\n");
  });
});

test("an endpoint that returns the same keys forever ends the scan", async (t) => {
  const page = create(RangeResponseSchema, {
    header: { revision: 3n },
    kvs: [{ key: Buffer.from("/registry/secrets/a"), value: Buffer.from("{}") }],
    more: true,
    count: 1_000_000n,
  });
  const server = new Server();
  server.addService(
    {
      Range: {
        path: "/etcdserverpb.KV/Range",
        requestStream: false,
        responseStream: false,
        requestSerialize: (bytes: Buffer) => bytes,
        requestDeserialize: (bytes: Buffer) => bytes,
        responseSerialize: (bytes: Buffer) => bytes,
        responseDeserialize: (bytes: Buffer) => bytes,
      },
    },
    {
      Range: (_: unknown, done: (error: null, answer: Buffer) => void) =>
        done(null, Buffer.from(toBinary(RangeResponseSchema, page))),
    },
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  t.after(() => server.forceShutdown());
  const endpoint = `http://127.0.0.1:${port}`;
  await assert.rejects(scanEndpoint({ endpoint, tls: {}, prefix: "/registry" }), {
    message: `${endpoint} repeats its keys`,
  });
});

for (const endpoint of ["http://10.0.0.1:2379", "https://127.0.0.1:2379/v3"])
  test(`${endpoint} is refused`, async () => {
    await assert.rejects(scanEndpoint({ endpoint, tls: {}, prefix: "/registry" }), {
      message: `${endpoint} is not https://host:port`,
    });
  });
