/** The choice of a wall, the error when none can be built, and the places that report the wall in force. */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { KleidiError } from "../../host/error.ts";
import { openWall, type WallSettings } from "../../host/sandbox/wall/choose.ts";
import { freePort } from "../support/admin.ts";
import { wallPrograms } from "../support/debian13.ts";
import { Fixture, localConfig } from "../support/fixture.ts";

const MEMORY = 256 << 20;
const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder of programs: scripts, and links to real ones. */
function programs(scripts: Readonly<Record<string, string>>, links: readonly string[] = []): string {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-programs-"));
  folders.push(folder);
  for (const [name, script] of Object.entries(scripts))
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  for (const path of links) symlinkSync(path, join(folder, path.split("/").at(-1) ?? ""));
  return folder;
}

const setpriv = join(wallPrograms() ?? "/usr/bin", "setpriv");
const LIMITS = ["/usr/bin/prlimit", "/usr/bin/choom"];
/** Starts its command without building anything. */
const SHAM = 'while [ "$1" != "--" ]; do shift; done; shift; exec "$@"';

async function refused(settings: WallSettings): Promise<[message: string, remedies: string]> {
  try {
    await openWall(settings, MEMORY);
  } catch (error) {
    assert.ok(error instanceof KleidiError && error.code === "wall-missing", String(error));
    return [error.message, String((error.cause as Error).message)];
  }
  return assert.fail("a wall was opened");
}

test("auto chooses bubblewrap where both work", async () => {
  const folder = programs({}, ["/usr/bin/bwrap", setpriv, ...LIMITS]);
  assert.equal((await openWall({ wall: "auto", programs: folder }, MEMORY)).name, "bubblewrap");
});

test("auto chooses landlock where bubblewrap may not make namespaces", async () => {
  const bwrap = "echo 'bwrap: No permissions to create new namespace' >&2; exit 1";
  const folder = programs({ bwrap }, [setpriv, ...LIMITS]);
  assert.equal((await openWall({ wall: "auto", programs: folder }, MEMORY)).name, "landlock");
});

for (const [missing, links] of [
  ["prlimit", ["/usr/bin/bwrap", "/usr/bin/choom"]],
  ["choom", ["/usr/bin/bwrap", "/usr/bin/prlimit"]],
] as const) {
  test(`a wall without ${missing} is not used, because the limits are part of it`, async () => {
    const [message, remedies] = await refused({ wall: "bubblewrap", programs: programs({}, links) });
    assert.match(message, new RegExp(`: bubblewrap: ${missing} cannot be run in sandbox\\.programs`));
    assert.match(remedies, /^Install util-linux/);
  });
}

test("bubblewrap without the filter is not used", async () => {
  const bwrap =
    '[ "$1" ] && set -- "$@"; args=; skip=; for each; do if [ "$skip" ]; then skip=; elif [ "$each" = --seccomp ]; then skip=1; else args="$args \'$each\'"; fi; done; eval exec /usr/bin/bwrap $args';
  const [message] = await refused({ wall: "bubblewrap", programs: programs({ bwrap }, LIMITS) });
  assert.equal(
    message,
    "Cannot confine the providers' processes: bubblewrap: a process behind it could create a socket",
  );
});

test("a folder of programs that others can write to is not used", async () => {
  const folder = programs({}, ["/usr/bin/bwrap", ...LIMITS]);
  chmodSync(folder, 0o777);
  const [message, remedies] = await refused({ wall: "bubblewrap", programs: folder });
  assert.match(message, /sandbox\.programs, .*, can be written by others \(uid \d+, mode 0777\)$/);
  assert.match(remedies, /chmod go-w/);
});

test("without prlimit, choom and a wall, the missing limits are reported", async () => {
  const { detail } = await openWall({ wall: "none", programs: programs({}) }, MEMORY);
  assert.match(detail, /; without prlimit: memory and core dumps are not limited; without choom: /);
});

for (const [wall, program] of [
  ["bubblewrap", "bwrap"],
  ["landlock", "setpriv"],
] as const) {
  test(`a wall that does not hold is not used: ${wall}`, async () => {
    const [message] = await refused({ wall, programs: programs({ [program]: SHAM }, LIMITS) });
    const reached =
      "could read a file of the host, open a file of the host to write, create a file, signal the host";
    // An unprivileged user may write to none of the host's files in any case.
    const expected = process.getuid?.() === 0 ? reached : "could read a file of the host";
    assert.ok(
      message.startsWith(`Cannot confine the providers' processes: ${wall}: a process behind it ${expected}`),
      message,
    );
  });

  test(`a wall whose program ends at once is not used: ${wall}`, async () => {
    const [message] = await refused({ wall, programs: programs({ [program]: "exit 3" }, LIMITS) });
    assert.equal(
      message,
      `Cannot confine the providers' processes: ${wall}: it cannot be started (exit code 3)`,
    );
  });

  test(`a wall whose program always succeeds is not used: ${wall}`, async () => {
    const said = 'echo "{}" >&3; exit 0';
    const [message] = await refused({ wall, programs: programs({ [program]: said }, LIMITS) });
    assert.equal(
      message,
      `Cannot confine the providers' processes: ${wall}: the probe did not finish all attempts`,
    );
  });
}

const REMEDIES: [wall: "bubblewrap" | "landlock", script: string | undefined, remedy: RegExp][] = [
  ["bubblewrap", undefined, /^Install bubblewrap: /],
  ["landlock", undefined, /^Install util-linux 2\.41 or later/],
  [
    "bubblewrap",
    "echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1",
    /^bubblewrap needs user namespaces\. In a systemd unit: RestrictNamespaces=/,
  ],
  [
    "bubblewrap",
    "echo 'bwrap: loopback: Failed to create NETLINK_ROUTE socket' >&2; exit 1",
    /add AF_NETLINK to RestrictAddressFamilies=/,
  ],
  [
    "landlock",
    "echo \"setpriv: unrecognized option '--landlock-access'\" >&2; exit 1",
    /^This setpriv is too old/,
  ],
  [
    "landlock",
    "echo 'setpriv: landlock_create_ruleset failed: Operation not supported' >&2; exit 1",
    /lsm=landlock/,
  ],
];
for (const [wall, script, remedy] of REMEDIES) {
  test(`${wall}, ${script ?? "not installed"}: the remedy fits the fault`, async () => {
    const program = wall === "bubblewrap" ? "bwrap" : "setpriv";
    const folder = programs(script === undefined ? {} : { [program]: script }, LIMITS);
    const [, remedies] = await refused({ wall, programs: folder });
    assert.match(remedies, remedy);
  });
}

test("if no wall can be built, the host does not start and names the remedy", async () => {
  const fixture = new Fixture({ keepOutput: true });
  try {
    const sandbox = { programs: programs({}) };
    fixture.write(localConfig([{ name: "kek", use: "active" }], { sandbox })).keyInit("kek");
    const { status, stderr } = fixture.run("serve");
    assert.equal(status, 1);
    assert.match(
      stderr,
      /Cannot confine the providers' processes: bubblewrap: bwrap cannot be run in sandbox\.programs, .* \(ENOENT\); landlock: setpriv cannot be run in /,
    );
    assert.match(stderr, /apt-get install bubblewrap/);
    const check = fixture.run("check");
    assert.equal(check.status, 1);
    assert.match(
      check.stdout,
      /^FAIL wall: Cannot confine .*\n.*Install bubblewrap.*\n.*Install util-linux/m,
    );
  } finally {
    await fixture.close();
  }
});

for (const wall of ["auto", "none"] as const) {
  const inForce = wall === "auto" ? "bubblewrap" : "none";
  test(`with wall: ${wall}, ${inForce} is in force, and the log, the audit log, /state, /metrics, the page and check report it`, async () => {
    const fixture = new Fixture();
    try {
      const port = await freePort();
      const changes = {
        sandbox: { wall },
        admin: { listen: `127.0.0.1:${port}` },
        audit: { file: "audit.jsonl" },
      };
      fixture.write(localConfig([{ name: "kek", use: "active" }], changes)).keyInit("kek");
      const host = await fixture.serve();
      const get = async (path: string) => await (await fetch(`http://127.0.0.1:${port}${path}`)).text();
      assert.equal(JSON.parse(await get("/state")).wall, inForce);
      assert.match(await get("/metrics"), new RegExp(`^kleidi_wall_info\\{wall="${inForce}"\\} 1$`, "m"));
      assert.match(
        await get("/"),
        inForce === "none" ? /No wall: code that gets out/ : /processes: bubblewrap\./,
      );
      const start = readFileSync(join(fixture.folder, "audit.jsonl"), "utf8")
        .split("\n")
        .find((line) => line.includes('"kind":"start"'));
      assert.equal(JSON.parse(start ?? "{}").wall, inForce);
      assert.match(fixture.readLog(), new RegExp(`"wall":"${inForce}"`));
      const check = fixture.run("check");
      assert.equal(check.status, 0, check.stdout);
      assert.match(check.stdout, new RegExp(`^ok   wall: ${inForce}: `, "m"));
      assert.match(check.stdout, new RegExp(`^ok   running host: the wall in force is ${inForce}$`, "m"));
      assert.equal(await Fixture.stop(host), 0);
    } finally {
      await fixture.close();
    }
  });
}
