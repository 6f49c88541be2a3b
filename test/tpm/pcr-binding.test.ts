/** Keys with PCRs that a TPM does not have, or that protect little: key init, check --live, doctor, and the policy that TPM tools compute. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { requireDebian } from "../support/debian.ts";
import type { Swtpm } from "../support/swtpm.ts";
import { withTpm } from "../support/tpm-node.ts";

requireDebian(["swtpm", "tpm2-tools"]);

const SHA1_ONLY = "sha1:all+sha256:none+sha384:none+sha512:none";
const SHA256_ONLY = "sha1:none+sha256:all+sha384:none+sha512:none";
const ALL = "sha1:all+sha256:all+sha384:all+sha512:all";

/** The banks change at the next start of the TPM. */
async function allocate(tpm: Swtpm, banks: string): Promise<void> {
  await tpm.tool("tpm2_pcrallocate", banks);
  await tpm.kill();
  await tpm.start();
}

async function measure(tpm: Swtpm, ...pcrs: number[]): Promise<void> {
  writeFileSync(join(tpm.folder, "event"), "a boot loader");
  for (const pcr of pcrs) await tpm.tool("tpm2_pcrevent", String(pcr), "event");
}

const OFF: readonly (readonly [string, string, string, string])[] = [
  [SHA1_ONLY, "hmac pcr=sha256:0,7", "sha256", "0, 7"],
  [SHA256_ONLY, "sealed pcr=sha384:4", "sha384", "4"],
];
for (const [banks, scheme, bank, pcrs] of OFF)
  test(`key init refuses "${scheme}" where the bank is off, and creates nothing`, async () => {
    await withTpm(async (tpm, node) => {
      await allocate(tpm, banks);
      const { status, stdout } = node.run("key", "init", "--json", "--scheme", scheme);
      assert.equal(status, 1, stdout);
      const { code } = JSON.parse(stdout);
      assert.equal(code, "key-not-ready");
      const { stderr } = node.run("key", "init", "--scheme", scheme);
      assert.match(stderr, new RegExp(`the TPM has no PCR ${pcrs} in its bank ${bank}.*tpm2_pcrallocate`));
      assert.equal(node.run("key", "list").status, 1, "no record was written");
      assert.equal(await tpm.loaded(), "");
    });
  });

test("a key with PCRs is created with their values, which its record names, and a change of one locks it", async () => {
  await withTpm(async (tpm, node) => {
    await measure(tpm, 0, 7);
    const made = node.run("key", "init", "--json", "--scheme", "hmac pcr=sha256:7,0");
    assert.equal(made.status, 0, made.stderr);
    assert.deepEqual(JSON.parse(made.stdout).warnings, []);
    const record = readFileSync(join(node.folder, "state", "kek.state"), "utf8");
    assert.match(record, /^pcrs: sha256 0, 7$/m);
    const doctor = node.run("doctor");
    assert.equal(doctor.status, 0, doctor.stdout);
    assert.match(doctor.stdout, /ok {3}tpm tpm key kek: version [0-9a-f]{32}/);
    await measure(tpm, 7);
    const live = node.run("check", "--live");
    assert.equal(live.status, 1);
    assert.match(live.stdout, /FAIL live kek: .*\n.*the PCRs are not as they were/);
  });
});

const WEAK: readonly (readonly [string, RegExp])[] = [
  ["0,7", /PCR 0, 7, whose bytes are all 00 or all ff: nothing was measured/],
  ["16,23", /PCR 16, 23, which every program on the machine can reset/],
  ["17,22", /PCR 17, 22, which has a value only after a dynamic launch/],
];
test("key init, check --live and doctor warn of PCRs that protect little", async () => {
  for (const [pcrs, sentence] of WEAK)
    await withTpm(async (_tpm, node) => {
      const made = node.run("key", "init", "--scheme", `hmac pcr=sha256:${pcrs}`);
      assert.equal(made.status, 0, made.stderr);
      assert.match(made.stdout, new RegExp(`^Warning: .*${sentence.source}`, "m"));
      for (const args of [["check", "--live"], ["doctor"]]) {
        const { status, stdout } = node.run(...args);
        assert.equal(status, 0, stdout);
        assert.match(stdout, new RegExp(`^warn .*kek: warning of its provider: .*${sentence.source}`, "m"));
      }
    });
});

test("check --live and doctor fail for a key of an earlier kleidi that depends on no PCR, which works until the bank is turned on", async () => {
  await withTpm(async (tpm, node) => {
    const kept = JSON.parse(readFileSync(join(import.meta.dirname, "unbound-record.json"), "utf8")) as {
      tpm: string;
      record: string;
    };
    await tpm.kill();
    writeFileSync(join(tpm.folder, "tpm2-00.permall"), Buffer.from(kept.tpm, "base64"));
    await tpm.start();
    writeFileSync(join(node.folder, "state", "kek.state"), Buffer.from(kept.record, "base64"), {
      mode: 0o600,
    });
    for (const args of [["check", "--live"], ["doctor"]]) {
      const { status, stdout } = node.run(...args);
      assert.equal(status, 1, stdout);
      assert.match(stdout, /^ok .*kek: (Status, Encrypt and Decrypt|version)/m);
      assert.match(
        stdout,
        /^FAIL .*kek: error of its provider: The key "kek" does not depend on the PCRs of its scheme \(sha256: 0, 7\)/m,
      );
    }
    // As the error says: the bank must stay off as long as the key is needed.
    await allocate(tpm, ALL);
    assert.match(node.run("check", "--live").stdout, /FAIL live kek: .*\n.*the PCRs are not as they were/);
    await allocate(tpm, SHA1_ONLY);
    assert.match(node.run("check", "--live").stdout, /^ok .*kek: Status, Encrypt and Decrypt/m);
  });
});
