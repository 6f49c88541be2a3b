/**
 * Runs every command of docs/install-api-server.md, docs/recovery.md and "Rotate a key by hand" of docs/operate/rotate.md, in order, on a machine with a
 * real systemd, etcd and kube-apiserver.
 * Each test causes the loss, follows the section about it, and then reads every Secret.
 */
import assert from "node:assert/strict";
import { copyFileSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parse, stringify } from "yaml";
import { builtPackages, OLD } from "../packages/built.ts";
import { requireDebian } from "../support/debian.ts";
import { ageHistory } from "../support/history.ts";
import { Page } from "../support/page.ts";
import { ControlPlane } from "./control-plane.ts";

requireDebian(["debootstrap", "systemd-container"]);

const KLEIDI = /^k8s:enc:kms:v2:kleidi/;
const systemd = new Page("install-systemd.md");
const installation = new Page("install-api-server.md");
const recovery = new Page("recovery.md");
const rotation = new Page("operate/rotate.md");
const HISTORY = "etc/kleidi/kleidi.history.jsonl";
const DAY = 86_400_000;

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

    test("rotate.md, Rotate a key by hand: no step is possible too early, and every Secret stays readable", () => {
      configure(rotation, "Before you begin");
      machine.mustRun("systemctl restart kleidi.service; kleidi healthcheck --wait 30s");
      const [stage = "", load = "", promote = "", rewrite = "", retire = ""] =
        rotation.blocks("Rotate a key by hand");
      const owned = () => machine.mustRun("stat --format '%U:%G %a' /etc/kleidi/kleidi.yaml");
      const before = owned();
      machine.mustRun(`set -e\n${stage}`);
      assert.equal(owned(), before);
      assert.match(machine.mustRun("stat --format %U /var/lib/kleidi/keys/kek-2027.key"), /^kleidi$/);
      // An older backup of the history, for the section about its loss.
      machine.mustRun(`cp --archive /${HISTORY} /root/kleidi-backup/kleidi/`);
      assert.match(refused(promote), /is not ready for it: Node \S+ does not hold the new key/);
      machine.mustRun(`set -e\n${load}`);
      assert.match(refused(promote), /a host needs 30 s to take it/);
      age();
      const promoted = machine.mustRun(`set -e\n${promote}`);
      assert.match(promoted, /^ok {3}key kek-2027: active, .*; ready in the running host; /m);
      restartApiServer();
      assert.match(refused(retire), /an API server may still write with "kek-2026"/);
      age();
      assert.match(refused(retire), /of \d+ objects of secrets, \d+ were read under it through https:/);
      machine.mustRun(`set -e\n${rewrite}`);
      assert.match(
        machine.mustRun(`set -e\n${retire}`),
        /Proof: \d+ objects of secrets were read through https:\S+, none under the key\.$/m,
      );
      machine.mustRun("rm /var/lib/kleidi/keys/kek-2026.*");
      restartApiServer();
      assertReadable();
    });

    test("etcd is restored from a snapshot: not ready without the retired key, then with it", () => {
      createSecret("after-rotation");
      assertReadable();
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

    test("The history of the keys is lost", () => {
      const [restore = "", recover = "", rotate = ""] = recovery.blocks("The history of the keys is lost");
      assert.match(
        machine.mustRun(`set -e\n${restore}`),
        /^FAIL history: The history ends at record \d+, and /m,
      );
      assert.equal(machine.run("kleidi check").status, 1);
      machine.mustRun(`set -e\n${recover}`);
      machine.mustRun(`set -e\n${rotate}`);
      machine.mustRun("systemctl restart kleidi.service; kleidi healthcheck --wait 30s; kleidi check");
      assert.match(
        machine.mustRun("kleidi key list"),
        /key kek-2027-2: decrypt, .*; ready in the running host; .*; next: /,
      );
      assertReadable();
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
