/** kleidi doctor with a real swtpm: healthy, locked, with a password, busy, gone, and a device that is not a TPM. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { requireDebian } from "../support/debian.ts";
import { Fixture } from "../support/fixture.ts";
import { Swtpm } from "../support/swtpm.ts";
import { tpmNode } from "../support/tpm-node.ts";

requireDebian(["swtpm", "tpm2-tools"]);

let tpm: Swtpm;
let fixture: Fixture;
before(async () => {
  tpm = await Swtpm.start("unix");
  fixture = tpmNode(tpm);
});
after(async () => {
  await fixture.close();
  await tpm.stop();
});

function doctor(node = fixture): { status: number | null; stdout: string } {
  return node.run("doctor");
}

test("reports the identity of a healthy TPM, and that nothing is missing", async () => {
  const { status, stdout } = doctor();
  assert.equal(status, 0, stdout);
  const said = stdout.replaceAll(`TPM ${tpm.device}`, "TPM x").split("\n");
  assert.match(stdout, /ok {3}provider tpm: tpm 0\.1\.0, sha256/);
  assert.ok(
    said.includes("ok   TPM x for provider tpm: it has every feature that the provider needs"),
    stdout,
  );
  assert.ok(said.includes("ok   TPM x hierarchy owner: it is enabled and has no password"), stdout);
  assert.match(stdout, /ok {3}TPM .* slots: objects 3 free of at least 3, sessions 3 free of at least 3/);
  assert.match(stdout, /ok {3}TPM .* lockout: not locked, 0 failed authorizations of 3/);
  assert.match(stdout, /ok {3}TPM .* PCR banks: .*sha256 \(24\)/);
  assert.equal(await tpm.loaded(), "");
});

test("prints one object of findings with --json", () => {
  const { stdout } = fixture.run("doctor", "--json");
  const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: { subject: string }[] };
  assert.equal(ok, true);
  assert.ok(findings.some(({ subject }) => subject === `TPM ${tpm.device} lockout`));
});

test("reports a TPM in lockout with the command that ends it", async () => {
  await tpm.lockOut();
  const { status, stdout } = doctor();
  assert.equal(status, 1, stdout);
  assert.match(
    stdout,
    /FAIL TPM .* lockout: the TPM is in lockout, \d+ failed authorizations of 3; .*\n {5}.*tpm2_dictionarylockout --clear-lockout/,
  );
  await tpm.tool("tpm2_dictionarylockout", "--clear-lockout");
  assert.equal(doctor().status, 0);
});

test("reports an owner hierarchy with a password and the command that removes it", async () => {
  await tpm.tool("tpm2_changeauth", "-c", "owner", "secret");
  const { status, stdout } = doctor();
  assert.equal(status, 1);
  assert.match(
    stdout,
    /FAIL TPM .* hierarchy owner: it has a password \(ownerAuthSet\).*\n {5}.*tpm2_changeauth -c owner -p PASSWORD/,
  );
  await tpm.tool("tpm2_changeauth", "-c", "owner", "-p", "secret");
});

test("reports a virtual TPM whose only connection a host holds", async () => {
  const made = fixture.run("key", "init");
  assert.equal(made.status, 0, made.stderr);
  const host = await fixture.serve();
  const { status, stdout } = doctor();
  assert.equal(status, 1);
  assert.match(
    stdout,
    /FAIL TPM .*: it cannot be asked: .*\n {5}A virtual TPM serves one client at a time: stop the host/,
  );
  assert.equal(await Fixture.stop(host), 0);
});

test("reports a missing TPM", async () => {
  const node = tpmNode({ device: `swtpm:${join(fixture.folder, "nowhere.sock")}` });
  const { status, stdout } = doctor(node);
  assert.equal(status, 1);
  assert.match(
    stdout,
    /FAIL TPM .*: it cannot be asked: there is no connection \(ENOENT\)\n {5}Start the virtual TPM, or fix/,
  );
  await node.close();
});

/** Servers in processes of their own: the test waits synchronously for the command, and they must answer meanwhile. */
const IMPOSTORS: [name: string, onData: string, sentence: RegExp][] = [
  ["rubbish", 's.write(require("crypto").randomBytes(64))', /FAIL TPM .*: it cannot be asked: /],
  ["nothing", "", /it cannot be asked: it took a command and did not answer in 3000 ms/],
];
for (const [name, onData, sentence] of IMPOSTORS) {
  test(`reports that a device that answers ${name} is not a TPM`, async () => {
    const path = join(fixture.folder, `${name}.sock`);
    const program = `require("net").createServer((s) => {
      s.on("error", () => {});
      s.on("data", () => { ${onData} });
    }).listen(${JSON.stringify(path)}, () => console.log("listening"));`;
    const impostor = spawn(process.execPath, ["--eval", program], { stdio: ["ignore", "pipe", "inherit"] });
    await once(impostor.stdout, "data");
    const node = tpmNode({ device: `swtpm:${path}` });
    const { status, stdout } = doctor(node);
    impostor.kill();
    await node.close();
    assert.equal(status, 1);
    assert.match(stdout, sentence);
  });
}
