/** A token's client with SoftHSM and with a module that misbehaves, both behind a wall. */
import assert from "node:assert/strict";
import { createDecipheriv } from "node:crypto";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { ModuleFailure } from "../../host/capabilities/pkcs11/failure.ts";
import { GRANT, type Pkcs11Config } from "../../host/capabilities/pkcs11/grant.ts";
import { Message } from "../../host/capabilities/pkcs11/module/protocol.mjs";
import { startOf } from "../../host/capabilities/pkcs11/start.ts";
import { TokenClient, type TokenOptions } from "../../host/capabilities/pkcs11/token-client.ts";
import type { Wall } from "../../host/sandbox/wall/build.ts";
import { openWall } from "../../host/sandbox/wall/choose.ts";
import { wallPrograms } from "../support/debian13.ts";
import { buildModule } from "../support/pkcs11-module.ts";
import { SoftHsm } from "../support/softhsm.ts";
import { untilWell } from "../support/until-well.ts";

const NEVER = new AbortController().signal;
const GCM = Buffer.from("aes-gcm");
const KW = Buffer.from("aes-kw");
const KEY = Buffer.from("kek");
const IV = Buffer.alloc(12, 1);
const AAD = Buffer.from("associated");
const SEED = Buffer.from("a DEK seed that nobody may hear!");
/** The first calls wait for a process of a busy machine, which no test measures. */
const CALL_MS = 30_000;

let wall: Wall;
let module: ReturnType<typeof buildModule>;
const hsm = new SoftHsm();
before(async () => {
  wall = await openWall({ wall: "bubblewrap" }, 512 << 20);
  module = buildModule();
  hsm.addKey("kek");
});
after(() => {
  module.remove();
  hsm.close();
});

interface Opened {
  readonly client: TokenClient;
  /** What the module said of itself, at each login. */
  readonly facts: string[];
  readonly starts: () => number;
}

function open(grant: Pkcs11Config, options: Partial<TokenOptions> & { wall?: Wall } = {}): Opened {
  const start = startOf(grant, (...native) => (options.wall ?? wall).startNative(...native));
  const facts: string[] = [];
  let starts = 0;
  const client = new TokenClient({
    ...grant,
    pinFile: grant.pin.file,
    callMs: CALL_MS,
    onOpened: (bytes) => facts.push(bytes.toString()),
    ...options,
    start: () => {
      starts += 1;
      return start();
    },
  });
  after(() => client.close());
  return { client, facts, starts: () => starts };
}

const grantOf = (value: Record<string, unknown>) => GRANT.parse(value) as Pkcs11Config;
const soft = (changes: Record<string, unknown> = {}) => open(grantOf(hsm.grant(["kek"], changes)));

/** A client of the module that misbehaves. */
function misbehaving(
  mode: string,
  options: Parameters<typeof open>[1] = {},
  environment = {},
  changes = {},
): Opened {
  const grant = { module: module.path, token: "kleidi", pin: { file: hsm.pinFile }, keys: ["kek"] };
  return open(grantOf({ ...grant, environment: { MODE: mode, ...environment }, ...changes }), options);
}

const find = async (client: TokenClient) =>
  JSON.parse((await client.perform({ type: Message.FIND, fields: [GCM, KEY] }, NEVER)).toString()) as {
    version: string;
  };
const crypt = (client: TokenClient, type: number, version: string, data: Buffer, mechanism = GCM) =>
  client.perform({ type, fields: [mechanism, KEY, Buffer.from(version), IV, AAD, data] }, NEVER);

async function encrypt(client: TokenClient): Promise<Buffer> {
  return await crypt(client, Message.ENCRYPT, (await find(client)).version, SEED);
}

async function failureOf(work: Promise<unknown>): Promise<ModuleFailure> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ModuleFailure, String(error));
  return error;
}

describe("with SoftHSM", () => {
  test("a second implementation of AES-GCM decrypts what the token encrypted", async () => {
    const bytes = Buffer.alloc(32, 9);
    hsm.importKey("known", bytes);
    const { client } = soft();
    const label = Buffer.from("known");
    const facts = await client.perform({ type: Message.FIND, fields: [GCM, label] }, NEVER);
    const version = Buffer.from((JSON.parse(facts.toString()) as { version: string }).version);
    const fields = [GCM, label, version, IV, AAD, SEED];
    const sealed = await client.perform({ type: Message.ENCRYPT, fields }, NEVER);
    const other = createDecipheriv("aes-256-gcm", bytes, IV).setAAD(AAD).setAuthTag(sealed.subarray(-16));
    assert.deepEqual(Buffer.concat([other.update(sealed.subarray(0, -16)), other.final()]), SEED);
  });

  test("a changed ciphertext is not authentic, and the process goes on", async () => {
    const { client, starts } = soft();
    const { version } = await find(client);
    const sealed = await crypt(client, Message.ENCRYPT, version, SEED);
    assert.deepEqual(await crypt(client, Message.DECRYPT, version, sealed), SEED);
    const changed = Buffer.from(sealed);
    changed[0] = (changed[0] ?? 0) ^ 1;
    const failed = await failureOf(crypt(client, Message.DECRYPT, version, changed));
    assert.equal(failed.kind, "not-authentic");
    assert.deepEqual(await crypt(client, Message.DECRYPT, version, sealed), SEED);
    assert.equal(starts(), 1);
  });

  describe("by key wrap", () => {
    const bytes = Buffer.alloc(32, 7);
    const own = new SoftHsm("wrap");
    const { client, starts } = open(grantOf(own.grant(["kek"], { mechanism: "aes-kw" })));
    const versionBy = async (mechanism: Buffer) => {
      const facts = await client.perform({ type: Message.FIND, fields: [mechanism, KEY] }, NEVER);
      return (JSON.parse(facts.toString()) as { version: string }).version;
    };
    before(() => own.importKey("kek", bytes));
    after(() => own.close());

    test("a second implementation of AES-KW and AES-GCM decrypts it", async () => {
      const sealed = await crypt(client, Message.ENCRYPT, await versionBy(KW), SEED, KW);
      const unwrap = createDecipheriv("id-aes256-wrap", bytes, Buffer.alloc(8, 0xa6));
      const dataKey = Buffer.concat([unwrap.update(sealed.subarray(0, 40)), unwrap.final()]);
      const other = createDecipheriv("aes-256-gcm", dataKey, IV).setAAD(AAD).setAuthTag(sealed.subarray(-16));
      assert.deepEqual(Buffer.concat([other.update(sealed.subarray(40, -16)), other.final()]), SEED);
    });

    test("each plaintext has a data key of its own, and none stays on the token", async () => {
      const version = await versionBy(KW);
      const all = await Promise.all(
        Array.from({ length: 8 }, () => crypt(client, Message.ENCRYPT, version, SEED, KW)),
      );
      assert.equal(new Set(all.map((each) => each.subarray(0, 40).toString("hex"))).size, 8);
      assert.equal(own.tool("--list-objects", "--type", "secrkey").match(/Secret Key Object/g)?.length, 1);
    });

    test("a changed byte anywhere is not authentic, and the process goes on", async () => {
      const version = await versionBy(KW);
      const sealed = await crypt(client, Message.ENCRYPT, version, SEED, KW);
      for (let at = 0; at < sealed.length; at += 9) {
        const changed = Buffer.from(sealed);
        changed[at] = (changed[at] ?? 0) ^ 1;
        const failed = await failureOf(crypt(client, Message.DECRYPT, version, changed, KW));
        assert.equal(failed.kind, "not-authentic", `byte ${at}`);
      }
      assert.deepEqual(await crypt(client, Message.DECRYPT, version, sealed, KW), SEED);
      assert.equal(starts(), 1);
    });

    test("another mechanism is another version of the key", async () => {
      assert.notEqual(await versionBy(KW), await versionBy(GCM));
      const failed = await failureOf(crypt(client, Message.ENCRYPT, await versionBy(GCM), SEED, KW));
      assert.equal(failed.kind, "key-other");
    });
  });

  test("the version is another one after the key was exchanged under its label", async () => {
    hsm.addKey("exchanged");
    const { client } = soft();
    const label = Buffer.from("exchanged");
    const ask = async () => String(await client.perform({ type: Message.FIND, fields: [GCM, label] }, NEVER));
    const { version } = JSON.parse(await ask()) as { version: string };
    hsm.removeKey("exchanged");
    hsm.addKey("exchanged");
    assert.notEqual((JSON.parse(await ask()) as { version: string }).version, version);
    const fields = [GCM, label, Buffer.from(version), IV, AAD, SEED];
    const failed = await failureOf(client.perform({ type: Message.ENCRYPT, fields }, NEVER));
    assert.equal(failed.kind, "key-other");
  });

  test("a label of two keys is refused", async () => {
    hsm.addKey("twice", "03");
    hsm.addKey("twice", "04");
    const { client } = soft();
    const fields = [GCM, Buffer.from("twice")];
    assert.equal((await failureOf(client.perform({ type: Message.FIND, fields }, NEVER))).kind, "key-twice");
  });

  test("a wrong PIN is tried once, and not again until its file changes", async () => {
    const { client, starts } = soft();
    hsm.writePin("wrong-pin");
    try {
      assert.equal((await failureOf(find(client))).kind, "pin-refused");
      const again = soft();
      assert.equal((await failureOf(find(client))).kind, "pin-refused");
      assert.equal((await failureOf(find(again.client))).kind, "pin-refused");
      assert.deepEqual([starts(), again.starts()], [1, 0]);
    } finally {
      hsm.writePin(hsm.pin);
    }
    await untilWell(() => find(client));
  });

  test("after its process was killed, the next operation succeeds in another one", async () => {
    const { client, starts } = soft();
    await find(client);
    const { pid } = client;
    assert.ok(pid);
    process.kill(pid, "SIGKILL");
    // the wall's own process ends first, and the module's may serve a moment longer
    await untilWell(async () => {
      await find(client);
      assert.equal(starts(), 2);
    });
  });

  test("a token that was pulled fails, and is used again when it is back", async () => {
    const { client } = soft();
    const { version } = await find(client);
    const sealed = await crypt(client, Message.ENCRYPT, version, SEED);
    const back = hsm.pull();
    try {
      const { kind } = await failureOf(find(client));
      assert.equal(kind, "token-missing");
    } finally {
      back();
    }
    assert.deepEqual(await untilWell(() => crypt(client, Message.DECRYPT, version, sealed)), SEED);
  });

  test("a key that is missing does not start another process for each operation", async () => {
    const { client, starts } = soft();
    await find(client);
    const fields = [GCM, Buffer.from("none")];
    for (let i = 0; i < 5; i++) {
      const failed = await failureOf(client.perform({ type: Message.FIND, fields }, NEVER));
      assert.equal(failed.kind, "key-missing");
    }
    assert.ok(starts() < 5, `${starts()} processes were started`);
  });

  test("operations that wait are performed one after another, but for those whose call is over", async () => {
    const { client, starts } = soft();
    const { version } = await find(client);
    const over = new AbortController();
    const operation = { type: Message.ENCRYPT, fields: [GCM, KEY, Buffer.from(version), IV, AAD, SEED] };
    const all = Array.from({ length: 20 }, () => client.perform(operation, NEVER));
    const late = failureOf(client.perform(operation, over.signal));
    over.abort();
    assert.equal(new Set((await Promise.all(all)).map(String)).size, 1);
    assert.equal((await late).kind, "over");
    assert.equal(starts(), 1);
  });

  test("more operations than may wait are refused at once", async () => {
    const { client } = soft();
    const { version } = await find(client);
    const operation = { type: Message.ENCRYPT, fields: [GCM, KEY, Buffer.from(version), IV, AAD, SEED] };
    const all = Array.from({ length: 256 }, () => client.perform(operation, NEVER));
    assert.equal((await failureOf(client.perform(operation, NEVER))).kind, "busy");
    await Promise.all(all);
  });

  test("another token's label is not found", async () => {
    const failed = await failureOf(find(soft({ token: "other" }).client));
    assert.equal(failed.kind, "token-missing");
  });
});

describe("a file that is no module", () => {
  for (const [what, path] of [
    ["a text", "/etc/hostname"],
    ["a library without PKCS #11", "/usr/lib/x86_64-linux-gnu/libcrypto.so.3"],
    ["nothing", "/usr/lib/no-such-module.so"],
  ] as const) {
    test(what, async () => {
      const failed = await failureOf(find(soft({ module: path }).client));
      assert.equal(failed.kind, "load");
    });
  }
});

describe("a module that misbehaves", () => {
  for (const [mode, kind] of [
    ["crash-at-start", "gone"],
    ["crash", "gone"],
    ["no-token", "token-missing"],
    ["two-tokens", "token-twice"],
    ["many-slots", "token-twice"],
    ["final-try", "pin-final-try"],
    ["locked", "pin-locked"],
    ["two-keys", "key-twice"],
    ["unnamed", "key-unnamed"],
    ["forbidden", "call"],
    ["broken", "call"],
  ] as const) {
    test(`${mode} is reported as ${kind}`, async () => {
      assert.equal((await failureOf(encrypt(misbehaving(mode).client))).kind, kind);
    });
  }

  test("a call that hangs ends at its deadline, and the next one has another process", async () => {
    const { client, starts } = misbehaving("hang", { callMs: 1_000 });
    const { version } = await untilWell(() => find(client));
    const before = starts();
    assert.equal((await failureOf(crypt(client, Message.ENCRYPT, version, SEED))).kind, "late");
    await untilWell(() => find(client));
    assert.ok(starts() > before);
  });

  for (const mode of ["expire", "removed"]) {
    test(`an operation is repeated once in a new session after "${mode}"`, async () => {
      const { client, facts } = misbehaving(mode);
      await encrypt(client);
      await encrypt(client);
      assert.equal(facts.length, 2);
    });
  }

  test("a PIN that is locked is not tried again, although the token's flags do not say so", async () => {
    const { client, starts } = misbehaving("locked-unsaid");
    assert.equal((await failureOf(find(client))).kind, "pin-refused-locked");
    assert.equal((await failureOf(find(client))).kind, "pin-refused");
    assert.equal(starts(), 1);
    hsm.writePin(hsm.pin);
  });

  test("a return value that says that the ciphertext is not authentic is believed", async () => {
    const { client } = misbehaving("aead");
    for (const mechanism of [GCM, KW]) {
      const facts = await client.perform({ type: Message.FIND, fields: [mechanism, KEY] }, NEVER);
      const { version } = JSON.parse(facts.toString()) as { version: string };
      const failed = await failureOf(crypt(client, Message.DECRYPT, version, Buffer.alloc(96), mechanism));
      assert.equal(failed.kind, "not-authentic");
    }
  });

  for (const [mode, kind] of [
    ["forbidden", "call"],
    ["stays", "call"],
    ["crash-at-start", "gone"],
  ] as const) {
    test(`${mode} is reported as ${kind} by key wrap, too`, async () => {
      const { client } = misbehaving(mode);
      const work = async () => {
        const facts = await client.perform({ type: Message.FIND, fields: [KW, KEY] }, NEVER);
        const { version } = JSON.parse(facts.toString()) as { version: string };
        return await crypt(client, Message.ENCRYPT, version, SEED, KW);
      };
      assert.equal((await failureOf(work())).kind, kind);
    });
  }

  for (const mode of ["login-general", "login-crashes"]) {
    test(`a login that fails without a reason is tried three times: ${mode}`, async () => {
      // What is remembered of a PIN is remembered for one content of its file.
      hsm.writePin(hsm.pin);
      const { client, starts } = misbehaving(mode);
      await untilWell(async () => assert.equal((await failureOf(find(client))).kind, "pin-suspected"));
      assert.equal(starts(), 3);
      hsm.writePin(hsm.pin);
      await untilWell(async () => assert.notEqual((await failureOf(find(client))).kind, "pin-suspected"));
      client.close();
      hsm.writePin(hsm.pin);
    });
  }

  test("a PIN that failed is refused, if the token counts a wrong one", async () => {
    hsm.writePin(hsm.pin);
    const { client } = misbehaving("login-counted");
    await untilWell(async () => assert.equal((await failureOf(find(client))).kind, "pin-refused"));
    client.close();
    hsm.writePin(hsm.pin);
  });

  test("providers of one token try a wrong PIN once, also at the same time", async () => {
    hsm.writePin("99999999");
    try {
      const all = Array.from({ length: 4 }, () => misbehaving("one-token"));
      const kinds = await Promise.all(all.map(async ({ client }) => (await failureOf(find(client))).kind));
      assert.deepEqual(new Set(kinds), new Set(["pin-refused"]));
      assert.equal(
        all.reduce((sum, { starts }) => sum + starts(), 0),
        1,
      );
    } finally {
      hsm.writePin(hsm.pin);
    }
  });

  test("a PIN that the module prints is in no message", async () => {
    hsm.writePin(hsm.pin);
    const { client } = misbehaving("prints-pin");
    const { message, told } = await failureOf(find(client));
    assert.ok(!message.includes(hsm.pin), message);
    assert.match(message, /\[its text contained the PIN\]/);
    assert.doesNotMatch(told, /login with/);
    hsm.writePin(hsm.pin);
  });

  test("a slot that cannot be read does not hide the token in another one", async () => {
    await find(misbehaving("bad-slot").client);
    const failed = await failureOf(find(misbehaving("bad-slot", {}, {}, { token: "other" }).client));
    assert.match(failed.message, /C_GetTokenInfo returned 0xe1/);
  });

  test("with a key that may not encrypt a changed ciphertext is not authentic, and the process goes on", async () => {
    const { client, starts } = misbehaving("decrypts-only");
    const { version } = await find(client);
    for (let i = 0; i < 3; i++) {
      const failed = await failureOf(crypt(client, Message.DECRYPT, version, Buffer.alloc(48)));
      assert.equal(failed.kind, "not-authentic");
    }
    assert.equal(starts(), 1);
  });

  test("a token that gives no data key back is not believed", async () => {
    const { client } = misbehaving("none");
    const facts = await client.perform({ type: Message.FIND, fields: [KW, KEY] }, NEVER);
    const { version } = JSON.parse(facts.toString()) as { version: string };
    const sealed = await crypt(client, Message.ENCRYPT, version, SEED, KW);
    const failed = await failureOf(crypt(client, Message.DECRYPT, version, sealed, KW));
    // Not the object's fault: it must not look changed.
    assert.match(failed.message, /C_GetAttributeValue returned CKR_ATTRIBUTE_SENSITIVE/);
  });

  test("a token without AES-GCM is noticed", async () => {
    const { client, facts } = misbehaving("no-gcm");
    await find(client);
    assert.equal(
      (JSON.parse(facts[0] ?? "") as { mechanisms: Record<string, boolean> }).mechanisms["aes-gcm"],
      false,
    );
  });

  test("close ends a module that hangs while it starts", async () => {
    const { client, starts } = misbehaving("hang-at-start");
    const failed = failureOf(find(client));
    await untilWell(async () => assert.equal(starts(), 1));
    client.close();
    assert.match((await failed).kind, /^(gone|over)$/);
  });

  test("a module that refuses the operation keeps its session", async () => {
    const { client, starts } = misbehaving("forbidden");
    await failureOf(encrypt(client));
    await failureOf(encrypt(client));
    assert.equal(starts(), 1);
  });

  test("new processes come after growing pauses", async () => {
    const { client, starts } = misbehaving("crash-at-start");
    const ends = Date.now() + 1_000;
    while (Date.now() < ends) await failureOf(find(client));
    assert.ok(starts() <= 6, `${starts()} processes were started`);
  });

  for (const mode of ["long-output", "long-attribute"]) {
    test(`lengths that it invents reach nothing: ${mode}`, async () => {
      const { client } = misbehaving(mode);
      await encrypt(client).catch(() => {});
      await untilWell(() => find(client));
    });
  }
});

describe("a module cannot reach the host's files, network, processes and environment", () => {
  /** What the module reports that it reached. */
  async function reached(behind: Wall, changes = {}): Promise<string> {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const reach = { PIN_FILE: hsm.pinFile, PORT: String(port), HOST_PID: String(process.pid) };
    const { client, facts } = misbehaving("spy", { wall: behind }, reach, changes);
    await find(client);
    server.close();
    return (JSON.parse(facts[0] ?? "") as { library: string }).library;
  }

  test("behind bubblewrap", async () => {
    assert.equal(await reached(wall), "pin 0 net 0 kill 0 env 0");
  });

  test("behind bubblewrap, the network apart if servers are granted", async () => {
    assert.equal(await reached(wall, { servers: ["127.0.0.1"] }), "pin 0 net 1 kill 0 env 0");
  });

  test("behind landlock, which guards files only", async () => {
    const programs = wallPrograms();
    const landlock = { wall: "landlock", ...(programs !== undefined && { programs }) } as const;
    assert.equal(await reached(await openWall(landlock, 512 << 20)), "pin 0 net 1 kill 1 env 0");
  });
});
