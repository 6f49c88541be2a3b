/**
 * Runs every command of docs/install-api-server.md and docs/recovery.md, in order, on a machine with a real systemd, etcd and kube-apiserver.
 * Each test causes the loss, follows the section about it, and then reads every Secret.
 */
import assert from "node:assert/strict";
import { copyFileSync, globSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { builtPackages, OLD } from "../packages/built.ts";
import { requireDebian } from "../support/debian.ts";
import { Page } from "../support/page.ts";
import { tpmLosses } from "./tpm-losses.ts";
import { vaultLosses } from "./vault-losses.ts";
import { WalkedControlPlane } from "./walked-plane.ts";

requireDebian(["debootstrap", "swtpm", "systemd-container", "tpm2-tools"]);

const KLEIDI = /^k8s:enc:kms:v2:kleidi/;
const systemd = new Page("install-systemd.md");
const installation = new Page("install-api-server.md");
const recovery = new Page("recovery.md");

describe("a control plane without a distribution", () => {
  const machine = new WalkedControlPlane();

  before(async () => {
    const packages = await builtPackages();
    for (const name of globSync(`*${OLD}*.deb`, { cwd: packages }))
      copyFileSync(join(packages, name), join(machine.root, "root", name));
    await machine.start();
    machine.remember("before");
  });
  after(() => machine.close());

  describe("install-api-server.md", () => {
    test("Before you begin", () => {
      machine.walk(installation, "Before you begin");
      assert.doesNotMatch(machine.storedPrefix("before"), KLEIDI);
    });

    test("Install", () => {
      for (const heading of ["Install", "First configuration", "Start", "Check that it serves"])
        machine.walk(systemd, heading);
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

    test("etcd is restored from a snapshot: not ready without the retired key, then with it", () => {
      rotate();
      machine.remember("after-rotation");
      machine.assertReadable();
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

  tpmLosses(machine);
  vaultLosses(machine);

  test("install-api-server.md: Leave", () => {
    machine.remember("last");
    machine.walk(installation, "Leave");
    assert.doesNotMatch(machine.storedPrefix("last"), KLEIDI);
    machine.mustRun("systemctl stop kleidi.service");
    machine.assertReadable();
  });

  /** Rotates from kek-2026 to kek-2027 and retires kek-2026: only the backup has its files. */
  function rotate(): void {
    const use = (keys: Record<string, string>) => {
      machine.configure((document) => {
        document.providers.local.grants.keystore.keys = Object.keys(keys);
        document.keys = Object.entries(keys).map(([name, use]) => ({ name, provider: "local", use }));
        return document;
      });
    };
    const restart = () =>
      machine.mustRun("systemctl restart kleidi.service; until kleidi healthcheck; do sleep 0.5; done");
    use({ "kek-2026": "decrypt", "kek-2027": "active" });
    machine.mustRun("runuser -u kleidi -- kleidi key init kek-2027");
    restart();
    machine.restartApiServer();
    const [rewrite = ""] = recovery.blocks("etcd is restored from a snapshot").slice(-1);
    machine.mustRun(rewrite);
    use({ "kek-2027": "active" });
    machine.mustRun("rm /var/lib/kleidi/keys/kek-2026.*");
    restart();
    machine.restartApiServer();
  }
});
