/** End to end: the TPM provider of a host with a real swtpm. Keys are created, imported, served, and lost with their TPM. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { requireDebian } from "../support/debian.ts";
import { Fixture } from "../support/fixture.ts";
import { Swtpm } from "../support/swtpm.ts";
import { tpmNode } from "../support/tpm-node.ts";

const plaintext = new Uint8Array(32).fill(0x5a);

requireDebian(["swtpm", "tpm2-tools"]);

function versionIn(stdout: string): string {
  const [, version = ""] = /version ([0-9a-f]{32})\./.exec(stdout) ?? [];
  assert.notEqual(version, "", stdout);
  return version;
}

describe("a key that the TPM creates", () => {
  let tpm: Swtpm;
  let fixture: Fixture;
  before(async () => {
    tpm = await Swtpm.start("unix");
    fixture = tpmNode(tpm);
  });
  after(async () => {
    await fixture.close();
    await tpm.stop();
  });

  test("is reported as missing by check --live and key list before it is created", () => {
    const list = fixture.run("key", "list");
    assert.equal(list.status, 1);
    assert.match(
      list.stdout,
      /FAIL key kek: active, its provider has not created it: .*kek\.state does not exist/,
    );
    const live = fixture.run("check", "--live");
    assert.equal(live.status, 1);
    assert.match(live.stdout, /FAIL live kek: .*\n {5}Cause: .*\n/);
  });

  test("is created once by key init, with a record that only its owner can read", () => {
    const made = fixture.run("key", "init");
    assert.equal(made.status, 0, made.stderr);
    const version = versionIn(made.stdout);
    assert.match(made.stdout, new RegExp(`use: active, version: "${version}" \\}`));
    assert.equal(statSync(join(fixture.folder, "state", "kek.state")).mode & 0o777, 0o600);

    const again = fixture.run("key", "init");
    assert.equal(again.status, 1);
    assert.match(again.stderr, /Cannot create key "kek": .*kek\.state exists already/);
    assert.match(
      fixture.run("key", "list").stdout,
      /ok {3}key kek: active, created by its provider, record .*kek\.state/,
    );
  });

  test("is not escrowed by a second key init, which leaves no file", () => {
    const escrow = join(fixture.folder, "late.hex");
    const { status, stderr } = fixture.run("key", "init", "--escrow", escrow);
    assert.equal(status, 1);
    assert.match(stderr, /Cannot create key "kek": .*kek\.state exists already/);
    assert.ok(!existsSync(escrow));
  });

  test("is used by check --live", () => {
    const { status, stdout } = fixture.run("check", "--live");
    assert.equal(status, 0, stdout);
    assert.match(
      stdout,
      /ok {3}provider tpm can reach: tpm enter, transmit, leave in status, encrypt, decrypt, provision, on swtpm:/,
    );
    assert.match(stdout, /ok {3}live kek: Status, Encrypt and Decrypt through provider tpm succeeded/);
  });

  test("is served by a host, also after a restart; the host leaves nothing in the TPM", async () => {
    const client = new KmsClient(fixture.socket);
    const first = await fixture.serve();
    const sealed = await client.encrypt({ plaintext });
    assert.equal(sealed.ciphertext.length, 97);
    assert.deepEqual(new Uint8Array((await client.decrypt(sealed)).plaintext), plaintext);
    assert.equal(await Fixture.stop(first), 0);
    assert.equal(await tpm.loaded(), "");
    const second = await fixture.serve();
    assert.deepEqual(new Uint8Array((await client.decrypt(sealed)).plaintext), plaintext);
    assert.equal(await Fixture.stop(second), 0);
    client.close();
  });

  test("is not created again when its record is lost", () => {
    const path = join(fixture.folder, "state", "kek.state");
    const record = readFileSync(path);
    rmSync(path);
    const { status, stderr } = fixture.run("key", "init");
    assert.equal(status, 1);
    assert.match(
      stderr,
      /the file is gone, and .*kek\.made says that it was created; restore it from its backup/,
    );
    writeFileSync(path, record, { mode: 0o600 });
  });
});

describe("one key on two TPMs", () => {
  test("escrowed bytes of one node have the same version on another, which decrypts the first one's ciphertext", async () => {
    const tpms = [await Swtpm.start("unix"), await Swtpm.start("unix")] as const;
    const [first, second] = [tpmNode(tpms[0]), tpmNode(tpms[1])];
    try {
      const escrow = join(first.folder, "kek.hex");
      const made = first.run("key", "init", "kek", "--escrow", escrow);
      assert.equal(made.status, 0, made.stderr);
      assert.equal(statSync(escrow).mode & 0o777, 0o600);
      assert.match(readFileSync(escrow, "utf8"), /^[0-9a-f]{64}\n$/);
      const imported = second.run("key", "init", "kek", "--import", escrow);
      assert.equal(imported.status, 0, imported.stderr);
      assert.equal(versionIn(imported.stdout), versionIn(made.stdout));

      const hosts = [await first.serve(), await second.serve()] as const;
      const clients = [new KmsClient(first.socket), new KmsClient(second.socket)] as const;
      const sealed = await clients[0].encrypt({ plaintext });
      assert.deepEqual(new Uint8Array((await clients[1].decrypt(sealed)).plaintext), plaintext);
      for (const client of clients) client.close();
      for (const host of hosts) assert.equal(await Fixture.stop(host), 0);
      const material = readFileSync(escrow, "utf8").trim();
      for (const { folder } of [first, second]) {
        const files = ["kleidi.log", "state/kek.state"].map((name) => readFileSync(join(folder, name)));
        for (const bytes of files) {
          assert.ok(!bytes.includes(material), "no file contains the imported bytes");
          assert.ok(!bytes.includes(Buffer.from(material, "hex")));
        }
      }
    } finally {
      await first.close();
      await second.close();
      for (const tpm of tpms) await tpm.stop();
    }
  });

  test("the bytes of another key are refused where the configuration pins a version", async () => {
    const tpm = await Swtpm.start("unix");
    const fixture = tpmNode(tpm, { version: "0".repeat(32) });
    try {
      const without = fixture.run("key", "init");
      assert.equal(without.status, 1);
      assert.match(without.stderr, /the configuration pins version 0{32}, so the key was created before/);
      const { status, stderr } = fixture.run("key", "init", "--escrow", join(fixture.folder, "k.hex"));
      assert.equal(status, 1);
      assert.match(
        stderr,
        /its version is [0-9a-f]{32}, the configuration pins 0{32}\. The bytes or the scheme differ/,
      );
    } finally {
      await fixture.close();
      await tpm.stop();
    }
  });
});

test("of two key inits at once one creates the key, and the other leaves no escrow file without a key", async () => {
  const tpm = await Swtpm.start("unix");
  const fixture = tpmNode(tpm);
  try {
    const files = ["one", "two"].map((name) => join(fixture.folder, `${name}.hex`));
    const ended = await Promise.allSettled(
      files.map((file) => fixture.runAside("key", "init", "--json", "--escrow", file)),
    );
    const made = ended.flatMap((each) =>
      each.status === "fulfilled" ? [JSON.parse(each.value.stdout)] : [],
    );
    const refused = ended.flatMap((each) =>
      each.status === "rejected" ? [JSON.parse(each.reason.stdout)] : [],
    );
    assert.equal(made.length, 1);
    // The second one waits for five seconds, and the first may need longer on a busy machine.
    assert.ok(["key-exists", "key-locked"].includes(refused[0]?.code), refused[0]?.message);
    assert.deepEqual(
      files.filter((file) => existsSync(file)),
      [made[0].escrow],
    );
    assert.deepEqual(readdirSync(join(fixture.folder, "state")).sort(), [
      ".kleidi.lock",
      "kek.made",
      "kek.state",
    ]);
    const record = readFileSync(join(fixture.folder, "state", "kek.state"), "utf8");
    assert.match(record, new RegExp(`^version: ${made[0].version}$`, "m"));
  } finally {
    await fixture.close();
    await tpm.stop();
  }
});

describe("bad input to key init", () => {
  let tpm: Swtpm;
  let fixture: Fixture;
  before(async () => {
    tpm = await Swtpm.start("unix");
    fixture = tpmNode(tpm);
  });
  after(async () => {
    await fixture.close();
    await tpm.stop();
  });

  const hex = "ab".repeat(32);
  const files: [what: string, text: string, mode: number, sentence: RegExp][] = [
    [
      "a file that others can read",
      `${hex}\n`,
      0o644,
      /it has the mode 0644, others may have read it; it should be 0600/,
    ],
    ["31 bytes", `${hex.slice(2)}\n`, 0o600, /it should be 64 lower-case hexadecimal digits on one line/],
    [
      "text that is not hexadecimal",
      "x".repeat(64),
      0o600,
      /it should be 64 lower-case hexadecimal digits on one line/,
    ],
    ["two lines", `${hex}\n${hex}\n`, 0o600, /it should be 64 lower-case hexadecimal digits on one line/],
    ["an empty file", "", 0o600, /it should be 64 lower-case hexadecimal digits on one line/],
  ];
  for (const [what, text, mode, sentence] of files) {
    test(`--import of ${what}`, () => {
      const path = join(fixture.folder, "import.hex");
      rmSync(path, { force: true });
      writeFileSync(path, text, { mode });
      const { status, stderr } = fixture.run("key", "init", "--import", path);
      assert.equal(status, 1);
      assert.match(stderr, sentence);
    });
  }

  test("--import of a missing file", () => {
    const { status, stderr } = fixture.run("key", "init", "--import", join(fixture.folder, "nowhere"));
    assert.equal(status, 1);
    assert.match(stderr, /it cannot be read \(ENOENT\)/);
  });

  test("--escrow to an existing file", () => {
    const path = join(fixture.folder, "escrow.hex");
    writeFileSync(path, "precious");
    const { status, stderr } = fixture.run("key", "init", "--escrow", path);
    assert.equal(status, 1);
    assert.match(stderr, /Cannot write the key to .*escrow\.hex: it exists already/);
    assert.equal(readFileSync(path, "utf8"), "precious");
    assert.deepEqual(
      readdirSync(fixture.folder).filter((name) => name.startsWith(".")),
      [],
      "no partly written file is left",
    );
  });

  test("--escrow into a missing folder", () => {
    const { status, stderr } = fixture.run("key", "init", "--escrow", join(fixture.folder, "no", "k.hex"));
    assert.equal(status, 1);
    assert.match(stderr, /Cannot write the key to .*k\.hex: the system refuses it \(ENOENT\)/);
  });

  test("--import of a symbolic link", () => {
    const link = join(fixture.folder, "link.hex");
    symlinkSync(join(fixture.folder, "import.hex"), link);
    const { status, stderr } = fixture.run("key", "init", "--import", link);
    assert.equal(status, 1);
    assert.match(stderr, /Cannot import the key from .*link\.hex: /);
  });

  test("--import together with --escrow", () => {
    const { status, stderr } = fixture.run("key", "init", "--import", "a", "--escrow", "b");
    assert.equal(status, 2);
    assert.match(stderr, /give --import \(existing bytes\) or --escrow \(a file for new bytes\), not both/);
  });

  test("an unknown scheme", () => {
    const { status, stderr } = fixture.run("key", "init", "--scheme", "rsa");
    assert.equal(status, 1);
    assert.match(stderr, /Cause: .*scheme/);
  });

  test("a TPM that does not answer", async () => {
    await tpm.stop();
    const escrow = join(fixture.folder, "of-no-key.hex");
    const { status, stderr } = fixture.run("key", "init", "--escrow", escrow);
    assert.equal(status, 1);
    assert.match(stderr, /Cannot provision: provider "tpm" reports that its KMS does not answer/);
    assert.equal(existsSync(escrow), false, "escrowed bytes without a key are not kept");
  });
});
