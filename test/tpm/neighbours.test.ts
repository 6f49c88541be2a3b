/** Three providers on one TPM: two with a key each, and a hostile one that sends arbitrary commands. The two are not affected. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { buildGuests } from "../guests/build.ts";
import { requireDebian } from "../support/debian.ts";
import { Fixture, sha256Of } from "../support/fixture.ts";
import { Swtpm } from "../support/swtpm.ts";
import * as tpmCommand from "../support/tpm-commands.ts";
import { tpmModule } from "../support/tpm-node.ts";
import { untilWell } from "../support/until-well.ts";

requireDebian(["swtpm", "tpm2-tools"]);

type Sealed = Awaited<ReturnType<KmsClient["encrypt"]>>;

const [DEADLINE_EXCEEDED, PERMISSION_DENIED, UNAVAILABLE] = [4, 7, 14];
/** The flags of test/guests/tpm-raw. */
const LEAVE = 1;
const STAY = 2;

const keys = ["kek-a", "kek-b", "raw"] as const;
type Key = (typeof keys)[number];

let tpm: Swtpm;
let fixture: Fixture;
let client: KmsClient;
let host: ChildProcess;
let rawModule: string;
const neighbours: { readonly plaintext: Uint8Array; readonly sealed: Sealed }[] = [];

function configure(active: Key): void {
  const grant = { device: tpm.device };
  const provider = (module: string, more: object) => ({ module, sha256: sha256Of(module), ...more });
  const ofTpm = (name: Key) => provider(tpmModule, { grants: { tpm: grant, state: { names: [name] } } });
  const raw = provider(rawModule, { grants: { tpm: grant }, limits: { hostCalls: 1024 } });
  fixture.write(
    JSON.stringify({
      apiVersion: "kleidi.dev/v1",
      listen: { socket: "kms.sock" },
      state: { directory: "state" },
      providers: { "tpm-a": ofTpm("kek-a"), "tpm-b": ofTpm("kek-b"), raw },
      keys: [
        { name: "kek-a", provider: "tpm-a" },
        { name: "kek-b", provider: "tpm-b" },
        { name: "raw", provider: "raw" },
      ].map((key) => ({ ...key, use: key.name === active ? "active" : "decrypt" })),
      status: { interval: "1s" },
      log: { level: "info", file: "kleidi.log" },
    }),
  );
}

before(async () => {
  rawModule = (await buildGuests())["tpm-raw"];
  tpm = await Swtpm.start("unix");
  fixture = new Fixture();
  mkdirSync(join(fixture.folder, "state"), { mode: 0o700 });
  client = new KmsClient(fixture.socket);
  configure("kek-a");
  for (const key of ["kek-a", "kek-b"] as const) {
    const { status, stderr } = fixture.run("key", "init", key);
    assert.equal(status, 0, stderr);
  }
  for (const [i, key] of (["kek-a", "kek-b"] as const).entries()) {
    configure(key);
    const first = await fixture.serve();
    const plaintext = new Uint8Array(32).fill(0xa0 + i);
    neighbours.push({ plaintext, sealed: await untilWell(() => client.encrypt({ plaintext })) });
    assert.equal(await Fixture.stop(first), 0);
  }
  configure("raw");
  host = await fixture.serve();
  await untilWell(decryptBoth);
});

after(async () => {
  client.close();
  await fixture.close();
  await tpm.stop();
});

async function decryptBoth(): Promise<void> {
  await Promise.all(
    neighbours.map(async ({ plaintext, sealed }) =>
      assert.deepEqual(Uint8Array.from((await client.decrypt(sealed)).plaintext), plaintext),
    ),
  );
}

/** Both neighbours decrypt while something else happens; a failure or a wrong plaintext fails the test. */
async function meanwhile<T>(work: () => Promise<T>): Promise<T> {
  let going = true;
  let rounds = 0;
  const both = (async () => {
    do {
      await decryptBoth();
      rounds += 1;
    } while (going);
  })();
  const [done] = await Promise.all([work().finally(() => (going = false)), both]);
  assert.ok(rounds > 0);
  return done;
}

interface Order {
  readonly flags?: number;
  readonly times?: number;
}

/** Makes the hostile provider send a command. */
function order(command: Uint8Array, { flags = 0, times = 1 }: Order = {}): Promise<Sealed> {
  const head = Buffer.from(`RAW!${"\0".repeat(3)}`, "latin1");
  head.writeUInt8(flags, 4);
  head.writeUInt16BE(times, 5);
  return client.encrypt({ plaintext: Buffer.concat([head, command]) });
}

/** The response that the hostile provider received. */
async function respond(command: Uint8Array, how?: Order): Promise<Buffer> {
  const ciphertext = Buffer.from((await order(command, how)).ciphertext);
  const at = 2 + ciphertext.readUInt16BE(0);
  assert.equal(ciphertext[at], 0, "the host call is ok");
  return ciphertext.subarray(at + 1);
}

const raw = (code: number, handles: readonly number[], ...parameters: readonly Uint8Array[]) =>
  tpmCommand.command(code, handles, [], ...parameters);
const authorized = (code: number, handles: readonly number[], ...parameters: readonly Uint8Array[]) =>
  tpmCommand.command(code, handles, [tpmCommand.EMPTY_AUTH], ...parameters);

const { OWNER, u8, u16, u32, sized } = tpmCommand;
const [LOCKOUT, ENDORSEMENT, PERSISTENT] = [0x4000000a, 0x4000000b, 0x81000001];
const none = new Uint8Array();

const denied: readonly [what: string, command: Uint8Array][] = [
  ["Clear", authorized(0x126, [LOCKOUT])],
  ["ClearControl", authorized(0x127, [LOCKOUT], u8(1))],
  ["HierarchyChangeAuth", authorized(0x129, [OWNER], sized(Buffer.from("mine")))],
  ["HierarchyControl", authorized(0x121, [OWNER], u32(OWNER), u8(0))],
  ["ChangePPS and ChangeEPS", authorized(0x124, [0x4000000c])],
  ["EvictControl", authorized(0x120, [OWNER, 0x80000000], u32(PERSISTENT))],
  ["Create while it encrypts", tpmCommand.create(0x80001000)],
  ["CreatePrimary in another hierarchy", tpmCommand.createPrimary(ENDORSEMENT)],
  [
    "CreatePrimary of another template",
    tpmCommand.createPrimary(OWNER, tpmCommand.keyedHash(tpmCommand.HMAC_KEY)),
  ],
  ["ReadPublic of a persistent object", tpmCommand.readPublic(PERSISTENT)],
  ["GetCapability of handles", tpmCommand.getCapability(1, 0x80000000)],
  ["GetCapability of sessions", tpmCommand.getCapability(1, 0x02000000)],
  ["ContextSave", raw(0x162, [0x80000000])],
  ["ContextLoad", raw(0x161, [], none)],
  ["Startup", raw(0x144, [], u16(0))],
  ["Shutdown", raw(0x145, [], u16(0))],
  ["SelfTest", raw(0x143, [], u8(1))],
  ["PCR_Extend", authorized(0x182, [16], u32(0))],
  ["NV_DefineSpace", authorized(0x12a, [OWNER], sized(none), sized(none))],
  ["NV_Read", authorized(0x14e, [OWNER, 0x01800001], u16(8), u16(0))],
  ["DictionaryAttackParameters", authorized(0x13a, [LOCKOUT], u32(0), u32(0), u32(0))],
  ["Duplicate", authorized(0x14b, [0x80001000, tpmCommand.NULL_HIERARCHY], sized(none), u16(0x10))],
  ["an unknown command", raw(0x7fffffff, [])],
  ["a vendor's command", raw(0x20000001, [])],
];

describe("two providers on one TPM", () => {
  test("decrypt correctly at the same time", async () => {
    const calls = Array.from({ length: 32 }, (_, i) => {
      const { plaintext, sealed } = neighbours[i % 2] ?? assert.fail();
      return client
        .decrypt(sealed)
        .then(({ plaintext: back }) => assert.deepEqual(Uint8Array.from(back), plaintext));
    });
    await Promise.all(calls);
  });
});

describe("a hostile third provider, while the two decrypt", () => {
  for (const [what, command] of denied) {
    test(`is denied ${what}`, () =>
      meanwhile(() => assert.rejects(order(command), { code: PERMISSION_DENIED })));
  }

  test("cannot see the objects of others, by their handles, the TPM's or any near them", () =>
    meanwhile(async () => {
      const slots = [0, 1, 2, 3, ...Array.from({ length: 24 }, (_, i) => 0x1000 + i)];
      for (const slot of slots) {
        const object = (0x80000000 | slot) >>> 0;
        const [hmacSession, policySession] = [0x02000000 | slot, 0x03000000 | slot];
        // Reference codes of a resource manager: the handle is not loaded.
        assert.equal(tpmCommand.rc(await respond(tpmCommand.readPublic(object))), 0xb0910);
        assert.equal(tpmCommand.rc(await respond(tpmCommand.hmac(object, none))), 0xb0910);
        assert.equal(tpmCommand.rc(await respond(tpmCommand.load(object, none, none))), 0xb0910);
        assert.equal(tpmCommand.rc(await respond(tpmCommand.policyRestart(policySession))), 0xb0910);
        const session = { handle: hmacSession };
        assert.equal(tpmCommand.rc(await respond(tpmCommand.getRandom(8, [session]))), 0xb0918);
        for (const handle of [object, hmacSession, policySession])
          assert.notEqual(tpmCommand.rc(await respond(tpmCommand.flushContext(handle))), 0);
      }
    }));

  test("may request ten thousand random numbers", () =>
    meanwhile(async () => {
      // So few in one call that even a busy machine finishes long before the deadline.
      for (let i = 0; i < 200; i++) {
        const response = await respond(tpmCommand.getRandom(32), { times: 50 });
        assert.equal(tpmCommand.rc(response), 0);
        assert.equal(response.length, 10 + 2 + 32);
      }
    }));

  test("may fill the TPM: after its call, successful or not, both load their keys again at the same time", async () => {
    for (const flags of [0, LEAVE, 0, LEAVE, LEAVE]) {
      await order(tpmCommand.createPrimary(), { times: 5, flags });
      await decryptBoth();
      await order(tpmCommand.startSession(), { times: 5, flags });
      await decryptBoth();
    }
  });

  test("keeps the TPM full only during its call, and causes no wrong result meanwhile", async () => {
    const full = order(tpmCommand.createPrimary(), { times: 5, flags: STAY });
    const ended = assert.rejects(full, { code: DEADLINE_EXCEEDED });
    const meantime = Array.from({ length: 8 }, (_, i) => neighbours[i % 2] ?? assert.fail());
    for (const { plaintext, sealed } of meantime) {
      const back = await client.decrypt(sealed).then(
        (reply) => Uint8Array.from(reply.plaintext),
        (error) => error.code,
      );
      // A TPM has as few as three slots, and the host does not evict the objects of the active provider.
      if (back !== UNAVAILABLE) assert.deepEqual(back, plaintext);
    }
    await ended;
    await untilWell(decryptBoth);
  });

  test("may hold its turn until its deadline, with nothing in the TPM", () =>
    meanwhile(async () => {
      const stays = () => order(tpmCommand.getRandom(8), { flags: STAY });
      await untilWell(() => assert.rejects(stays, { code: DEADLINE_EXCEEDED }));
    }));

  test("leaves nothing in the TPM when the host stops", async () => {
    await untilWell(decryptBoth);
    await order(tpmCommand.createPrimary(), { times: 2, flags: LEAVE }).catch(() => {});
    assert.equal(await Fixture.stop(host), 0);
    assert.equal(await tpm.loaded(), "");
    assert.equal(await tpm.tool("tpm2_getcap", "handles-persistent"), "");
    assert.equal(await tpm.tool("tpm2_getcap", "handles-nv-index"), "");
  });
});
