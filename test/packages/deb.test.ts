/**
 * The .deb on a machine with a real systemd, with the commands of docs/install-systemd.md: install, configure, start, upgrade, downgrade,
 * remove, purge, install again. A ciphertext of the first start is decrypted after each step.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { appendFileSync, copyFileSync, existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { requireDebian } from "../support/debian.ts";
import { sha256Of } from "../support/fixture.ts";
import { Page } from "../support/page.ts";
import { untilWell } from "../support/until-well.ts";
import { builtPackages, NEW, OLD } from "./built.ts";
import { Machine } from "./machine.ts";

requireDebian(["debootstrap", "systemd-container"]);

const page = new Page("install-systemd.md");
const HOME = "/usr/lib/kleidi";
const MIB = 1 << 20;
/** Disk sizes: less than one version, one version, and two. An upgrade writes the new files next to the old ones. */
const SIZES = { none: 64 * MIB, one: 220 * MIB, two: 480 * MIB };
const plaintext = randomBytes(32);

describe("the .deb", () => {
  const machine = new Machine();
  let sealed: { keyId: string; ciphertext: Uint8Array; annotations: Record<string, Uint8Array> };
  const show = (property: string) =>
    machine.mustRun(`systemctl show --value --property ${property} kleidi.service`);
  const installed = () => machine.run("dpkg --status kleidi | grep '^Status\\|^Version'").text;
  const walk = (heading: string) => page.commands(heading).map((command) => machine.mustRun(command));
  const resize = (bytes: number) => machine.mustRun(`mount -o remount,size=${bytes} ${HOME}`);

  before(async () => {
    const packages = await builtPackages();
    await machine.boot({ path: HOME, bytes: SIZES.none });
    for (const name of globSync("*.deb", { cwd: packages }))
      copyFileSync(join(packages, name), join(machine.root, "root", name));
  });
  after(() => machine.close());

  function assertInstalled(version: string): void {
    assert.equal(installed(), `Status: install ok installed\nVersion: ${version}-1`);
    assert.equal(machine.mustRun("dpkg --verify kleidi"), "");
  }

  /** Calls the host like the API server, and retries until the host has started. */
  async function withClient<T>(work: (client: KmsClient) => Promise<T>): Promise<T> {
    return untilWell(async () => {
      const client = new KmsClient(machine.path("/run/kleidi/kms.sock"));
      try {
        return await work(client);
      } finally {
        client.close();
      }
    });
  }

  async function assertDecrypts(): Promise<void> {
    const reply = await withClient((client) => client.decrypt(sealed));
    assert.deepEqual(Buffer.from(reply.plaintext), plaintext);
  }

  test("an installation on a full disk fails and leaves nothing", () => {
    const [install = ""] = page.commands("Install");
    const { status, text } = machine.run(install);
    assert.equal(status, 100, text);
    assert.match(text, /No space left on device/);
    assert.doesNotMatch(installed(), /ok installed/);
    assert.equal(machine.mustRun(`find ${HOME} -mindepth 1`), "");
    resize(SIZES.two);
  });

  test("the installation creates users and folders, and neither enables nor starts the service", () => {
    walk("Install");
    assertInstalled(OLD);
    assert.deepEqual([show("ActiveState"), show("UnitFileState")], ["inactive", "disabled"]);
    const folders = machine.mustRun(
      "stat --format '%n %a %U:%G' /etc/kleidi /var/lib/kleidi /var/lib/kleidi/keys /run/kleidi",
    );
    assert.deepEqual(folders.split("\n"), [
      "/etc/kleidi 750 root:kleidi",
      "/var/lib/kleidi 750 root:kleidi",
      "/var/lib/kleidi/keys 700 kleidi:kleidi",
      "/run/kleidi 2750 kleidi:kleidi-socket",
    ]);
    assert.equal(machine.mustRun("kleidi --version").split("\n")[0], OLD);
  });

  test("a second installation changes nothing", () => {
    const [install = ""] = page.commands("Install");
    assert.match(machine.mustRun(install), /already the newest version/);
    machine.mustRun(install.replace("apt-get install --yes", "dpkg --install"));
    assertInstalled(OLD);
  });

  test("the first configuration creates a key, and check --live uses it", () => {
    walk("First configuration");
  });

  test("the package's files equal those of kleidi render systemd, and systemd accepts them", () => {
    machine.mustRun("kleidi render systemd --program /usr/bin/kleidi --out /tmp/rendered");
    for (const path of ["systemd/system/kleidi.service", "sysusers.d/kleidi.conf", "tmpfiles.d/kleidi.conf"])
      machine.mustRun(`cmp /tmp/rendered/etc/${path} /usr/lib/${path}`);
    assert.equal(machine.mustRun("systemd-analyze verify kleidi.service"), "");
    machine.mustRun("systemd-analyze security --no-pager --threshold=15 kleidi.service");
  });

  test("the service starts behind bubblewrap, and serves", async () => {
    walk("Start");
    sealed = await withClient((client) => client.encrypt({ plaintext }));
    const [active = "", healthcheck = "", journal = ""] = walk("Check that it serves");
    assert.equal(active, "active");
    assert.match(healthcheck, /^ok {3}status: /);
    assert.match(journal, /"wall":"bubblewrap"/);
    await assertDecrypts();
  });

  test("systemctl reload has the running service read its configuration again", async () => {
    const pid = show("MainPID");
    machine.mustRun("systemctl reload kleidi.service");
    machine.mustRun(
      "timeout 30 sh -c 'until journalctl --unit kleidi.service | grep --quiet \"the configuration was reloaded\"; do sleep 0.2; done'",
    );
    assert.equal(show("MainPID"), pid);
    await assertDecrypts();
  });

  test("an upgrade on a full disk fails, and the former version is complete and serves", async () => {
    resize(SIZES.one);
    const pid = show("MainPID");
    const [upgrade = ""] = page.commands("Upgrade");
    const { status, text } = machine.run(upgrade);
    assert.equal(status, 100, text);
    assert.match(text, /No space left on device/);
    assertInstalled(OLD);
    assert.equal(show("MainPID"), pid);
    await assertDecrypts();
    resize(SIZES.two);
  });

  test("an upgrade does not restart the service, and does not change the pinned module", async () => {
    const pid = show("MainPID");
    const pinned = join(machine.root, "etc/kleidi/providers/local.wasm");
    const sha256 = sha256Of(pinned);
    const [upgrade = "", ...rest] = page.commands("Upgrade");
    assert.match(machine.mustRun(upgrade), /runs the former version until it is restarted/);
    assertInstalled(NEW);
    assert.equal(show("MainPID"), pid);
    await assertDecrypts();
    for (const command of rest) machine.mustRun(command);
    assert.notEqual(show("MainPID"), pid);
    await assertDecrypts();
    assert.equal(sha256Of(pinned), sha256);
    assert.notEqual(sha256Of(machine.path(`${HOME}/providers/local.wasm`)), sha256);
  });

  test("a downgrade installs the former package", async () => {
    walk("Go back to the former package");
    assertInstalled(OLD);
    await assertDecrypts();
  });

  test("a rendered unit takes precedence; with Landlock its exposure score is at most 0.5", async () => {
    appendFileSync(join(machine.root, "etc/kleidi/kleidi.yaml"), "sandbox: { wall: landlock }\n");
    walk("Another configuration: your own unit");
    assert.equal(show("FragmentPath"), "/etc/systemd/system/kleidi.service");
    machine.mustRun("systemd-analyze security --no-pager --threshold=5 kleidi.service");
    await assertDecrypts();
    const invocation = show("InvocationID");
    assert.match(
      machine.mustRun(`journalctl --no-pager _SYSTEMD_INVOCATION_ID=${invocation}`),
      /"wall":"landlock"/,
    );
  });

  test("a removal stops the service, and keeps keys, configuration and users; so does a purge", () => {
    const kept = [
      "etc/kleidi/kleidi.yaml",
      "etc/kleidi/providers/local.wasm",
      "var/lib/kleidi/keys/kek-2026.key",
    ];
    const before = kept.map((path) => sha256Of(join(machine.root, path)));
    for (const command of [...page.commands("Remove"), "apt-get purge --yes kleidi"]) {
      assert.match(machine.mustRun(command), /Kept: \/etc\/kleidi, \/var\/lib\/kleidi \(the keys\)/);
      assert.deepEqual(
        kept.map((path) => sha256Of(join(machine.root, path))),
        before,
      );
    }
    assert.equal(show("ActiveState"), "inactive");
    assert.equal(machine.run("systemctl is-enabled kleidi.service").text, "disabled");
    assert.equal(existsSync(join(machine.root, "usr/bin/kleidi")), false);
    assert.equal(machine.mustRun(`find ${HOME} -mindepth 1`), "");
    assert.match(readFileSync(join(machine.root, "etc/passwd"), "utf8"), /^kleidi:/m);
  });

  test("installed again and started, it decrypts with the same key", async () => {
    walk("Install");
    walk("Start");
    await assertDecrypts();
  });
});
