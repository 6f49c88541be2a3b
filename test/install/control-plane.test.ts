/**
 * Runs every command of docs/install-api-server.md and docs/recovery.md, in order, on a machine with a real systemd, etcd and kube-apiserver.
 * Each test causes the loss, follows the section about it, and then reads every Secret.
 */
import assert from "node:assert/strict";
import { copyFileSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parse, stringify } from "yaml";
import { builtPackages, OLD } from "../packages/built.ts";
import { requireDebian } from "../support/debian.ts";
import { Page } from "../support/page.ts";
import { ControlPlane } from "./control-plane.ts";

requireDebian(["debootstrap", "systemd-container"]);

const KLEIDI = /^k8s:enc:kms:v2:kleidi/;
const systemd = new Page("install-systemd.md");
const installation = new Page("install-api-server.md");
const recovery = new Page("recovery.md");
const rewrite = new Page("operate/rewrite.md");

describe("a control plane without a distribution", () => {
  const machine = new ControlPlane();
  const secrets = new Map<string, string>();
  let configuration = "";

  before(async () => {
    const packages = await builtPackages();
    for (const name of globSync(`*${OLD}*.deb`, { cwd: packages }))
      copyFileSync(join(packages, name), join(machine.root, "root", name));
    configuration = join(machine.root, "etc/kleidi/kleidi.yaml");
    await machine.start();
    createSecret("before");
  });
  after(() => machine.close());

  function createSecret(name: string): void {
    secrets.set(name, `value-of-${name}`);
    machine.createSecret(name, `value-of-${name}`);
  }

  function assertReadable(): void {
    for (const [name, value] of secrets) assert.equal(machine.secret(name), value);
  }

  /** Runs each block of a section as one script that ends at the first failure. @returns what each printed */
  const walk = (page: Page, heading: string) =>
    page.blocks(heading).map((block) => machine.mustRun(`set -e\n${block}`));

  /** Merges the configuration of a section into the one in force. */
  function configure(page: Page, heading: string): void {
    const [shown = ""] = page.blocks(heading, "yaml");
    const merged = overlay(parse(readFileSync(configuration, "utf8")), parse(shown));
    writeFileSync(configuration, stringify(merged));
  }

  function restartApiServer(): void {
    machine.mustRun("systemctl restart kube-apiserver.service");
    machine.untilReady();
  }

  /** Restarts the API server, which must not become ready, and waits until its log has the reason. */
  function assertNotReady(reason: string): void {
    machine.mustRun("systemctl restart kube-apiserver.service");
    const log = "journalctl --unit kube-apiserver.service --since -60s --no-pager";
    const { status } = machine.run(
      `timeout 60 sh -c 'until ${log} | grep --quiet "${reason}"; do sleep 0.5; done'`,
    );
    if (status !== 0)
      throw new Error(`its log does not contain ${reason}:\n${machine.run(`${log} | tail --lines 20`).text}`);
    assert.notEqual(machine.run("kubectl get --raw /readyz").status, 0);
  }

  describe("install-api-server.md", () => {
    test("Before you begin", () => {
      walk(installation, "Before you begin");
      assert.doesNotMatch(machine.storedPrefix("before"), KLEIDI);
    });

    test("Install", () => {
      for (const heading of ["Install", "First configuration", "Start", "Check that it serves"])
        walk(systemd, heading);
    });

    test("Read with kleidí: the API server writes as before", () => {
      walk(installation, "Read with kleidí");
      createSecret("staged");
      assert.doesNotMatch(machine.storedPrefix("staged"), KLEIDI);
      assertReadable();
    });

    test("Write with kleidí: new and old Secrets are encrypted", () => {
      const [encrypt = "", rewrite = ""] = installation.blocks("Write with kleidí");
      machine.mustRun(`set -e\n${encrypt}`);
      createSecret("promoted");
      assert.match(machine.storedPrefix("promoted"), KLEIDI);
      assert.doesNotMatch(machine.storedPrefix("before"), KLEIDI);
      const [, list = ""] = installation.blocks("Prove it");
      assert.match(machine.mustRun(list), /^\/registry\/secrets\/default\/before$/m);
      machine.mustRun(`set -e\n${rewrite}`);
      assert.match(machine.storedPrefix("before"), KLEIDI);
      assertReadable();
    });

    test("Prove it", () => {
      const [, listed] = walk(installation, "Prove it");
      assert.equal(listed, "");
    });

    test("Finish", () => {
      walk(installation, "Finish");
      assertReadable();
    });
  });

  describe("recovery.md", () => {
    test("Make backups", () => {
      walk(recovery, "Make backups");
    });

    test("A key file is gone or damaged", () => {
      for (const damage of [
        "rm /var/lib/kleidi/keys/kek-2026.key",
        "truncate --size 40 /var/lib/kleidi/keys/kek-2026.key",
      ]) {
        machine.mustRun(damage);
        machine.run("systemctl restart kleidi.service");
        const [seen = ""] = walk(recovery, "First checks");
        assert.match(seen, /key-missing|key-file-invalid/);
        walk(recovery, "A key file is gone or damaged");
        restartApiServer();
        assertReadable();
      }
    });

    test("A node is gone", () => {
      machine.mustRun("systemctl disable --now kleidi.service");
      machine.mustRun("rm --recursive /etc/kleidi/* /var/lib/kleidi/keys/*");
      walk(recovery, "A node is gone");
      restartApiServer();
      assertReadable();
    });

    test("etcd is restored from a snapshot: not ready without the retired key, then with it", () => {
      rotate();
      createSecret("after-rotation");
      assertReadable();
      const [scanned = ""] = walk(recovery, "The night after a restore: the keys that a snapshot needs");
      assert.match(scanned, /^ok {3}etcd: .* and its SHA-256 is right$/m);
      assert.match(
        scanned,
        /^FAIL secrets: \d+ objects under kms v2 kleidi, key_id k1\.\S+ .* which no configured key can read: /m,
      );
      const blocks = recovery.blocks("etcd is restored from a snapshot");
      const restore = blocks.find((each) => each.includes("etcdutl")) ?? "";
      machine.mustRun(`set -e\n${restore.replace(/\nuntil .*$/, "")}`);
      assertNotReady("none of the 1 configured keys has this key_id");
      machine.mustRun("rm --recursive /var/lib/etcd-before-restore");

      const [files = "", ...rest] = blocks;
      machine.mustRun(`set -e\n${files}`);
      configure(recovery, "etcd is restored from a snapshot");
      for (const block of rest) machine.mustRun(`set -e\n${block}`);
      secrets.delete("after-rotation");
      assertReadable();
    });

    test("operate/rewrite.md: nothing is left to rewrite after the restore", () => {
      const [counted = ""] = walk(rewrite, "Count");
      const [migrated = ""] = walk(rewrite, "Rewrite");
      const [scanned = ""] = walk(rewrite, "Look into etcd");
      for (const text of [counted, migrated]) assert.match(text, /no object is left under an older key/);
      assert.match(migrated, /^ok {3}etcd: all \d+ objects of secrets in .* are under the active key$/m);
      assert.match(scanned, /^ok {3}secrets: \d+ objects under kms v2 kleidi, the active key kek-2027, /m);
    });

    test("One damaged Secret keeps the API server from ready", () => {
      machine.createSecret("damaged", "x");
      machine.mustRun(
        "etcdctl get /registry/secrets/default/damaged --print-value-only | head --bytes -20 | etcdctl put /registry/secrets/default/damaged",
      );
      assertNotReady("unable to transform key");
      const [find = "", remove = ""] = recovery.blocks("One damaged Secret keeps the API server from ready");
      assert.equal(machine.mustRun(find), 'unable to transform key "/registry/secrets/default/damaged"');
      machine.mustRun(`set -e\n${remove}`);
      assertReadable();
    });

    test("Every copy of a key is lost", () => {
      machine.mustRun("rm --recursive /var/lib/kleidi/keys/* /root/kleidi-backup");
      machine.run("systemctl restart kleidi.service");
      configure(recovery, "Every copy of a key is lost");
      walk(recovery, "Every copy of a key is lost");
      assert.match(machine.mustRun("cat lost-secrets.txt"), /^\/registry\/secrets\/default\/before$/m);
      secrets.clear();
      createSecret("recreated");
      restartApiServer();
      assertReadable();
      assert.match(machine.storedPrefix("recreated"), KLEIDI);
    });
  });

  test("install-api-server.md: Leave", () => {
    walk(installation, "Leave");
    assert.doesNotMatch(machine.storedPrefix("recreated"), KLEIDI);
    machine.mustRun("systemctl stop kleidi.service");
    assertReadable();
  });

  /** Rotates from kek-2026 to kek-2027 and retires kek-2026: only the backup has its files. */
  function rotate(): void {
    const use = (keys: Record<string, string>) => {
      const document = parse(readFileSync(configuration, "utf8"));
      document.providers.local.grants.keystore.keys = Object.keys(keys);
      document.keys = Object.entries(keys).map(([name, use]) => ({ name, provider: "local", use }));
      writeFileSync(configuration, stringify(document));
    };
    const restart = () =>
      machine.mustRun("systemctl restart kleidi.service; until kleidi healthcheck; do sleep 0.5; done");
    use({ "kek-2026": "decrypt", "kek-2027": "active" });
    machine.mustRun("runuser -u kleidi -- kleidi key init kek-2027");
    restart();
    restartApiServer();
    const [rewrite = ""] = recovery.blocks("etcd is restored from a snapshot").slice(-1);
    machine.mustRun(rewrite);
    use({ "kek-2027": "active" });
    machine.mustRun("rm /var/lib/kleidi/keys/kek-2026.*");
    restart();
    restartApiServer();
  }
});

/** Mappings are merged; anything else replaces the former value. */
function overlay(base: unknown, over: unknown): unknown {
  if (!isMapping(base) || !isMapping(over)) return over;
  const merged = Object.entries(over).map(([name, value]) => [name, overlay(base[name], value)]);
  return { ...base, ...Object.fromEntries(merged) };
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
