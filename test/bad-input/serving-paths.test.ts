/**
 * Files that are read while the host serves, replaced by a pipe, a device, a folder: the host continues to serve the keys of other
 * providers, reports the bad file, and stops when asked to.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { Authority } from "../support/certificates.ts";
import { Fixture, localModule, sha256Of } from "../support/fixture.ts";
import { untilWell } from "../support/until-well.ts";
import { allowFor, vaultModule } from "../support/vault-node.ts";

const HUGE = 1_500_000_000;

const KINDS: Readonly<Record<string, (path: string) => void>> = {
  "is a named pipe": (path) => execFileSync("mkfifo", [path]),
  "is a device": (path) => symlinkSync("/dev/zero", path),
  "is a folder": (path) => mkdirSync(path),
  [`is ${HUGE} bytes, at most 65536 are allowed`]: (path) => {
    const file = openSync(path, "w", 0o600);
    ftruncateSync(file, HUGE);
    closeSync(file);
  },
};

/** The file that is replaced, in the grant of the provider with this name. */
const FILES = ["ca", "certificate", "key", "token", "password"] as const;

let fixture: Fixture;
const at = (name: string) => join(fixture.folder, name);

before(() => {
  fixture = new Fixture();
  const authority = new Authority(at("authority"));
  const { cert, key } = authority.client("client");
  copyFileSync(authority.file, at("ca"));
  copyFileSync(cert, at("certificate"));
  copyFileSync(key, at("key"));
  for (const name of ["token", "password"]) writeFileSync(at(name), "good", { mode: 0o600 });
  const login = {
    path: "/v1/login",
    body: { password: { file: "password" } },
    token: "/token",
    header: "authorization",
  };
  const grants: Record<(typeof FILES)[number], Record<string, unknown>> = {
    ca: { tls: { ca: "ca" } },
    certificate: { tls: { certificate: "certificate", key } },
    key: { tls: { certificate: cert, key: "key" } },
    token: { credential: { file: { file: "token", header: "authorization" } } },
    password: { credential: { login } },
  };
  const vaults = Object.entries(grants).map(([name, net]) => {
    const grant = { origin: "https://127.0.0.1:1", allow: allowFor(name), ...net };
    return [name, { module: vaultModule, sha256: sha256Of(vaultModule), grants: { net: grant } }];
  });
  const local = {
    module: localModule,
    sha256: sha256Of(localModule),
    grants: { keystore: { keys: ["kek"] } },
  };
  fixture.write(
    JSON.stringify({
      apiVersion: "kleidi.dev/v1",
      listen: { socket: "kms.sock" },
      keystore: { directory: "keys" },
      providers: { local, ...Object.fromEntries(vaults) },
      keys: [
        { name: "kek", provider: "local", use: "active" },
        ...FILES.map((name) => ({ name, provider: name, use: "decrypt" })),
      ],
      status: { interval: "1s" },
      log: { level: "debug", file: "kleidi.log" },
      audit: { file: "audit.jsonl" },
    }),
  );
  fixture.keyInit("kek");
});
after(() => fixture.close());

/** The number of times that each provider asked for its origin, from the audit log. */
function asked(): Record<string, number> {
  const counts: Record<string, number> = Object.fromEntries(FILES.map((name) => [name, 0]));
  for (const line of readFileSync(at("audit.jsonl"), "utf8").trimEnd().split("\n")) {
    const { kind, capability, provider } = JSON.parse(line);
    if (kind === "host_call" && capability === "net") counts[provider] = (counts[provider] ?? 0) + 1;
  }
  return counts;
}

test("a file that is replaced while the host serves blocks nothing, and the host stops when asked to", async () => {
  const host = await fixture.serve();
  const client = new KmsClient(fixture.socket);
  try {
    for (const [what, put] of Object.entries(KINDS)) {
      for (const name of FILES) {
        rmSync(at(name), { recursive: true });
        put(at(name));
      }
      const before = asked();
      // Twice: the first request may have been on its way.
      await untilWell(async () => {
        const now = asked();
        for (const name of FILES) assert.ok((now[name] ?? 0) >= (before[name] ?? 0) + 2, `${what}: ${name}`);
        const log = fixture.readLog();
        for (const name of ["token", "password"])
          assert.ok(
            log.includes(`the secret file ${at(name)} cannot be used: it ${what}`),
            `${what}: ${name}`,
          );
      });
      assert.equal((await client.status()).healthz, "ok");
    }
  } finally {
    client.close();
  }
  assert.equal(await Fixture.stop(host), 0);
});
