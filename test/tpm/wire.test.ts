/** End to end: a host, a real swtpm, and an attacker between them who listens and flips bits. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { CC } from "../../host/capabilities/tpm/commands.ts";
import { AttackedTpm, outcome, PLAINTEXT, WAITS } from "../support/attacked-tpm.ts";
import { requireDebian } from "../support/debian.ts";
import { untilWell } from "../support/until-well.ts";

requireDebian(["swtpm", "tpm2-tools"]);

const STARTUP = 0x144;

let tpm: AttackedTpm;

before(async () => {
  tpm = await AttackedTpm.start();
});
after(() => tpm.close());

/** The values derived from the imported KEK (providers/tpm/README.md, "Formats"). */
function derived(use: string, context: Uint8Array, bits: number): Buffer {
  const ends = [Buffer.of(0, 0, 0, 1), Buffer.of(0, 0, bits >>> 8, bits & 0xff)] as const;
  return createHmac("sha256", tpm.kek)
    .update(Buffer.concat([ends[0], Buffer.from(`${use}\0`), context, ends[1]]))
    .digest();
}

describe("an eavesdropper", () => {
  test("learns no KEK, auth value, AES key, seed or plaintext from key init, start, Encrypt and Decrypt", async () => {
    const sealeds = [
      tpm.sealed,
      await tpm.client.encrypt({ plaintext: PLAINTEXT }),
      await tpm.client.encrypt({ plaintext: PLAINTEXT }),
    ];
    for (const one of sealeds) await tpm.opens(one);
    const secrets: [what: string, secret: Uint8Array][] = [
      ["the imported KEK", tpm.kek],
      ["the plaintext", PLAINTEXT],
      ["the key's id as the TPM gives it", derived("kleidi tpm hmac 1 id", Buffer.alloc(0), 128)],
      ...tpm.auths.map((auth): [string, Uint8Array] => ["an auth value", auth]),
      ...sealeds.map(({ ciphertext }): [string, Uint8Array] => [
        "an AES key",
        derived("kleidi tpm hmac 1 seed", ciphertext.subarray(1, 49), 256),
      ]),
    ];
    // The ciphertext is of the key of this test; otherwise the absence of its bytes would prove nothing.
    const { ciphertext } = tpm.sealed;
    const id = derived("kleidi tpm hmac 1 id", Buffer.alloc(0), 128).subarray(0, 16);
    assert.deepEqual(Buffer.from(ciphertext.subarray(1, 17)), id);
    const wire = Buffer.concat(tpm.proxy.heard.map(({ bytes }) => bytes));
    for (const code of [CC.CreatePrimary, CC.Create, CC.Load, CC.HMAC, CC.Unseal, CC.StartAuthSession])
      assert.ok(
        tpm.proxy.heard.some((each) => each.code === code && each.from === "tpm"),
        `0x${code.toString(16)} was heard`,
      );
    assert.equal(tpm.auths.length, 3);
    for (const [what, secret] of secrets) {
      assert.ok(secret.length >= 32, what);
      // Part of a secret must not appear either.
      for (let at = 0; at + 8 <= secret.length; at += 8)
        assert.ok(!wire.includes(secret.subarray(at, at + 8)), `${what} is on the wire`);
    }
  });

  test("sees no RSA key being created, and on the serving path no key except the storage primary", () => {
    const made = tpm.proxy.heard.filter(
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

async function encryptAndOpen(): Promise<{ plaintext: Uint8Array }> {
  const made = await tpm.client.encrypt({ plaintext: PLAINTEXT }, WAITS.known);
  tpm.proxy.honest();
  // A stored ciphertext can be decrypted, regardless of the responses behind it.
  return { plaintext: (await untilWell(() => tpm.client.decrypt(made))).plaintext };
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
      const how = await tpm.attack({ code: CC.HMAC, change: flip(at) });
      // A code that reports a missing handle makes the host load everything again.
      if (at < 6 || at > 9) assert.notEqual(how, "right", `byte ${at}`);
      await tpm.attack({ code: CC.HMAC, change: flip(at), isSingle: true });
    }
  });

  test("to HMAC, in Encrypt or its read-back, never leads to an unreadable ciphertext", async () => {
    for (const nth of [1, 2])
      for (const at of [8, 14, 16, 40, -33, -1]) {
        const how = await tpm.attack({ code: CC.HMAC, change: flip(at), nth }, encryptAndOpen);
        if (at !== 8) assert.notEqual(how, "right", `byte ${at} of the ${nth}. response`);
      }
  });

  test("to StartAuthSession, Load or CreatePrimary makes the call fail, or everything is loaded again", async () => {
    for (const code of [CC.StartAuthSession, CC.Load, CC.CreatePrimary])
      for (const at of [1, 8, 13, 16, 25, 30, 45, -33, -5, -1]) {
        const how = await tpm.attack({ code, change: flip(at), isNew: true });
        // The creation data of the primary is not used.
        if (at !== 8 && code !== CC.CreatePrimary) assert.notEqual(how, "right", `byte ${at}`);
      }
  });

  test("to the host's own commands to a new TPM does no harm", async () => {
    for (const code of [STARTUP, CC.GetCapability])
      for (const at of [1, 5, 8, 9, -1]) await tpm.attack({ code, change: flip(at), isNew: true });
  });

  test("in a handle, repeated, does not fill the TPM with orphaned objects", async () => {
    for (const code of [CC.CreatePrimary, CC.StartAuthSession, CC.Load]) {
      await tpm.proxy.cut();
      // A wrong handle may name the same primary of an earlier call, so the result can even be right.
      tpm.proxy.tamper = (each, response) =>
        each === code && response.length > 13 ? flip(13, 1)(response) : response;
      for (let i = 0; i < 5; i++) await outcome(tpm.client.decrypt(tpm.sealed, WAITS.isNew));
      tpm.proxy.honest();
      await untilWell(() => tpm.opens(tpm.sealed));
    }
  });
});

test("after all attacks the host serves, stops cleanly, and leaves nothing in the TPM", () =>
  tpm.assertUnharmed());
