/** The checks before a token leaves the host: the server's certificate, name and address. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { Authority } from "../support/certificates.ts";
import { Fixture, kleidi } from "../support/fixture.ts";
import { OpenBao } from "../support/openbao.ts";
import { Setup } from "../support/openbao-setup.ts";
import { untilWell } from "../support/until-well.ts";
import { Front } from "../support/vault-front.ts";
import { vaultNode } from "../support/vault-node.ts";

const [UNAVAILABLE] = [14];

let bao: OpenBao;
let token: string;
const folder = new Fixture();
const ca = new Authority(join(folder.folder, "ca"));
const other = new Authority(join(folder.folder, "other"), "another CA");

before(async () => {
  bao = await OpenBao.dev();
  const setup = new Setup(bao);
  await setup.kek();
  token = await setup.token({ policies: ["kek"] });
});

after(async () => {
  await folder.close();
  await bao.stop();
});

interface Case {
  readonly certificate: { readonly cert: string; readonly key: string };
  readonly tls: Record<string, unknown>;
  readonly says: RegExp;
}

/** Asserts that the host starts, logs why its key is not ready, and that the server never receives a request. */
async function refused({ certificate, tls, says }: Case): Promise<void> {
  const front = await Front.start(bao.url, {
    tls: { cert: readFileSync(certificate.cert, "utf8"), key: readFileSync(certificate.key, "utf8") },
  });
  const fixture = vaultNode({ origin: front.origin, token, net: { tls } });
  const client = new KmsClient(fixture.socket);
  try {
    fixture.spawn();
    await untilWell(() =>
      assert.rejects(client.status(), (error: { code?: number }) => error.code === UNAVAILABLE),
    );
    await untilWell(async () => assert.match(fixture.readLog(), says));
    assert.deepEqual(front.heard, []);
  } finally {
    client.close();
    await fixture.close();
    await front.stop();
  }
}

describe("an untrusted server receives nothing", () => {
  test("if its certificate is of another CA", () =>
    refused({ certificate: other.server("foreign"), tls: { ca: ca.file }, says: /certificate/ }));

  test("if its certificate is of a CA that the system may trust, but the grant names another one", () =>
    refused({
      certificate: other.server("public"),
      tls: { ca: ca.file, minimum: "1.3" },
      says: /certificate/,
    }));

  test("if its certificate has expired", () =>
    refused({ certificate: ca.server("old", { expired: true }), tls: { ca: ca.file }, says: /expired/ }));

  test("if its certificate is for another name", () =>
    refused({
      certificate: ca.server("named"),
      tls: { ca: ca.file, serverName: "vault.example" },
      says: /vault\.example/,
    }));
});

test("a certificate for the name that the grant expects is trusted", async () => {
  const { cert, key } = ca.server("right", { names: ["vault.example"] });
  const front = await Front.start(bao.url, {
    tls: { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") },
  });
  const fixture = vaultNode({
    origin: front.origin,
    token,
    net: { tls: { ca: ca.file, serverName: "vault.example" } },
  });
  const client = new KmsClient(fixture.socket);
  try {
    await fixture.serve();
    assert.ok(front.heard.length > 0);
  } finally {
    client.close();
    await fixture.close();
    await front.stop();
  }
});

test("a name that resolves to a cloud's metadata service is not connected to", async () => {
  const fixture = vaultNode({ origin: "http://127.0.0.1:1", token });
  const config = readFileSync(fixture.config, "utf8").replace(
    "http://127.0.0.1:1",
    "https://vault.test:8200",
  );
  fixture.write(config);
  const hosts = join(fixture.folder, "hosts");
  writeFileSync(hosts, "169.254.169.254 vault.test\n127.0.0.1 localhost\n");
  // A mount namespace of its own, in which the name resolves to it.
  const script = 'mount --bind "$0" /etc/hosts && exec "$@"';
  const host = spawn(
    "unshare",
    ["--mount", "sh", "-c", script, hosts, kleidi, "serve", "--config", fixture.config],
    {
      stdio: "inherit",
    },
  );
  try {
    await untilWell(async () => assert.match(fixture.readLog(), /169\.254\.169\.254/));
    assert.match(fixture.readLog(), /link-local/);
  } finally {
    await Fixture.stop(host, "SIGTERM");
    await fixture.close();
  }
});
