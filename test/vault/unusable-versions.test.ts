/** Versions of a Transit key that no longer decrypt: the same reason and remedy before and after a restart, and in the checks. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../../host/grpc/client.ts";
import { Fixture } from "../support/fixture.ts";
import { OpenBao } from "../support/openbao.ts";
import { keyRules, Setup } from "../support/openbao-setup.ts";
import { allowFor, type VaultNodeOptions, vaultNode } from "../support/vault-node.ts";

const DEADLINE_MS = 60_000;
const FAILED_PRECONDITION = 9;
const BELOW = /version 1 is below the min_decryption_version of/;

let bao: OpenBao;
let setup: Setup;

before(async () => {
  bao = await OpenBao.dev();
  setup = new Setup(bao);
  await setup.transit();
});

after(() => bao.stop());

/** A host with a key of its own, which is rotated once there is an object of version 1. */
async function rotatedKey(name: string) {
  await setup.key(name);
  await setup.policy(name, keyRules(name));
  const token = await setup.token({ policies: [name] });
  const fixture = nodeFor(name, { token });
  const host = await fixture.serve();
  const client = new KmsClient(fixture.socket);
  const sealed = await client.encrypt({ plaintext: new Uint8Array(32).fill(7) });
  await setup.rotate(name);
  return { fixture, host, client, sealed, token };
}

function nodeFor(name: string, options: Partial<VaultNodeOptions>): Fixture {
  const net = { allow: allowFor(name) };
  return vaultNode({ origin: bao.url, net, key: { settings: { key: name } }, ...options });
}

type Sealed = Awaited<ReturnType<KmsClient["encrypt"]>>;

/** Decrypts until the host's log explains a failure with this reason. @returns the lines of the log with the reason, parsed */
async function untilExplained(fixture: Fixture, client: KmsClient, sealed: Sealed, reason: RegExp) {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const error = await client.decrypt(sealed).then(
      () => undefined,
      ({ code }) => code as number,
    );
    const lines = fixture
      .readLog()
      .split("\n")
      .filter((line) => line.includes('"rpc":"decrypt"') && reason.test(line))
      .map((line) => JSON.parse(line));
    if (lines.length > 0) {
      assert.equal(error, FAILED_PRECONDITION);
      return lines as { code: string; msg: string; cause: string }[];
    }
    assert.ok(Date.now() < deadline, fixture.readLog());
    await sleep(50);
  }
}

/** The same object before and after a restart of the host. */
async function explainedTwice(name: string, make: () => Promise<void>, reason: RegExp) {
  const { fixture, host, client, sealed, token } = await rotatedKey(name);
  try {
    await make();
    const [before] = await untilExplained(fixture, client, sealed, reason);
    await Fixture.stop(host);
    const again = nodeFor(name, { token });
    await again.serve();
    const other = new KmsClient(again.socket);
    try {
      const [after] = await untilExplained(again, other, sealed, reason);
      const doctor = again.run("doctor");
      const check = again.run("check", "--live", "--json");
      return { before, after, doctor, check, again, other, sealed };
    } finally {
      other.close();
      await again.close();
    }
  } finally {
    client.close();
    await fixture.close();
  }
}

test("a version below min_decryption_version: the reason and the command, before and after a restart", async () => {
  const minimum = () => setup.configure("low", { min_decryption_version: 2 });
  const { before, after, doctor, check } = await explainedTwice("low", minimum, BELOW);
  assert.ok(before !== undefined && after !== undefined);
  assert.equal(after.code, "key-not-ready");
  assert.equal(after.cause, before.cause);
  assert.match(
    after.cause,
    /^version 1 is below the min_decryption_version of the key "transit\/keys\/low", which is 2\. .*: bao write transit\/keys\/low\/config min_decryption_version=1$/,
  );
  assert.match(
    doctor.stdout,
    /^warn net vault key kek: version 1 is below the min_decryption_version.*\n.*config min_decryption_version=1/m,
  );
  assert.equal(doctor.status, 0, doctor.stdout);
  assert.equal(check.status, 0, check.stdout);
  assert.match(check.stdout, /version 1 is below the min_decryption_version/);
});

test("the remedy works: after it, a host that was started without the version decrypts", async () => {
  const { fixture, host, client, sealed, token } = await rotatedKey("lowered");
  await setup.configure("lowered", { min_decryption_version: 2 });
  await Fixture.stop(host);
  const again = nodeFor("lowered", { token });
  await again.serve();
  const other = new KmsClient(again.socket);
  try {
    const [line] = await untilExplained(again, other, sealed, BELOW);
    const [, path = "", version] =
      /bao write (\S+)\/config min_decryption_version=(\d+)/.exec(line?.cause ?? "") ?? [];
    await bao.must("POST", `${path}/config`, { min_decryption_version: Number(version) });
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const opened = await other.decrypt(sealed).catch(() => undefined);
      if (opened !== undefined) break;
      assert.ok(Date.now() < deadline, again.readLog());
      await sleep(50);
    }
  } finally {
    for (const one of [client, other]) one.close();
    for (const one of [fixture, again]) await one.close();
  }
});

test("a trimmed version: only a backup helps, before and after a restart", async () => {
  const trim = async () => {
    await setup.configure("cut", { min_decryption_version: 2, min_encryption_version: 2 });
    await bao.must("POST", "transit/keys/cut/trim", { min_available_version: 2 });
  };
  const { before, after, doctor } = await explainedTwice("cut", trim, /version 1 is trimmed/);
  assert.ok(before !== undefined && after !== undefined);
  assert.equal(after.cause, before.cause);
  assert.match(
    after.cause,
    /version 1 is trimmed from the key "transit\/keys\/cut": its min_available_version is 2/,
  );
  assert.match(after.cause, /only a backup from before the trim can read/);
  assert.doesNotMatch(after.cause, /min_decryption_version=/);
  assert.match(doctor.stdout, /^warn net vault key kek: version 1 is trimmed/m);
});

test("a mount that was moved: the message has the cause and the way back, and the way back works", async () => {
  await bao.must("POST", "sys/mounts/old-place", { type: "transit" });
  await bao.must("POST", "old-place/keys/kek", {});
  const at = (mount: string) => ({
    origin: bao.url,
    token: bao.rootToken,
    net: { allow: allowFor("kek", mount) },
    key: { settings: { mount } },
  });
  const fixture = vaultNode(at("old-place"));
  const moved = vaultNode(at("new-place"));
  const back = vaultNode(at("old-place"));
  const clients = [fixture, moved, back].map(({ socket }) => new KmsClient(socket));
  const [first, second, third] = clients;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  try {
    await fixture.serve();
    const sealed = await first.encrypt({ plaintext: new Uint8Array(32).fill(7) });
    await move("old-place", "new-place");
    await moved.serve();
    await assert.rejects(second.decrypt(sealed), { code: 5 });
    const line = moved
      .readLog()
      .split("\n")
      .find((text) => text.includes('"code":"key-unknown"'));
    assert.match(line ?? "", /its mount was moved in the KMS, change that back/);
    await move("new-place", "old-place");
    await back.serve();
    assert.deepEqual(Buffer.from((await third.decrypt(sealed)).plaintext), Buffer.alloc(32, 7));
  } finally {
    for (const client of clients) client.close();
    for (const node of [fixture, moved, back]) await node.close();
  }
});

/** Moves a mount, and waits until the server has finished. */
async function move(from: string, to: string): Promise<void> {
  await bao.must("POST", "sys/remount", { from, to });
  const deadline = Date.now() + DEADLINE_MS;
  while ((await bao.api("GET", `${to}/keys/kek`)).status !== 200) {
    assert.ok(Date.now() < deadline, `${to} did not appear`);
    await sleep(50);
  }
}
