import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { inspect } from "node:util";
import { ClusterFault } from "./cluster-fault.ts";
import { readKubeconfig } from "./kubeconfig.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-kubeconfig-"));
after(() => rmSync(folder, { recursive: true }));
const path = join(folder, "config");
const TOKEN = "a-token-that-nothing-prints";

type Part = Record<string, unknown>;
function write(cluster: Part = {}, user: Part = { token: TOKEN }, rest: Part = {}): void {
  const document = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server: "https://10.0.0.1:6443", ...cluster } }],
    users: [{ name: "u", user }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
    ...rest,
  };
  writeFileSync(path, JSON.stringify(document), { mode: 0o600 });
}

test("reads data in the file and in files next to it", () => {
  for (const name of ["ca.pem", "cert.pem", "key.pem"])
    writeFileSync(join(folder, name), name, { mode: 0o600 });
  write(
    { "certificate-authority": "ca.pem", "tls-server-name": "api" },
    { "client-certificate-data": Buffer.from("cert").toString("base64"), "client-key": "key.pem" },
  );
  const { server, ca, serverName, certificate, key, token } = readKubeconfig(path);
  assert.deepEqual(
    [server, ca, serverName, certificate, key?.text(), token],
    ["https://10.0.0.1:6443", "ca.pem", "api", "cert", "key.pem", undefined],
  );
});

test("a token cannot be printed", () => {
  write();
  const access = readKubeconfig(path);
  assert.equal(access.token?.text(), TOKEN);
  assert.ok(!`${inspect(access)}${JSON.stringify(access)}`.includes(TOKEN));
});

const REFUSED: readonly (readonly [name: string, cluster: Part, user?: Part, rest?: Part])[] = [
  ["a credential plugin", {}, { exec: { command: "aws" } }],
  ["a password", {}, { username: "a", password: TOKEN }],
  ["no identity", {}, {}],
  ["a certificate without its key", {}, { "client-certificate-data": "YQ==" }],
  ["a server without TLS", { server: "http://10.0.0.1:8080" }],
  ["a server with a path", { server: "https://10.0.0.1/k8s" }],
  ["a server that is not verified", { "insecure-skip-tls-verify": true }],
  ["a proxy", { "proxy-url": "http://10.0.0.2" }],
  ["a missing CA file", { "certificate-authority": "no.pem" }],
  ["no current context", {}, { token: TOKEN }, { "current-context": "" }],
  ["another kind", {}, { token: TOKEN }, { kind: "Secret" }],
];
for (const [name, cluster, user = { token: TOKEN }, rest] of REFUSED)
  test(`refuses ${name}`, (t) => {
    write(cluster, user, rest);
    assert.throws(
      () => readKubeconfig(path),
      (error: unknown) => {
        assert.ok(error instanceof ClusterFault, String(error));
        const text = `${error.message}\n${error.remedy}`.replaceAll(folder, "FOLDER");
        assert.ok(!text.includes(TOKEN));
        t.assert.snapshot(text, { serializers: [String] });
        return true;
      },
    );
  });

test("refuses a file that others can read, and text that is not valid YAML", () => {
  write();
  chmodSync(path, 0o644);
  assert.throws(() => readKubeconfig(path), /has the mode 0644/);
  chmodSync(path, 0o600);
  writeFileSync(path, `token: [${TOKEN}`);
  assert.throws(
    () => readKubeconfig(path),
    (error: Error) => !error.message.includes(TOKEN),
  );
});
