/** `kleidi check` fails where `kleidi serve` refuses, and reports the state of a host that serves. */
import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { freePort } from "../support/admin.ts";
import { Fixture, localConfig } from "../support/fixture.ts";
import { call, guest, hostCall, row } from "../support/inspected.ts";
import { newSigner } from "../support/minisign.ts";
import { untilWell } from "../support/until-well.ts";

const isRoot = process.getuid?.() === 0;
/** Without an entry in /etc/passwd, as in a container. */
const UID = 61_234;
const KEY = { name: "kek", use: "active" } as const;

interface Finding {
  readonly subject: string;
  readonly ok: boolean;
  readonly detail: string;
}

let fixture: Fixture;
beforeEach(() => {
  fixture = new Fixture();
  fixture.write(localConfig([KEY])).keyInit("kek");
});
afterEach(() => fixture.close());

function failures(): Finding[] {
  const { findings } = JSON.parse(fixture.run("check", "--json").stdout) as { findings: Finding[] };
  return findings.filter(({ ok }) => !ok);
}

function assertFails(subject: string, sentence: RegExp): void {
  const failed = failures();
  assert.deepEqual(
    failed.map((each) => each.subject),
    [subject],
    JSON.stringify(failed),
  );
  assert.match(failed[0]?.detail ?? "", sentence);
}

describe("check and serve both refuse", () => {
  const audit = { audit: { file: "audit/audit.jsonl" } };
  const cases: [what: string, subject: string, sentence: RegExp, changes: object, prepare?: () => void][] = [
    [
      "an unknown group of the socket",
      "socket",
      /the group "no-such-group" is not in \/etc\/group/,
      { listen: { socket: "kms.sock", group: "no-such-group" } },
    ],
    [
      "a missing folder of the socket",
      "socket",
      /none does not exist/,
      { listen: { socket: "none/kms.sock" } },
    ],
    [
      "a file in the place of the socket",
      "socket",
      /a file that is not a socket is there/,
      {},
      () => writeFileSync(fixture.socket, ""),
    ],
    ["a missing folder of the log", "log", /none does not exist/, { log: { file: "none/kleidi.log" } }],
    ["a missing folder of the audit log", "audit", /audit does not exist/, audit],
    [
      "a file that is not an audit log",
      "audit",
      /last lines is not a line of an audit log/,
      audit,
      () => {
        mkdirSync(join(fixture.folder, "audit"), { mode: 0o700 });
        writeFileSync(join(fixture.folder, "audit", "audit.jsonl"), "text\n", { mode: 0o600 });
      },
    ],
    [
      "a missing folder of the keys",
      "key kek",
      /the folder does not exist/,
      {},
      () => rmSync(join(fixture.folder, "keys"), { recursive: true }),
    ],
  ];
  for (const [what, subject, sentence, changes, prepare] of cases)
    test(what, () => {
      fixture.write(localConfig([KEY], { ...changes }));
      prepare?.();
      const { status, stderr } = fixture.run("serve");
      assert.equal(status, 1);
      assert.match(stderr, sentence);
      assertFails(subject, sentence);
    });

  test("a key file whose version is not the pinned one", () => {
    const pinned = { ...KEY, version: "0123456789abcdef" };
    fixture.write(localConfig([pinned]));
    assertFails("key kek", /has the fingerprint [0-9a-f]+, the configuration pins 0123456789abcdef/);
  });
});

test("check reports all reasons for which a module is refused, not only the first", () => {
  const module = join(fixture.folder, "other.wasm");
  const rows = [row("state", "get", "status")];
  writeFileSync(
    module,
    guest({ imports: hostCall("state", "put"), bodies: { status: call("state", "put") }, rows }),
  );
  const providers = { local: { module, sha256: "0".repeat(64), grants: { keystore: { keys: ["kek"] } } } };
  const trust = { keys: [{ name: "release", key: newSigner().publicKey }] };
  fixture.write(localConfig([KEY], { providers, trust }));
  const sentences = [
    /the configuration pins 0{64}/,
    /trust requires signatures/,
    /requests kleidi:state get in status, .*can reach kleidi:state put/,
    /does not grant:\n {2}state get in status/,
  ];
  const failed = failures().filter(({ subject }) => subject === "provider local");
  assert.equal(failed.length, sentences.length);
  for (const [i, sentence] of sentences.entries()) assert.match(failed[i]?.detail ?? "", sentence);
});

describe("check finds what the user that serves may not write", () => {
  const cases: [what: string, subject: string, changes: object][] = [
    ["the folder of the socket", "socket", { listen: { socket: "others/kms.sock" } }],
    ["the folder of the log", "log", { log: { file: "others/kleidi.log" } }],
    ["the folder of the audit log", "audit", { audit: { file: "others/audit.jsonl" } }],
  ];
  for (const [what, subject, changes] of cases)
    test(what, { skip: !isRoot && "only root can make a folder of another user" }, () => {
      const log = { log: { level: "info" } };
      fixture.write(localConfig([KEY], { listen: { socket: "own/kms.sock" }, ...log, ...changes }));
      chmodSync(fixture.folder, 0o755);
      chmodSync(fixture.config, 0o644);
      for (const name of ["own", "others"]) mkdirSync(join(fixture.folder, name), { mode: 0o755 });
      for (const name of ["own", "keys", "keys/kek.key", "keys/kek.json"])
        chownSync(join(fixture.folder, name), UID, UID);
      assertFails(subject, /others belongs to uid 0 and gid 0, mode 0755, .*uid 61234.*chown 61234 /);
    });
});

describe("beside a host that serves, check reports", () => {
  async function serve(changes: Record<string, unknown> = {}): Promise<void> {
    const admin = { listen: `127.0.0.1:${await freePort()}` };
    fixture.write(localConfig([KEY], { admin, ...changes }));
    await fixture.serve();
    assert.deepEqual(failures(), []);
  }

  test("a configuration that was edited after the start", async () => {
    await serve();
    fixture.write(fixture.readConfig().replace('"debug"', '"info"'));
    assertFails("running host", /with another configuration \(sha256 [0-9a-f]{16}…\)/);
  });

  test("a host that is not ready, with the reason", async () => {
    const admin = { listen: `127.0.0.1:${await freePort()}` };
    fixture.write(localConfig([{ ...KEY, version: "0123456789abcdef" } as typeof KEY], { admin }));
    fixture.spawn();
    await untilWell(async () => {
      const found = failures().filter(({ subject }) => subject === "running host");
      assert.match(found[0]?.detail ?? "", /it refuses calls: .*the configuration pins 0123456789abcdef/);
    });
  });
});
