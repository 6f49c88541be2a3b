/** docs/audit.md, "The key": the checkpoint key sealed to a TPM by systemd-creds, and read as systemd passes it to the service. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { requireDebian } from "../support/debian.ts";
import { Fixture, kleidi, localConfig } from "../support/fixture.ts";
import { Swtpm } from "../support/swtpm.ts";

requireDebian(["swtpm", "systemd"]);

let tpm: Swtpm;
const fixture = new Fixture();

before(async () => {
  tpm = await Swtpm.start("tcp");
});

after(async () => {
  await fixture.close();
  await tpm.stop();
});

function creds(...args: string[]): void {
  execFileSync("systemd-creds", [`--tpm2-device=${tpm.tcti}`, "--name=audit-key", ...args], {
    stdio: "pipe",
  });
}

test("a key that only this TPM can open signs the log", async () => {
  const [plain, sealed] = [join(fixture.folder, "audit.key"), join(fixture.folder, "audit-key.cred")];
  const publicKey = execFileSync(kleidi, ["audit", "key", plain], { encoding: "utf8" }).trim();
  creds("encrypt", "--with-key=tpm2", plain, sealed);
  const key = readFileSync(plain, "utf8");
  assert.ok(
    !readFileSync(sealed, "latin1").includes(key.split("\n")[1] ?? key),
    "the sealed file does not contain the key",
  );
  // As LoadCredentialEncrypted= does it: into a folder of the service, mode 0400.
  const credentials = join(fixture.folder, "credentials");
  mkdirSync(credentials, { mode: 0o700 });
  writeFileSync(join(credentials, "audit-key"), "", { mode: 0o600 });
  creds("decrypt", sealed, join(credentials, "audit-key"));
  execFileSync("chmod", ["0400", join(credentials, "audit-key")]);
  execFileSync("shred", ["-u", plain]);
  const audit = { file: "audit.jsonl", checkpoints: { key: "credentials/audit-key" } };
  fixture.write(localConfig([{ name: "kek", use: "active" }], { audit })).keyInit("kek");
  const host = await fixture.serve();
  const client = new KmsClient(fixture.socket);
  await client.encrypt({ plaintext: new Uint8Array(32) });
  client.close();
  assert.equal(await Fixture.stop(host), 0);
  const log = join(fixture.folder, "audit.jsonl");
  const said = execFileSync(kleidi, ["audit", "verify", "--key", publicKey, log], { encoding: "utf8" });
  // the log is intact, and signed to its end
  assert.match(said, /^ok {3}intact: sequences 1 to (\d+), \1 lines, last checkpoint at \1 \(\S+Z\)\n/);
  const { length } = readFileSync(log, "utf8").trimEnd().split("\n");
  assert.ok(said.includes(` ${length} lines,`), said);
});

test("another TPM cannot open the key", async () => {
  const plain = join(fixture.folder, "other.key");
  const sealed = join(fixture.folder, "other.cred");
  execFileSync(kleidi, ["audit", "key", plain]);
  creds("encrypt", "--with-key=tpm2", plain, sealed);
  const other = await Swtpm.start("tcp");
  try {
    assert.throws(() =>
      execFileSync(
        "systemd-creds",
        [`--tpm2-device=${other.tcti}`, "--name=audit-key", "decrypt", sealed, "-"],
        {
          stdio: "pipe",
        },
      ),
    );
  } finally {
    await other.stop();
  }
});
