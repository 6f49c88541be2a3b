/** End to end: a host with its KEK in a token of SoftHSM; a pulled token, an exchanged key, a wrong PIN, a label that is not granted. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { Fixture, kleidi, root } from "../support/fixture.ts";
import { pkcs11Module, pkcs11Node } from "../support/pkcs11-node.ts";
import { SoftHsm } from "../support/softhsm.ts";
import { untilWell } from "../support/until-well.ts";
import { nodePid } from "../support/wall.ts";

const plaintext = Uint8Array.from(Buffer.from("a DEK seed that nobody may hear!"));
const [NOT_FOUND, PERMISSION_DENIED, UNAVAILABLE, UNAUTHENTICATED] = [5, 7, 14, 16];

let hsm: SoftHsm;
before(() => {
  hsm = new SoftHsm();
  hsm.addKey("kek");
  hsm.addKey("other", "02");
});
after(() => hsm.close());

async function inWorld(
  fixture: Fixture,
  work: (client: KmsClient) => Promise<void>,
  start: () => unknown = () => fixture.serve(),
): Promise<void> {
  const client = new KmsClient(fixture.socket);
  try {
    await start();
    await work(client);
  } finally {
    client.close();
    await fixture.close();
  }
}

const codeOf = async (work: Promise<unknown>) =>
  await work.then(
    () => 0,
    ({ code }: { code: number }) => code,
  );

/** Polls until the work fails with this code. */
const untilCode = (code: number, work: () => Promise<unknown>) =>
  untilWell(async () => assert.equal(await codeOf(work()), code));

test("a host encrypts and decrypts with the token, and writes its PIN nowhere", async () => {
  const fixture = pkcs11Node(hsm);
  await inWorld(fixture, async (client) => {
    const sealed = await client.encrypt({ plaintext });
    const { plaintext: back } = await client.decrypt(sealed);
    assert.deepEqual(new Uint8Array(back), plaintext);
    const written = ["kleidi.log", "audit.jsonl"].map((name) =>
      readFileSync(join(fixture.folder, name), "utf8"),
    );
    for (const text of written) assert.ok(!text.includes(hsm.pin));
    assert.match(written[0] ?? "", /the host has logged in to the token/);
  });
});

test("a token that is pulled makes calls fail, and is used again when it is back", async () => {
  const fixture = pkcs11Node(hsm);
  await inWorld(fixture, async (client) => {
    const sealed = await client.encrypt({ plaintext });
    const back = hsm.pull();
    try {
      await untilCode(UNAVAILABLE, () => client.decrypt(sealed));
    } finally {
      back();
    }
    const { plaintext: opened } = await untilWell(() => client.decrypt(sealed));
    assert.deepEqual(new Uint8Array(opened), plaintext);
    assert.match(fixture.readLog(), /no slot has a token with this label/);
  });
});

test("another key under the same label does not pass for the pinned one", async () => {
  const own = new SoftHsm("exchange");
  after(() => own.close());
  own.addKey("kek");
  const fixture = pkcs11Node(own);
  await inWorld(fixture, async (client) => {
    const sealed = await client.encrypt({ plaintext });
    const { keyId } = await client.status();
    own.removeKey("kek");
    own.addKey("kek");
    await untilWell(async () => assert.notEqual((await client.status()).keyId, keyId));
    assert.notEqual(await codeOf(client.decrypt(sealed)), 0);
  });
});

test("a wrong PIN is offered once, and the right one is read from its file", async () => {
  const own = new SoftHsm("pin");
  after(() => own.close());
  own.addKey("kek");
  own.writePin("99999999");
  const fixture = pkcs11Node(own);
  await inWorld(
    fixture,
    async (client) => {
      await untilCode(UNAUTHENTICATED, () => client.encrypt({ plaintext }));
      await untilCode(UNAUTHENTICATED, () => client.encrypt({ plaintext }));
      // Each login that the token refused is a line.
      assert.equal(
        fixture.readLog().match(/CKR_PIN_INCORRECT\)","msg":"the token cannot be used"/g)?.length,
        1,
      );
      own.writePin(own.pin);
      await untilWell(() => client.encrypt({ plaintext }));
    },
    () => fixture.spawn(),
  );
});

test("a guest that names a key of the token that is not granted is denied", async () => {
  const fixture = pkcs11Node(hsm, { settings: { label: "other" } });
  await inWorld(
    fixture,
    async (client) => {
      await untilCode(PERMISSION_DENIED, () => client.encrypt({ plaintext }));
    },
    () => fixture.spawn(),
  );
});

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  test(`the module's process ends with a host that gets ${signal}`, async () => {
    const fixture = pkcs11Node(hsm);
    try {
      const host = await fixture.serve();
      const [outer] = moduleProcesses(host.pid ?? 0);
      assert.ok(outer);
      const inner = nodePid(outer);
      await Fixture.stop(host, signal);
      await untilWell(async () => assert.ok(!existsSync(`/proc/${inner}`)));
    } finally {
      await fixture.close();
    }
  });
}

/** The children of a host that run a module. */
function moduleProcesses(host: number): number[] {
  const isOne = (pid: number) =>
    readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("pkcs11/module/main.mjs");
  return readFileSync(`/proc/${host}/task/${host}/children`, "utf8")
    .split(" ")
    .filter(Boolean)
    .map(Number)
    .filter(isOne);
}

test("doctor names the token and its keys", async () => {
  const fixture = pkcs11Node(hsm);
  const { status, stdout } = fixture.run("doctor");
  await fixture.close();
  assert.match(stdout, /ok {3}pkcs11 hsm files: /);
  assert.match(stdout, /ok {3}token kleidi: SoftHSM project SoftHSM v2, serial [0-9a-f]{16}, firmware 2\.6/);
  assert.match(stdout, /ok {3}token kleidi key kek: AES-256, not extractable/);
  assert.equal(status, 0, stdout);
});

test("by key wrap a host serves, doctor names the mechanism, and another mechanism is another key", async () => {
  const byWrap = pkcs11Node(hsm, {}, { mechanism: "aes-kw" });
  const { status, stdout } = byWrap.run("doctor");
  assert.equal(status, 0, stdout);
  let sealed: Awaited<ReturnType<KmsClient["encrypt"]>> | undefined;
  await inWorld(byWrap, async (client) => {
    sealed = await client.encrypt({ plaintext });
    const { plaintext: back } = await client.decrypt(sealed);
    assert.deepEqual(new Uint8Array(back), plaintext);
  });
  const byGcm = pkcs11Node(hsm);
  await inWorld(byGcm, async (client) => {
    assert.ok(sealed);
    assert.notEqual((await client.status()).keyId, sealed.keyId);
    assert.equal(await codeOf(client.decrypt(sealed)), NOT_FOUND);
  });
});

for (const [what, grant, sentence] of [
  ["a token that is not there", { token: "none" }, /FAIL token none: no slot has a token with this label/],
  ["a label of no key", { keys: ["kek", "none"] }, /FAIL token kleidi key none: the token has no AES key/],
  ["a module that does not exist", { module: "/usr/lib/none.so" }, /FAIL pkcs11 hsm files: the module/],
] as const) {
  test(`doctor reports ${what}`, async () => {
    const fixture = pkcs11Node(hsm, {}, grant);
    const { status, stdout } = fixture.run("doctor");
    await fixture.close();
    assert.match(stdout, sentence);
    assert.equal(status, 1);
  });
}

for (const mechanism of ["aes-gcm", "aes-kw"]) {
  test(`the module passes the conformance kit with a token by ${mechanism}`, async () => {
    const fixture = pkcs11Node(hsm, {}, { mechanism });
    const { status, stdout, stderr } = spawnSync(
      kleidi,
      ["provider", "test", pkcs11Module, "--config", fixture.config],
      { cwd: root, encoding: "utf8", timeout: 120_000 },
    );
    await fixture.close();
    assert.equal(status, 0, `${stdout}${stderr}`);
  });
}
