/** Guests with invalid or false replies. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkStatusReply } from "../../host/kms/check-reply.ts";
import { Keyset } from "../../host/kms/keyset.ts";
import { Arena, call, FAILED, failure, plaintext, REPLY } from "./arena.ts";

const arena = new Arena();
const text = Buffer.from(plaintext).toString();
const NO_MESSAGE = `${REPLY}: it is not a message of kleidi.provider.v1.EncryptReply`;
const STANDS = `${REPLY}: its ciphertext or an annotation contains the plaintext`;

describe("a guest that replies to Encrypt", () => {
  const REPLIES: [attack: number, what: string, message: string, code?: "read-back-failed"][] = [
    [1, "with the plaintext as its ciphertext", STANDS],
    [2, "with the plaintext in an annotation", STANDS],
    [3, "with a StatusReply", NO_MESSAGE],
    [
      4,
      "with a DecryptReply",
      'Cannot encrypt: provider "hostile" decrypted its new ciphertext to a different plaintext',
      "read-back-failed",
    ],
    [
      5,
      "with an annotation of the host's",
      `${REPLY}: an annotation's name is at or under kleidi.dev, which is reserved for the host`,
    ],
    [6, "with an annotation whose name is invalid UTF-8", NO_MESSAGE],
    [
      7,
      "with 30,000 empty annotations",
      `${REPLY}: an annotation's name is not a domain name of at least two labels`,
    ],
    [8, "with nested groups", NO_MESSAGE],
    [9, "with a field that claims 2 GiB", NO_MESSAGE],
  ];
  for (const [attack, what, message, code = "provider-fault"] of REPLIES) {
    test(`${what} is refused`, async () => {
      const sandbox = await arena.enter("encrypt-reply");
      await arena.refused(() => call(sandbox, "encrypt", attack), { code, message });
      await call(sandbox, "encrypt", 0);
      assert.deepEqual(sandbox.ends, []);
    });
  }
});

describe("a guest that replies to Decrypt", () => {
  const ANOTHER = 'Cannot encrypt: provider "hostile" decrypted its new ciphertext to a different plaintext';
  const NOT = 'Cannot encrypt: provider "hostile" cannot decrypt its new ciphertext';

  test("with another call's plaintext stores nothing", async () => {
    const sandbox = await arena.enter("decrypt-reply");
    await arena.refused(() => call(sandbox, "encrypt", 1), { code: "read-back-failed", message: ANOTHER });
    await call(sandbox, "encrypt", 0);
  });

  const SIZES: [attack: number, what: string, said: string][] = [
    [2, "with an empty plaintext", "its plaintext is empty"],
    [3, "with 513 bytes", "its plaintext is 513 bytes, at most 512 are allowed"],
  ];
  for (const [attack, what, said] of SIZES) {
    test(`${what} is refused, and stores nothing`, async () => {
      const sandbox = await arena.enter("decrypt-reply");
      const message = `${REPLY}: ${said}`;
      await arena.refused(() => call(sandbox, "decrypt", attack), { code: "provider-fault", message });
      await arena.refused(() => call(sandbox, "encrypt", attack), { code: "read-back-failed", message: NOT });
      await call(sandbox, "decrypt", 0);
    });
  }

  test("with a failure that contains the plaintext is quoted only in the log", async () => {
    const sandbox = await arena.enter("decrypt-reply");
    for (const rpc of ["decrypt", "encrypt"] as const) {
      const error = await failure(() => call(sandbox, rpc, 4));
      const message = 'Cannot decrypt: provider "hostile" reports that its KMS does not answer';
      assert.deepEqual([error.code, error.message, error.cause], ["backend-unreachable", message, text]);
    }
    await call(sandbox, "decrypt", 0);
  });

  test("with an error that contains the plaintext is quoted only in the log", async () => {
    const sandbox = await arena.enter("decrypt-reply");
    const error = await failure(() => call(sandbox, "decrypt", 5));
    assert.deepEqual([error.code, error.message], ["provider-fault", FAILED]);
    assert.ok(String(error.cause).includes(text), "the log has the text");
    const readBack = await failure(() => call(sandbox, "encrypt", 5));
    assert.deepEqual([readBack.code, readBack.message], ["read-back-failed", NOT]);
    assert.ok(!String(readBack.cause).includes(text), "the cause is the host's own message");
    await call(sandbox, "decrypt", 0);
  });
});

describe("a guest that reports as its version", () => {
  const STATUS = 'Cannot accept the status of provider "hostile"';
  const VERSIONS: [attack: number, what: string, message: string][] = [
    [1, "invalid UTF-8", `${REPLY}: it is not a message of kleidi.provider.v1.StatusReply`],
    [2, "two lines", `${STATUS}: a version contains a space or a character outside printable ASCII`],
    [3, "terminal escapes", `${STATUS}: a version contains a space or a character outside printable ASCII`],
    [4, "129 bytes", `${STATUS}: a version is 129 bytes, at most 128 are allowed`],
    [5, "nothing", `${STATUS}: a version is empty`],
    [6, "one that is also listed as older", `${STATUS}: a version is listed twice`],
    [7, "one of 258", `${STATUS}: it lists 257 older versions, at most 256 are allowed`],
  ];
  for (const [attack, what, message] of VERSIONS) {
    test(`${what} is refused`, async () => {
      const sandbox = await arena.enter("versions");
      await arena.refused(() => call(sandbox, "status", attack), { code: "provider-fault", message });
      await call(sandbox, "status", 0);
    });
  }

  const DICE: [attack: number, what: string, message: RegExp][] = [
    [
      1,
      "one of two by chance",
      /^Cannot use key "attack-1": provider "hostile" reverted from version [AB] to [AB]$/,
    ],
    [
      2,
      "a new one each time",
      /^Cannot use key "attack-2": provider "hostile" has reported 1025 versions since the host started, at most 1024 are allowed$/,
    ],
  ];
  for (const [attack, what, message] of DICE) {
    test(`${what} is refused eventually`, async () => {
      const sandbox = await arena.enter("versions-random");
      const { key } = await sandbox.key(`attack-${attack}`, "");
      const keyset = new Keyset([key]);
      const learnForEver = async () => {
        for (;;) {
          const reply = await sandbox.provider.status(key.name);
          checkStatusReply("hostile", reply);
          keyset.markGood(await keyset.addVersions(key, reply));
        }
      };
      const [error] = await Promise.all([failure(learnForEver), arena.honestWork()]);
      assert.equal(error.code, "provider-fault");
      assert.match(error.message, message);
      await call(sandbox, "status", 0);
    });
  }
});
