/** The .rpm, with the commands of docs/install-systemd.md: a real rpm on a separate root in which no systemd runs. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildNfpm, runNfpm } from "../../deploy/packages/nfpm.ts";
import { requireDebian } from "../support/debian.ts";
import { sha256Of } from "../support/fixture.ts";
import { Page } from "../support/page.ts";
import { builtPackages, NEW, OLD } from "./built.ts";
import { unpackRoot } from "./debian-root.ts";

requireDebian(["debootstrap", "rpm"]);

const page = new Page("install-systemd.md");
const HOME = "/usr/lib/kleidi";
/** Dependencies that a distribution with rpm has; the root has those of Debian. */
const BASE = [
  "/bin/sh",
  "bubblewrap",
  "glibc = 2.41",
  "libatomic",
  "libgcc",
  "libstdc++",
  "systemd",
  "util-linux",
];
const [INSTALL = "", UPGRADE = "", BACK = "", ERASE = ""] = page.commands("Fedora and RHEL (.rpm)");

describe("the .rpm", () => {
  const root = unpackRoot();
  const PROC = `mount -t proc proc '${root}/proc'`;
  let packages: string;
  before(async () => {
    packages = await builtPackages();
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  /** Runs a line of shell in a new mount namespace, in which the root has /proc. */
  function run(line: string) {
    const { status, stdout, stderr } = spawnSync("unshare", ["--mount", "sh", "-c", `${PROC} && ${line}`], {
      cwd: packages,
      env: { PATH: process.env.PATH, LANG: "C.UTF-8" },
      encoding: "utf8",
    });
    return { status, text: `${stdout}${stderr}` };
  }
  /** Runs a command of the page for the root. */
  const rpm = (command: string, prepare = "true") =>
    run(`${prepare} && ${command.replace(/^rpm/, `rpm --root '${root}' --dbpath /var/lib/rpm`)}`);
  function mustRpm(command: string): string {
    const { status, text } = rpm(command);
    assert.equal(status, 0, text);
    return text;
  }
  function inRoot(command: string): string {
    const { status, text } = run(`chroot '${root}' ${command}`);
    assert.equal(status, 0, `${command}: ${text}`);
    return text;
  }
  function assertInstalled(version: string): void {
    assert.equal(mustRpm("rpm --query kleidi").split(".").slice(0, 3).join("."), `kleidi-${version}-1`);
    assert.equal(mustRpm("rpm --verify kleidi"), "");
    assert.equal(inRoot("kleidi --version").split("\n")[0], OLD);
  }
  /** An empty package that provides the dependencies. */
  function installBase(): void {
    const folder = mkdtempSync(join(root, "tmp", "base-"));
    const config = { name: "base", arch: "all", version: "1", description: "base", provides: BASE };
    const name = runNfpm(buildNfpm(), config, "rpm", folder);
    mustRpm(`rpm --install '${join(folder, name)}'`);
  }

  test("the installation is refused if dependencies are missing, and names each of them", () => {
    const { status, text } = rpm(INSTALL);
    assert.notEqual(status, 0);
    for (const name of ["bubblewrap", "glibc", "libatomic", "libgcc", "libstdc++", "systemd", "util-linux"])
      assert.match(
        text,
        new RegExp(`^\\s*${name.replaceAll("+", "\\+")}.* is needed by kleidi-${OLD}-1`, "m"),
      );
    installBase();
  });

  test("an installation on a full disk is refused, and leaves nothing", () => {
    mkdirSync(join(root, HOME), { recursive: true });
    const { status, text } = rpm(INSTALL, `mount -t tmpfs -o size=64m tmpfs '${root}${HOME}'`);
    assert.notEqual(status, 0);
    assert.match(text, /needs \d+MB more space on the \S+ filesystem/);
    assert.notEqual(rpm("rpm --query kleidi").status, 0);
    assert.deepEqual(globSync("**/kleidi*", { cwd: join(root, "etc") }), []);
  });

  test("the installation creates users and folders, and enables no service", () => {
    assert.match(mustRpm(INSTALL), /kleidi is installed and does not run/);
    assertInstalled(OLD);
    const folders = inRoot("stat --format '%n %a %U:%G' /etc/kleidi /var/lib/kleidi/keys");
    assert.equal(folders, "/etc/kleidi 750 root:kleidi\n/var/lib/kleidi/keys 700 kleidi:kleidi\n");
    assert.deepEqual(globSync("etc/systemd/system/**/kleidi*", { cwd: root }), []);
    assert.equal(existsSync(join(root, "usr/share/zsh/site-functions/_kleidi")), true);
  });

  test("a second installation is refused, and changes nothing", () => {
    const { status, text } = rpm(INSTALL);
    assert.notEqual(status, 0);
    assert.match(text, new RegExp(`package kleidi-${OLD}-1\\.\\w+ is already installed`));
    assertInstalled(OLD);
  });

  test("upgrade, downgrade and removal keep keys and configuration; a new installation reads the key", () => {
    for (const command of page.commands("First configuration").filter((each) => !each.includes("--live")))
      inRoot(command);
    const kept = [
      "etc/kleidi/kleidi.yaml",
      "etc/kleidi/providers/local.wasm",
      "var/lib/kleidi/keys/kek-2026.key",
    ];
    const digests = () => kept.map((path) => sha256Of(join(root, path)));
    const before = digests();
    inRoot("systemctl enable kleidi.service");
    for (const [command, version] of [
      [UPGRADE, NEW],
      [BACK, OLD],
    ] as const) {
      mustRpm(command);
      assertInstalled(version);
      assert.deepEqual(digests(), before);
      assert.equal(inRoot("systemctl is-enabled kleidi.service"), "enabled\n");
    }
    assert.match(mustRpm(ERASE), /Kept: \/etc\/kleidi, \/var\/lib\/kleidi \(the keys\)/);
    assert.deepEqual(digests(), before);
    assert.deepEqual(
      [HOME, "/usr/share/doc/kleidi"].filter((path) => existsSync(join(root, path))),
      [],
    );
    assert.deepEqual(globSync("etc/systemd/system/**/kleidi*", { cwd: root }), []);
    mustRpm(INSTALL);
    inRoot("runuser -u kleidi -- kleidi key list");
  });
});
