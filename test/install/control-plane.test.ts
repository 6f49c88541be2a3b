/**
 * Runs every command of docs/install-api-server.md, docs/recovery.md and "Rotate a key by hand" of docs/operate/rotate.md, in order, on a machine with a
 * real systemd, etcd and kube-apiserver.
 * Each test causes the loss, follows the section about it, and then reads every Secret. losses.test.ts has the keys in a TPM and in Vault.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { requireDebian } from "../support/debian.ts";
import { ageHistory } from "../support/history.ts";
import { Page } from "../support/page.ts";
import { INSTALL, WalkedControlPlane } from "./walked-plane.ts";

requireDebian(["debootstrap", "systemd-container"]);

const KLEIDI = /^k8s:enc:kms:v2:kleidi/;
const systemd = new Page("install-systemd.md");
const installation = new Page("install-api-server.md");
const recovery = new Page("recovery.md");
const rotation = new Page("operate/rotate.md");
const HISTORY = "etc/kleidi/kleidi.history.jsonl";
const DAY = 86_400_000;
const rewrite = new Page("operate/rewrite.md");

describe("a control plane without a distribution", () => {
  const machine = new WalkedControlPlane();

  before(async () => {
    await machine.start();
    machine.remember("before");
  });
  after(() => machine.close());

  /** Runs a block whose first command must fail. @returns its message */
  function refused(block: string): string {
    const { status, text } = machine.run(`set -e\n${block}`);
    assert.equal(status, 1, text);
    return text;
  }

  /** The waits of the rotation are over: all that the history knows is a day older. */
  function age(): void {
    const marks = ["etc/kleidi", "var/lib/kleidi/keys"].map((each) =>
      join(machine.root, each, "kleidi.history.mark"),
    );
    ageHistory(join(machine.root, HISTORY), marks, DAY);
  }

  describe("install-api-server.md", () => {
    test("Before you begin", () => {
      machine.walk(installation, "Before you begin");
      assert.doesNotMatch(machine.storedPrefix("before"), KLEIDI);
    });

    test("Install", () => {
      for (const heading of INSTALL) machine.walk(systemd, heading);
    });

    test("Read with kleidí: the API server writes as before", () => {
      machine.walk(installation, "Read with kleidí");
      machine.remember("staged");
      assert.doesNotMatch(machine.storedPrefix("staged"), KLEIDI);
      machine.assertReadable();
    });

    test("Write with kleidí: new and old Secrets are encrypted", () => {
      const [encrypt = "", rewrite = ""] = installation.blocks("Write with kleidí");
      machine.walkBlock(encrypt);
      machine.remember("promoted");
      assert.match(machine.storedPrefix("promoted"), KLEIDI);
      assert.doesNotMatch(machine.storedPrefix("before"), KLEIDI);
      const [, list = ""] = installation.blocks("Prove it");
      assert.match(machine.mustRun(list), /^\/registry\/secrets\/default\/before$/m);
      machine.walkBlock(rewrite);
      assert.match(machine.storedPrefix("before"), KLEIDI);
      machine.assertReadable();
    });

    test("Prove it", () => {
      const [, listed] = machine.walk(installation, "Prove it");
      assert.equal(listed, "");
    });

    test("Finish", () => {
      machine.walk(installation, "Finish");
      machine.assertReadable();
    });
  });

  describe("recovery.md", () => {
    test("Make backups", () => {
      machine.walk(recovery, "Make backups");
    });

    test("A key file is gone or damaged", () => {
      for (const damage of [
        "rm /var/lib/kleidi/keys/kek-2026.key",
        "truncate --size 40 /var/lib/kleidi/keys/kek-2026.key",
      ]) {
        machine.mustRun(damage);
        machine.run("systemctl restart kleidi.service");
        const [seen = ""] = machine.walk(recovery, "First checks");
        assert.match(seen, /key-missing|key-file-invalid/);
        machine.walk(recovery, "A key file is gone or damaged");
        machine.restartApiServer();
        machine.assertReadable();
      }
    });

    test("A node is gone", () => {
      machine.mustRun("systemctl disable --now kleidi.service");
      machine.mustRun("rm --recursive /etc/kleidi/* /var/lib/kleidi/keys/*");
      machine.walk(recovery, "A node is gone");
      machine.restartApiServer();
      machine.assertReadable();
    });

    test("rotate.md, Rotate a key by hand: no step is possible too early, and every Secret stays readable", () => {
      machine.configureAsShown(rotation, "Before you begin");
      machine.mustRun("systemctl restart kleidi.service; kleidi healthcheck --wait 30s");
      const [stage = "", load = "", promote = "", rewrite = "", retire = ""] =
        rotation.blocks("Rotate a key by hand");
      const owned = () => machine.mustRun("stat --format '%U:%G %a' /etc/kleidi/kleidi.yaml");
      const before = owned();
      machine.walkBlock(stage);
      assert.equal(owned(), before);
      assert.match(machine.mustRun("stat --format %U /var/lib/kleidi/keys/kek-2027.key"), /^kleidi$/);
      // An older backup of the history, for the section about its loss.
      machine.mustRun(`cp --archive /${HISTORY} /root/kleidi-backup/kleidi/`);
      assert.match(refused(promote), /is not ready for it: Node \S+ does not hold the new key/);
      machine.walkBlock(load);
      assert.match(refused(promote), /a host needs 30 s to take it/);
      age();
      const promoted = machine.walkBlock(promote);
      assert.match(promoted, /^ok {3}key kek-2027: active, .*; ready in the running host; /m);
      machine.restartApiServer();
      assert.match(refused(retire), /an API server may still write with "kek-2026"/);
      age();
      assert.match(refused(retire), /of \d+ objects of secrets, \d+ were read under it through https:/);
      machine.walkBlock(rewrite);
      assert.match(
        machine.walkBlock(retire),
        /Proof: \d+ objects of secrets were read through https:\S+, none under the key\.$/m,
      );
      machine.mustRun("rm /var/lib/kleidi/keys/kek-2026.*");
      machine.restartApiServer();
      machine.assertReadable();
    });

    test("etcd is restored from a snapshot: not ready without the retired key, then with it", () => {
      machine.remember("after-rotation");
      machine.assertReadable();
      const [scanned = ""] = machine.walk(
        recovery,
        "The night after a restore: the keys that a snapshot needs",
      );
      assert.match(scanned, /^ok {3}etcd: .* and its SHA-256 is right$/m);
      assert.match(
        scanned,
        /^FAIL secrets: \d+ objects under kms v2 kleidi, key_id k1\.\S+ .* which no configured key can read: /m,
      );
      const blocks = recovery.blocks("etcd is restored from a snapshot");
      const restore = blocks.find((each) => each.includes("etcdutl")) ?? "";
      machine.walkBlock(restore.replace(/\nuntil .*$/, ""));
      machine.assertNotReady("none of the 1 configured keys has this key_id");
      machine.mustRun("rm --recursive /var/lib/etcd-before-restore");

      const [files = "", ...rest] = blocks;
      machine.walkBlock(files);
      machine.configureAsShown(recovery, "etcd is restored from a snapshot");
      for (const block of rest) machine.walkBlock(block);
      machine.forget("after-rotation");
      machine.assertReadable();
    });

    test("The history of the keys is lost", () => {
      const [restore = "", recover = "", rotate = ""] = recovery.blocks("The history of the keys is lost");
      assert.match(machine.walkBlock(restore), /^FAIL history: The history ends at record \d+, and /m);
      assert.equal(machine.run("kleidi check").status, 1);
      machine.walkBlock(recover);
      machine.walkBlock(rotate);
      machine.mustRun("systemctl restart kleidi.service; kleidi healthcheck --wait 30s; kleidi check");
      assert.match(
        machine.mustRun("kleidi key list"),
        /key kek-2027-2: decrypt, .*; ready in the running host; .*; next: /,
      );
      machine.assertReadable();
    });

    test("operate/rewrite.md: nothing is left to rewrite after the restore", () => {
      const [counted = ""] = machine.walk(rewrite, "Count");
      const [migrated = ""] = machine.walk(rewrite, "Rewrite");
      const [scanned = ""] = machine.walk(rewrite, "Look into etcd");
      for (const text of [counted, migrated]) assert.match(text, /no object is left under an older key/);
      assert.match(migrated, /^ok {3}etcd: all \d+ objects of secrets in .* are under the active key$/m);
      assert.match(scanned, /^ok {3}secrets: \d+ objects under kms v2 kleidi, the active key kek-2027, /m);
    });

    test("One damaged Secret keeps the API server from ready", () => {
      machine.createSecret("damaged", "x");
      machine.mustRun(
        "etcdctl get /registry/secrets/default/damaged --print-value-only | head --bytes -20 | etcdctl put /registry/secrets/default/damaged",
      );
      machine.assertNotReady("unable to transform key");
      const [find = "", remove = ""] = recovery.blocks("One damaged Secret keeps the API server from ready");
      assert.equal(machine.mustRun(find), 'unable to transform key "/registry/secrets/default/damaged"');
      machine.walkBlock(remove);
      machine.assertReadable();
    });

    test("Every copy of a key is lost", () => {
      machine.mustRun("rm --recursive /var/lib/kleidi/keys/* /root/kleidi-backup");
      machine.run("systemctl restart kleidi.service");
      machine.configureAsShown(recovery, "Every copy of a key is lost");
      machine.walk(recovery, "Every copy of a key is lost");
      assert.match(machine.mustRun("cat lost-secrets.txt"), /^\/registry\/secrets\/default\/before$/m);
      machine.forget();
      machine.remember("recreated");
      machine.restartApiServer();
      machine.assertReadable();
      assert.match(machine.storedPrefix("recreated"), KLEIDI);
    });
  });

  test("install-api-server.md: Leave", () => {
    machine.remember("last");
    machine.walk(installation, "Leave");
    assert.doesNotMatch(machine.storedPrefix("last"), KLEIDI);
    machine.mustRun("systemctl stop kleidi.service");
    machine.assertReadable();
  });
});
