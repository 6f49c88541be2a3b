/** `kleidi check` and `kleidi doctor` run by root while the host's folders belong to another user. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, test } from "node:test";
import { Fixture, kleidi, localConfig } from "../support/fixture.ts";

const isRoot = process.getuid?.() === 0;
/** Without an entry in /etc/passwd, as in a container. */
const UID = 61_234;

describe("a check of a service's files", () => {
  let fixture: Fixture;
  afterEach(() => fixture.close());

  function prepare(): void {
    fixture = new Fixture();
    fixture.write(localConfig([{ name: "kek", use: "active" }])).keyInit("kek");
    chmodSync(fixture.folder, 0o755);
    chmodSync(fixture.config, 0o644);
  }
  const give = (...names: string[]) => {
    if (!isRoot) return;
    chownSync(fixture.folder, UID, UID);
    for (const name of names) chownSync(join(fixture.folder, "keys", name), UID, UID);
  };
  const subjects = (...command: string[]) => {
    const { stdout, stderr } = fixture.run(...command, "--json");
    const { findings } = JSON.parse(stdout || stderr);
    return findings as { subject: string; ok: boolean; detail: string }[];
  };

  for (const command of ["check", "doctor"])
    test(`${command} --live uses the keys of the owner of their folder`, () => {
      prepare();
      give("", "kek.key", "kek.json");
      const findings = subjects(command, "--live");
      const user = findings.find(({ subject }) => subject === "user");
      // Without root's rights, a check runs with those of its caller.
      assert.equal(user?.detail.includes(`uid ${UID}`), isRoot ? true : undefined);
      assert.deepEqual(
        findings.filter(({ ok }) => !ok),
        [],
      );
    });

  test("a key file that root created in the service's folder is found", () => {
    prepare();
    give("");
    const failed = subjects("check").filter(({ ok }) => !ok);
    assert.deepEqual(
      failed.map(({ subject }) => subject),
      isRoot ? ["key kek"] : [],
    );
  });

  test("a key that root creates belongs to the owner of the folder, and can be used", () => {
    fixture = new Fixture();
    fixture.write(localConfig([{ name: "kek", use: "active" }]));
    chmodSync(fixture.folder, 0o755);
    give("");
    const { status, stdout } = fixture.run("key", "init", "--json");
    assert.equal(status, 0, stdout);
    assert.equal(JSON.parse(stdout).uid, isRoot ? UID : undefined);
    const owners = ["kek.key", "kek.json", ".kleidi.lock"].map(
      (name) => statSync(join(fixture.folder, "keys", name)).uid,
    );
    const own = isRoot ? UID : process.getuid?.();
    assert.deepEqual(owners, [own, own, own]);
    assert.deepEqual(
      subjects("key", "list").filter(({ ok }) => !ok),
      [],
    );
  });

  test("an audit key that root creates belongs to the owner of its folder", () => {
    fixture = new Fixture();
    give("");
    const file = join(fixture.folder, "audit.key");
    assert.equal(spawnSync(kleidi, ["audit", "key", file]).status, 0);
    assert.equal(statSync(file).uid, isRoot ? UID : process.getuid?.());
  });

  test("a configuration that the service cannot read is refused", () => {
    prepare();
    give("", "kek.key", "kek.json");
    chmodSync(fixture.config, 0o600);
    const { status, stderr } = fixture.run("check");
    assert.deepEqual(
      [status, /a file that this user may not read/.test(stderr)],
      isRoot ? [1, true] : [0, false],
    );
  });
});
