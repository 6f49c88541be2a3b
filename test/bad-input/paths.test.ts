/**
 * Every key of the configuration whose value is a path, with every kind of file there that could block the host: a pipe without a
 * writer, an endless device, a folder, links, a file that is too large, one that may not be read. The keys come from the schema: a key
 * without a case here fails the test.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { SCHEMA } from "../../host/config/schema.ts";
import { pathKeys } from "../../host/schema/shape.ts";
import { Authority, type Certificate } from "../support/certificates.ts";
import { Fixture, kleidi, localModule, sha256Of } from "../support/fixture.ts";
import { pkcs11Module } from "../support/pkcs11-node.ts";
import { vaultModule } from "../support/vault-node.ts";

/** Far longer than a command that does not block needs. */
const HANGS_MS = 60_000;
/** Root can read files without permission. */
const UNPRIVILEGED = 65_534;
const who = process.getuid?.() === 0 ? { uid: UNPRIVILEGED, gid: UNPRIVILEGED } : {};

const HUGE = 1_500_000_000;

/** Creates the file at a path; the fault that is reported where a regular file is expected. */
const KINDS: Readonly<Record<string, readonly [put: (path: string) => void, said: RegExp]>> = {
  "a pipe": [(path) => execFileSync("mkfifo", [path]), /is a named pipe|ENOTDIR/],
  "a link to a pipe": [
    (path) => {
      execFileSync("mkfifo", [`${path}.pipe`]);
      symlinkSync(`${path}.pipe`, path);
    },
    /is a named pipe|ENOTDIR/,
  ],
  "an endless device": [(path) => symlinkSync("/dev/zero", path), /is a device|ENOTDIR/],
  "an empty device": [(path) => symlinkSync("/dev/null", path), /is a device|ENOTDIR/],
  "a folder": [(path) => mkdirSync(path), /is a folder/],
  "a link to nothing": [(path) => symlinkSync(`${path}.none`, path), /\(ENOENT\): it is a link to nothing/],
  "a huge file": [
    (path) => {
      const file = openSync(path, "w", 0o600);
      ftruncateSync(file, HUGE);
      closeSync(file);
    },
    /is 1500000000 bytes, at most \d+ are allowed|ENOTDIR/,
  ],
  "a file that may not be read": [(path) => writeFileSync(path, "x", { mode: 0o000 }), /\(EACCES\)|ENOTDIR/],
};

/** The place of the key's file, and the command that reads it. For a key that names a folder, the file is in place of that folder. */
interface Case {
  readonly file: string;
  readonly by: "check" | "key list" | "serve";
  /** Files that are valid here, because the key names a folder or a file that is created or written. */
  readonly fine?: readonly string[];
}

const FOLDER = ["a folder", "a link to nothing"];
const UNOPENED = Object.keys(KINDS).filter((kind) => kind !== "a link to nothing");
const CASES: Readonly<Record<string, Case>> = {
  "listen.socket": { file: "bad.sock", by: "serve" },
  "keystore.directory": { file: "bad-keys", by: "check", fine: FOLDER },
  "state.directory": { file: "bad-state", by: "key list", fine: FOLDER },
  "providers.<name>.module": { file: "bad.wasm", by: "check" },
  "providers.<name>.signatures[]": { file: "bad.minisig", by: "check" },
  "providers.<name>.grants.net.tls.ca": { file: "bad-ca.pem", by: "check" },
  "providers.<name>.grants.net.tls.crl": { file: "bad-crl.pem", by: "check" },
  "providers.<name>.grants.net.tls.certificate": { file: "bad-certificate.pem", by: "check" },
  "providers.<name>.grants.net.tls.key": { file: "bad-key.pem", by: "check" },
  "providers.<name>.grants.net.credential.vault.file": { file: "bad-vault-token", by: "check" },
  "providers.<name>.grants.net.credential.vault.secretId.file": { file: "bad-secret-id", by: "check" },
  "providers.<name>.grants.net.credential.aws.file": { file: "bad-profile", by: "check" },
  "providers.<name>.grants.net.credential.aws.secretAccessKey.file": { file: "bad-aws-secret", by: "check" },
  "providers.<name>.grants.net.credential.gcp.file": { file: "bad-gcp-token", by: "check" },
  "providers.<name>.grants.net.credential.azure.file": { file: "bad-azure-secret", by: "check" },
  "providers.<name>.grants.net.credential.file.file": { file: "bad-token", by: "check" },
  "providers.<name>.grants.net.credential.login.body.<name>.file": { file: "bad-password", by: "check" },
  "providers.<name>.grants.pkcs11.module": { file: "bad-module.so", by: "check" },
  "providers.<name>.grants.pkcs11.pin.file": { file: "bad-pin", by: "check" },
  // The host opens none of them.
  "providers.<name>.grants.pkcs11.reads[]": { file: "bad-read", by: "check", fine: UNOPENED },
  "providers.<name>.grants.pkcs11.writes[]": { file: "bad-write", by: "check", fine: ["a folder"] },
  "sandbox.programs": { file: "bad-programs", by: "check", fine: FOLDER },
  // Appended to: its size does not matter, a missing one is created, and a device accepts what is written.
  "log.file": {
    file: "bad.log",
    by: "serve",
    fine: ["a huge file", "a link to nothing", "an empty device", "an endless device"],
  },
  "audit.file": { file: "bad.jsonl", by: "serve", fine: ["a huge file"] },
  "audit.checkpoints.key": { file: "bad-audit.key", by: "check" },
};

let fixture: Fixture;
let ca: string;
let client: Certificate;

const badPaths = Object.values(CASES).map(({ file }) => file);

type Pick = (bad: string, good: string) => string;

const LOCAL = {
  module: localModule,
  sha256: sha256Of(localModule),
  grants: { keystore: { keys: ["kek"] }, state: { names: ["kek-state"] } },
};

/** One provider for each key: only the first bad file of a provider is reported. */
function vaults(pick: Pick): Record<string, unknown> {
  const { cert, key } = client;
  const of = (net: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
    module: vaultModule,
    sha256: sha256Of(vaultModule),
    signatures: ["good.minisig"],
    grants: { net: { origin: "https://127.0.0.1:1", allow: ["GET /v1/a"], ...net } },
    ...more,
  });
  const credential = (kinds: Record<string, unknown>) => of({ credential: kinds });
  const aws = (source: Record<string, unknown>) =>
    of({
      allow: ["POST / x-amz-target=TrentService.DescribeKey"],
      credential: { aws: { region: "eu-central-1", ...source } },
    });
  const hsm = (changes: Record<string, unknown>) => {
    const pkcs11 = { module: "/usr/bin/env", token: "t", pin: { file: "token" }, keys: ["k"], ...changes };
    return { ...of({}), module: pkcs11Module, sha256: sha256Of(pkcs11Module), grants: { pkcs11 } };
  };
  const secretId = { file: pick("bad-secret-id", "token") };
  const body = { password: { file: pick("bad-password", "token") } };
  const header = "authorization";
  return {
    module: of({}, { module: pick("bad.wasm", vaultModule) }),
    signature: of({}, { signatures: [pick("bad.minisig", "good.minisig")] }),
    ca: of({ tls: { ca: pick("bad-ca.pem", ca) } }),
    crl: of({ tls: { ca, crl: pick("bad-crl.pem", ca) } }),
    certificate: of({ tls: { certificate: pick("bad-certificate.pem", cert), key } }),
    key: of({ tls: { certificate: cert, key: pick("bad-key.pem", key) } }),
    token: credential({ vault: { auth: "token", file: pick("bad-vault-token", "token") } }),
    secret: credential({ vault: { auth: "approle", roleId: "r", secretId } }),
    aws: aws({
      source: "keys",
      accessKeyId: "AKIAIOSFODNN7EXAMPLE",
      secretAccessKey: { file: pick("bad-aws-secret", "token") },
    }),
    profile: aws({ source: "profile", file: pick("bad-profile", "token") }),
    gcp: of({
      allow: ["POST /v1/projects/P/locations/L/keyRings/R/cryptoKeys/K:decrypt"],
      credential: {
        gcp: {
          source: "workload-identity",
          audience:
            "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/pool/providers/kubelet",
          file: pick("bad-gcp-token", "token"),
          sts: "https://127.0.0.1:1",
        },
      },
    }),
    azure: of({
      allow: ["POST /keys/NAME/?api-version=7.4"],
      credential: {
        azure: {
          source: "client-secret",
          tenant: "11111111-2222-3333-4444-555555555555",
          client: "66666666-7777-8888-9999-000000000000",
          file: pick("bad-azure-secret", "token"),
          login: "https://127.0.0.1:1",
        },
      },
    }),
    "hsm-module": hsm({ module: pick("bad-module.so", "/usr/bin/env") }),
    "hsm-pin": hsm({ pin: { file: pick("bad-pin", "token") } }),
    "hsm-read": hsm({ reads: [pick("bad-read", "token")] }),
    "hsm-write": hsm({ writes: [pick("bad-write", "state")] }),
    file: credential({ file: { file: pick("bad-token", "token"), header } }),
    login: credential({ login: { path: "/v1/login", body, token: "/token", header } }),
  };
}

/** "serve" reaches its last path only where all modules are good, so none is signed. */
function configWith(bad: readonly string[], withVaults: boolean): string {
  const pick: Pick = (name, good) => (bad.includes(name) ? name : good);
  const more = withVaults ? vaults(pick) : {};
  return JSON.stringify({
    apiVersion: "kleidi.dev/v1",
    listen: { socket: pick("bad.sock", "kms.sock") },
    keystore: { directory: pick("bad-keys", "keys") },
    state: { directory: pick("bad-state", "state") },
    ...(withVaults
      ? {
          trust: {
            keys: [{ name: "none", key: "RWSPoF+jGqA50SqBy4QUMIcK2OfYzLaAgT5t8yEhmqYA/t4TTPWJQ3Pk" }],
          },
        }
      : {}),
    providers: { local: LOCAL, ...more },
    keys: [
      { name: "kek", provider: "local", use: "active" },
      { name: "kek-state", provider: "local", use: "decrypt" },
      ...Object.keys(more).map((provider) => ({ name: provider, provider, use: "decrypt" })),
    ],
    sandbox: bad.includes("bad-programs") ? { programs: "bad-programs" } : {},
    log: { file: pick("bad.log", "kleidi.log") },
    audit: {
      file: pick("bad.jsonl", "audit.jsonl"),
      checkpoints: { key: pick("bad-audit.key", "audit.key") },
    },
  });
}

/** All good and bad files belong to the user that the command runs as. */
function put(kind: string, bad: readonly string[], withVaults = false): void {
  for (const name of badPaths)
    for (const path of [name, `${name}.pipe`])
      rmSync(join(fixture.folder, path), { recursive: true, force: true });
  for (const name of bad) KINDS[kind]?.[0](join(fixture.folder, name));
  fixture.write(configWith(bad, withVaults));
  give();
}

function give(): void {
  if (who.uid !== undefined) execFileSync("chown", ["-hR", `${who.uid}:${who.gid}`, fixture.folder]);
}

interface Ended {
  readonly status: number | null;
  readonly text: string;
}

/** Runs a command with this configuration. Fails where it hangs. */
function run(...args: string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const needsConfig = ["check", "serve", "key"].includes(args[0] ?? "") && !args.includes("--config");
    const child = spawn(kleidi, [...args, ...(needsConfig ? ["--config", fixture.config] : [])], {
      ...who,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`kleidi ${args.join(" ")} did not end: ${text}`));
    }, HANGS_MS);
    child.once("close", (status) => {
      clearTimeout(timer);
      resolve({ status, text });
    });
  });
}

before(() => {
  fixture = new Fixture();
  const authority = new Authority(join(fixture.folder, "ca"));
  ca = authority.file;
  client = authority.client("client");
  mkdirSync(join(fixture.folder, "state"), { mode: 0o700 });
  writeFileSync(join(fixture.folder, "token"), "token", { mode: 0o600 });
  writeFileSync(join(fixture.folder, "good.minisig"), "none");
  execFileSync(kleidi, ["audit", "key", join(fixture.folder, "audit.key")], { stdio: "ignore" });
  fixture.write(configWith([], false)).keyInit("kek");
});
after(() => fixture.close());

test("every path of the schema has a case here", () => {
  assert.deepEqual(Object.keys(CASES).toSorted(), pathKeys(SCHEMA).toSorted());
});

for (const [kind, [, said]] of Object.entries(KINDS)) {
  const cases = Object.entries(CASES).filter(([, { fine = [] }]) => !fine.includes(kind));
  const by = (command: Case["by"]) => cases.filter(([, each]) => each.by === command);

  describe(`${kind} in the place of a file`, () => {
    test("is reported by check for every key in one run", async () => {
      put(
        kind,
        by("check").map(([, { file }]) => file),
        true,
      );
      const { status, text } = await run("check");
      assert.equal(status, 1, text);
      const lines = text.split("\n");
      for (const [key, { file }] of by("check")) {
        const line = lines.find((each) => each.includes(join(fixture.folder, file)));
        assert.match(line ?? "", said, `${key}\n${text}`);
      }
    });

    for (const [key, { file }] of by("serve"))
      test(`keeps serve from starting (${key})`, async () => {
        put(kind, [file]);
        const { status, text } = await run("serve");
        assert.equal(status, 1, text);
        assert.ok(text.includes(join(fixture.folder, file)), text);
      });

    for (const [key, { file }] of by("key list"))
      test(`is reported by key list (${key})`, async () => {
        put(kind, [file]);
        const { status, text } = await run("key", "list");
        assert.equal(status, 1, text);
        assert.ok(text.includes(join(fixture.folder, file)), text);
      });
  });
}

/** The arguments of commands that read a file. */
const WORDS: Readonly<Record<string, (path: string) => readonly string[]>> = {
  "the configuration": (path) => ["check", "--config", path],
  "a module to inspect": (path) => ["inspect", path],
  "a module to compare": (path) => ["diff", localModule, path],
  "an audit log to verify": (path) => ["audit", "verify", path],
  "an audit log to search": (path) => ["audit", "query", path],
  "an audit log to follow": (path) => ["audit", "tail", path],
  "an audit log to export": (path) => ["audit", "export", path],
  "a public key": (path) => ["audit", "verify", "/proc/self/status", "--key", path],
  "exported checkpoints": (path) => ["audit", "verify", "/proc/self/status", "--checkpoints", path],
};

for (const [what, words] of Object.entries(WORDS))
  test(`${what} that is a pipe, a device or a folder makes the command fail at once`, async () => {
    for (const kind of ["a pipe", "a link to a pipe", "an endless device", "a folder"]) {
      put(kind, ["bad.sock"]);
      const path = join(fixture.folder, "bad.sock");
      const { status, text } = await run(...words(path));
      assert.ok(status === 1 || status === 2, `${status} ${text}`);
      assert.ok(text.includes(path), text);
      assert.match(text, /a named pipe|a device|a folder/, text);
    }
  });

test("pipes in place of a key's record and a state's record do not block key list", async () => {
  put("a pipe", []);
  rmSync(join(fixture.folder, "keys"), { recursive: true });
  mkdirSync(join(fixture.folder, "keys"), { mode: 0o700 });
  for (const name of ["keys/kek.json", "state/kek-state.state"])
    execFileSync("mkfifo", [join(fixture.folder, name)]);
  give();
  const { status, text } = await run("key", "list");
  assert.equal(status, 1, text);
  assert.match(text, /^FAIL key kek: .*The key was created on an unknown day with fingerprint unknown/m);
  assert.match(text, /^FAIL key kek-state: .*kek-state\.state: it is a named pipe/m);
});
