/** End to end: a host, a real swtpm, and an attacker between them who listens, changes, repeats, delays and cuts. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { CC } from "../../host/capabilities/tpm/commands.ts";
import { KmsClient } from "../../host/grpc/client.ts";
import { requireDebian } from "../support/debian.ts";
import { Fixture } from "../support/fixture.ts";
import { Swtpm } from "../support/swtpm.ts";
import { tpmNode } from "../support/tpm-node.ts";
import { type Reaction, TpmProxy } from "../support/tpm-proxy.ts";
import { untilWell } from "../support/until-well.ts";

requireDebian(["swtpm", "tpm2-tools"]);

const plaintext = Uint8Array.from(Buffer.from("a DEK seed that nobody may hear!"));
const kek = randomBytes(32);
const STARTUP = 0x144;

type Sealed = Awaited<ReturnType<KmsClient["encrypt"]>>;
type Change = (response: Buffer) => Buffer | Reaction;

/**
 * How long the caller of an attacked call waits, in milliseconds: the host repeats the call for most of that time. A new connection needs
 * more commands before the attacked one.
 */
const WAITS = { known: 1_000, isNew: 1_500 } as const;

let tpm: Swtpm;
let proxy: TpmProxy;
let fixture: Fixture;
let client: KmsClient;
let host: ChildProcess;
let sealed: Sealed;
/** Auth values of all keys that were created through the proxy. */
const auths: Buffer[] = [];

before(async () => {
  tpm = await Swtpm.start("unix");
  const path = join(tpm.folder, "proxy.sock");
  proxy = await TpmProxy.start(path, tpm.socket);
  const device = `swtpm:${path}`;
  const generated = tpmNode({ device });
  await generated.runAside("key", "init");
  auths.push(authIn(generated, "kek"));
  await generated.close();
  // A long interval: no probe interferes while a test counts the commands.
  fixture = tpmNode({ device, interval: "60s", others: ["sealed"], unseal: true });
  const file = join(fixture.folder, "kek.hex");
  writeFileSync(file, `${kek.toString("hex")}\n`, { mode: 0o600 });
  await fixture.runAside("key", "init", "kek", "--import", file);
  await fixture.runAside("key", "init", "sealed", "--scheme", "sealed", "--import", file);
  auths.push(authIn(fixture, "kek"), authIn(fixture, "sealed"));
  host = await fixture.serve();
  client = new KmsClient(fixture.socket);
  sealed = await client.encrypt({ plaintext });
});

after(async () => {
  client.close();
  await fixture.close();
  await proxy.close();
  await tpm.stop();
});

function authIn({ folder }: Fixture, key: string): Buffer {
  const [, auth = ""] =
    /^auth: ([0-9a-f]{64})$/m.exec(readFileSync(join(folder, "state", `${key}.state`), "utf8")) ?? [];
  return Buffer.from(auth, "hex");
}

/** The values derived from the imported KEK (providers/tpm/README.md, "Formats"). */
function derived(use: string, context: Uint8Array, bits: number): Buffer {
  const ends = [Buffer.of(0, 0, 0, 1), Buffer.of(0, 0, bits >>> 8, bits & 0xff)] as const;
  return createHmac("sha256", kek)
    .update(Buffer.concat([ends[0], Buffer.from(`${use}\0`), context, ends[1]]))
    .digest();
}

async function opens(one: Sealed): Promise<void> {
  assert.deepEqual(Uint8Array.from((await client.decrypt(one)).plaintext), plaintext);
}

describe("an eavesdropper", () => {
  test("learns no KEK, auth value, AES key, seed or plaintext from key init, start, Encrypt and Decrypt", async () => {
    const sealeds = [sealed, await client.encrypt({ plaintext }), await client.encrypt({ plaintext })];
    for (const one of sealeds) await opens(one);
    const secrets: [what: string, secret: Uint8Array][] = [
      ["the imported KEK", kek],
      ["the plaintext", plaintext],
      ["the key's id as the TPM gives it", derived("kleidi tpm hmac 1 id", Buffer.alloc(0), 128)],
      ...auths.map((auth): [string, Uint8Array] => ["an auth value", auth]),
      ...sealeds.map(({ ciphertext }): [string, Uint8Array] => [
        "an AES key",
        derived("kleidi tpm hmac 1 seed", ciphertext.subarray(1, 49), 256),
      ]),
    ];
    // The ciphertext is of the key of this test; otherwise the absence of its bytes would prove nothing.
    const { ciphertext } = sealed;
    const id = derived("kleidi tpm hmac 1 id", Buffer.alloc(0), 128).subarray(0, 16);
    assert.deepEqual(Buffer.from(ciphertext.subarray(1, 17)), id);
    const wire = Buffer.concat(proxy.heard.map(({ bytes }) => bytes));
    for (const code of [CC.CreatePrimary, CC.Create, CC.Load, CC.HMAC, CC.Unseal, CC.StartAuthSession])
      assert.ok(
        proxy.heard.some((each) => each.code === code && each.from === "tpm"),
        `0x${code.toString(16)} was heard`,
      );
    assert.equal(auths.length, 3);
    for (const [what, secret] of secrets) {
      assert.ok(secret.length >= 32, what);
      // Part of a secret must not appear either.
      for (let at = 0; at + 8 <= secret.length; at += 8)
        assert.ok(!wire.includes(secret.subarray(at, at + 8)), `${what} is on the wire`);
    }
  });

  test("sees no RSA key being created, and on the serving path no key except the storage primary", () => {
    const made = proxy.heard.filter(
      ({ code, from }) => from === "host" && (code === CC.CreatePrimary || code === CC.Create),
    );
    assert.ok(made.length >= 3 + 3 + 1);
    for (const { code, bytes } of made) {
      // Header and handle, the authorizations with their size, then inSensitive and the public area with theirs (Part 3, 12.1, 24.1).
      const sensitive = 14 + 4 + bytes.readUInt32BE(14);
      const area = sensitive + 2 + bytes.readUInt16BE(sensitive) + 2;
      const [rsa, keyedHash, ecc] = [0x0001, 0x0008, 0x0023];
      const type = bytes.readUInt16BE(area);
      assert.notEqual(type, rsa);
      assert.equal(type, code === CC.CreatePrimary ? ecc : keyedHash);
    }
  });
});

/** The permitted codes of a call whose TPM answers are not trusted: none blames the ciphertext. */
const GAVE_UP: Readonly<Record<number, string>> = {
  4: "DEADLINE_EXCEEDED",
  9: "FAILED_PRECONDITION",
  13: "INTERNAL",
  14: "UNAVAILABLE",
};

/** "right", or the name of the code; any other outcome is the fault that the test looks for. */
async function outcome(call: Promise<{ plaintext: Uint8Array }>): Promise<string> {
  try {
    const { plaintext: back } = await call;
    assert.deepEqual(Uint8Array.from(back), plaintext, "a wrong plaintext");
    return "right";
  } catch (error) {
    const { code, details } = error as { code?: number; details?: string };
    if (code === undefined) throw error;
    assert.ok(code in GAVE_UP, `${code}: ${details}`);
    // The host's own message, and not gRPC's for a host that is gone or too late.
    assert.match(details ?? "", /^Cannot /);
    return GAVE_UP[code] ?? "";
  }
}

async function encryptAndOpen(): Promise<{ plaintext: Uint8Array }> {
  const made = await client.encrypt({ plaintext }, WAITS.known);
  proxy.honest();
  // A stored ciphertext can be decrypted, regardless of the responses behind it.
  return { plaintext: (await untilWell(() => client.decrypt(made))).plaintext };
}

interface Attack {
  readonly code: number;
  readonly change: Change;
  /** The connection is new: the call loads all objects again. */
  readonly isNew?: boolean;
  /** From the nth response on. */
  readonly nth?: number;
  /** Only one response. The host also probes its keys, so it may belong to another call: then this call succeeds. */
  readonly isSingle?: boolean;
}

/**
 * Makes one call while the TPM's responses are changed; afterwards the host recovers by itself. By default every response is changed: the
 * host's own probes use the TPM at any time, and the outcome must depend on the bytes only.
 */
async function attack(
  { code, change, isNew = false, nth = 1, isSingle = false }: Attack,
  call: () => Promise<{ plaintext: Uint8Array }> = () =>
    client.decrypt(sealed, WAITS[isNew ? "isNew" : "known"]),
): Promise<string> {
  // Before the connection is cut, so that nothing can be loaded in between.
  const tampering = isSingle ? proxy.next(code, change, nth) : proxy.every(code, change, nth);
  if (isNew) await proxy.cut();
  const how = await outcome(call());
  proxy.honest();
  assert.ok(tampering.done, `no response to 0x${code.toString(16)} was tampered with`);
  await untilWell(async () => {
    await client.status();
    await opens(sealed);
  });
  return how;
}

const flip =
  (at: number, bit = 0) =>
  (response: Buffer): Buffer => {
    // An error response is shorter than the requested one.
    const place = Math.min(at < 0 ? Math.max(response.length + at, 0) : at, response.length - 1);
    response.writeUInt8(response.readUInt8(place) ^ (1 << bit), place);
    return response;
  };

/** Header, handle or parameter size, the parameters, and the last bytes, which belong to the HMAC. */
const PLACES = [0, 1, 5, 6, 7, 8, 9, 10, 13, 14, 17, 20, 30, 47, 60, -40, -34, -33, -17, -1];

describe("one flipped bit in the response", () => {
  test("to HMAC makes only that call fail", async () => {
    for (const at of PLACES) {
      const how = await attack({ code: CC.HMAC, change: flip(at) });
      // A code that reports a missing handle makes the host load everything again.
      if (at < 6 || at > 9) assert.notEqual(how, "right", `byte ${at}`);
      await attack({ code: CC.HMAC, change: flip(at), isSingle: true });
    }
  });

  test("to HMAC, in Encrypt or its read-back, never leads to an unreadable ciphertext", async () => {
    for (const nth of [1, 2])
      for (const at of [8, 14, 16, 40, -33, -1]) {
        const how = await attack({ code: CC.HMAC, change: flip(at), nth }, encryptAndOpen);
        if (at !== 8) assert.notEqual(how, "right", `byte ${at} of the ${nth}. response`);
      }
  });

  test("to StartAuthSession, Load or CreatePrimary makes the call fail, or everything is loaded again", async () => {
    for (const code of [CC.StartAuthSession, CC.Load, CC.CreatePrimary])
      for (const at of [1, 8, 13, 16, 25, 30, 45, -33, -5, -1]) {
        const how = await attack({ code, change: flip(at), isNew: true });
        // The creation data of the primary is not used.
        if (at !== 8 && code !== CC.CreatePrimary) assert.notEqual(how, "right", `byte ${at}`);
      }
  });

  test("to the host's own commands to a new TPM does no harm", async () => {
    for (const code of [STARTUP, CC.GetCapability])
      for (const at of [1, 5, 8, 9, -1]) await attack({ code, change: flip(at), isNew: true });
  });

  test("in a handle, repeated, does not fill the TPM with orphaned objects", async () => {
    for (const code of [CC.CreatePrimary, CC.StartAuthSession, CC.Load]) {
      await proxy.cut();
      // A wrong handle may name the same primary of an earlier call, so the result can even be right.
      proxy.tamper = (each, response) =>
        each === code && response.length > 13 ? flip(13, 1)(response) : response;
      for (let i = 0; i < 5; i++) await outcome(client.decrypt(sealed, WAITS.isNew));
      proxy.honest();
      await untilWell(() => opens(sealed));
    }
  });
});

describe("an earlier response in place of a later one", () => {
  for (const [name, code] of [
    ["HMAC", CC.HMAC],
    ["Load", CC.Load],
    ["StartAuthSession", CC.StartAuthSession],
  ] as const) {
    test(`to ${name} is detected`, async () => {
      const earlier = proxy.heard.find((each) => each.code === code && each.from === "tpm")?.bytes;
      assert.ok(earlier);
      const how = await attack({ code, change: () => Buffer.from(earlier), isNew: code !== CC.HMAC });
      assert.notEqual(how, "right");
      const [latest] = proxy.heard.filter((each) => each.code === code && each.from === "tpm").slice(-1);
      assert.ok(latest);
      const again = await attack({ code, change: () => Buffer.from(latest.bytes), isNew: code !== CC.HMAC });
      assert.notEqual(again, "right");
    });
  }

  test("to CreatePrimary has the same key, so the call succeeds", async () => {
    const last = proxy.heard.findLast((each) => each.code === CC.CreatePrimary && each.from === "tpm");
    assert.ok(last);
    const how = await attack({ code: CC.CreatePrimary, change: () => Buffer.from(last.bytes), isNew: true });
    assert.equal(how, "right");
  });
});

describe("an attacker on the connection", () => {
  const kinds = [CC.HMAC, CC.CreatePrimary, CC.StartAuthSession, CC.Load, CC.GetCapability, STARTUP];

  test("cuts it in the middle of a response: the call fails with UNAVAILABLE", async () => {
    for (const code of kinds)
      for (const length of [0, 3, 10, 13]) {
        const change: Change = (response) => ({ send: response.subarray(0, length), thenCut: true });
        // Ten bytes are a complete response only if it is an error, which none of these is, or Startup's, which has no more.
        const how = await attack({ code, change, isNew: code !== CC.HMAC });
        if (code === STARTUP && length >= 10) continue;
        assert.equal(how, "UNAVAILABLE", `0x${code.toString(16)}, ${length} bytes`);
      }
  });

  test("delays a response: the call ends in time, and the late response is ignored", async () => {
    const change: Change = (response) => ({ send: response, afterMs: WAITS.known + 100 });
    const how = await attack({ code: CC.HMAC, change });
    assert.ok(how === "UNAVAILABLE" || how === "DEADLINE_EXCEEDED", how);
    await proxy.allGiven();
    await opens(sealed);
  });

  test("sends random bytes: no result is returned, and calls succeed when the TPM's responses arrive again", async () => {
    const garbage: Change[] = [
      () => randomBytes(64),
      () => randomBytes(5000),
      (response) => Buffer.concat([response.subarray(0, 10), randomBytes(response.length - 10)]),
      // A header that reports success, and no body.
      () => Buffer.from("80020000000a00000000", "hex"),
      () => Buffer.from("8001ffffffff00000000", "hex"),
      (response) => Buffer.concat([response, response]),
    ];
    for (const change of garbage)
      for (const code of [CC.HMAC, CC.CreatePrimary]) {
        const how = await attack({ code, change, isNew: code !== CC.HMAC });
        assert.notEqual(how, "right");
      }
    // Garbage in reply to every command, for eight calls.
    proxy.tamper = () => randomBytes(40);
    for (let i = 0; i < 8; i++) assert.notEqual(await outcome(client.decrypt(sealed, WAITS.known)), "right");
    proxy.honest();
    await untilWell(() => opens(sealed));
  });
});

test("after all attacks the host serves, stops cleanly, and leaves nothing in the TPM", async () => {
  await untilWell(async () => {
    await client.status();
    await opens(await client.encrypt({ plaintext }));
    await opens(sealed);
  });
  assert.equal(await Fixture.stop(host), 0);
  assert.equal(await tpm.loaded(), "");
});
