/** The systemd unit of docs/operate/systemd.md: systemd accepts every line of it, and its exposure is small. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { requireDebian } from "../support/debian.ts";
import { root } from "../support/fixture.ts";

requireDebian(["systemd"]);
const folder = mkdtempSync(join(tmpdir(), "kleidi-unit-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const page = readFileSync(join(root, "docs/operate/systemd.md"), "utf8");
const [unit = ""] = /^\[Unit\]$.*?(?=^```$)/ms.exec(page) ?? [];
const file = join(folder, "kleidi.service");
// verify requires that the program and the users exist
writeFileSync(
  file,
  unit
    .replace(/^ExecStart=\S+ .*$/m, "ExecStart=/bin/true")
    .replace(/^User=.*$/m, "User=daemon")
    .replace(/^Group=.*$/m, "Group=daemon")
    .replace(/^SupplementaryGroups=.*\n/m, ""),
);

test("systemd accepts every line of the unit", () => {
  const { stdout, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", file], { encoding: "utf8" });
  const said = `${stdout}${stderr}`
    .split("\n")
    .filter((line) => line.includes(file) || line.includes("kleidi.service"));
  assert.deepEqual(said, []);
});

test("systemd's exposure score of the unit is at most 1.5", () => {
  const { stdout, stderr, status } = spawnSync(
    "systemd-analyze",
    ["security", "--offline=true", "--no-pager", "--threshold=15", file],
    { encoding: "utf8" },
  );
  assert.equal(status, 0, `${stdout.split("\n").slice(-3).join("\n")}${stderr}`);
});

test("the unit relaxes only what bubblewrap needs", () => {
  const value = (key: string) => new RegExp(`^${key}=(.*)$`, "m").exec(unit)?.[1];
  assert.equal(value("RestrictNamespaces"), "ipc mnt net pid user uts");
  assert.equal(value("RestrictAddressFamilies"), "AF_UNIX AF_NETLINK");
  assert.equal(
    value("SystemCallFilter"),
    "@system-service @mount landlock_create_ruleset landlock_add_rule landlock_restrict_self",
  );
  // test/packages boots a unit with these two absent, and finds bubblewrap in force
  assert.deepEqual([value("ProcSubset"), value("RestrictSUIDSGID")], [undefined, undefined]);
  assert.equal(value("NoNewPrivileges"), "yes");
  assert.equal(value("CapabilityBoundingSet"), "");
});
