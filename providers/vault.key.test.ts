/** The vault provider's Status: the keys that it accepts, and the versions that it names. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  CREATED,
  data,
  described,
  encrypt,
  ID,
  KEY,
  SEALED,
  status,
  text,
  VERSION,
} from "./vault/harness/calls.ts";
import { failureOf } from "./vault/harness/guest.ts";

describe("a key's description", () => {
  const UNUSABLE: readonly (readonly [string, object, RegExp])[] = [
    [
      "an RSA key",
      { type: "rsa-2048" },
      /its type is "rsa-2048", which binds no associated data; create a key of type aes256-gcm96/,
    ],
    ["no type", { type: undefined }, /its type is ""/],
    ["a type that is a number", { type: 7 }, /its type is ""/],
    ["a derived key", { derived: true }, /it is derived/],
    ["a convergent key", { convergent_encryption: true }, /equal plaintexts give equal ciphertexts/],
    ["a soft-deleted key", { soft_deleted: true }, /it is soft-deleted; restore it/],
    ["a key that cannot encrypt", { supports_encryption: false }, /it cannot encrypt/],
    ["a key that cannot decrypt", { supports_decryption: false }, /it cannot decrypt/],
    ["another key", { name: "kek2" }, /the server described another key, "kek2"/],
    ["no name", { name: undefined }, /the server described another key, ""/],
  ];
  for (const [name, changes, message] of UNUSABLE) {
    test(`${name} is refused`, () => {
      const [code, said = ""] = failureOf(described(changes));
      assert.equal(code, 2, said);
      assert.ok(said.startsWith('Cannot use the key "transit/keys/kek": '), said);
      assert.match(said, message);
    });
  }

  for (const type of ["aes128-gcm96", "aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305"]) {
    test(`a key of type ${type} is accepted`, () => assert.equal(described({ type }).version, VERSION));
  }

  test("a description without soft_deleted and min_available_version is accepted", () => {
    const { soft_deleted, min_available_version, ...older } = KEY;
    assert.equal(status(() => data(older)).version, VERSION);
  });

  const STRANGE: readonly (readonly [string, object, RegExp])[] = [
    ["no latest_version", { latest_version: undefined }, /make no sense/],
    ["version 0", { latest_version: 0 }, /make no sense/],
    ["a negative version", { latest_version: -1 }, /make no sense/],
    ["a version that is not an integer", { latest_version: 3.5 }, /make no sense/],
    ["a version as text", { latest_version: "3" }, /make no sense/],
    ["a version over 32 bits", { latest_version: 4_294_967_296 }, /make no sense/],
    ["a huge version", { latest_version: 1e300 }, /make no sense/],
    ["min_decryption_version past the latest", { min_decryption_version: 4 }, /make no sense/],
    ["min_encryption_version past the latest", { min_encryption_version: 4 }, /make no sense/],
    ["a min_available_version as text", { min_available_version: "1" }, /make no sense/],
    ["no keys", { keys: undefined }, /it has no "keys"/],
    ["keys as a list", { keys: [1, 2, 3] }, /"keys" lacks version 3/],
    ["no time for the latest", { keys: { "1": 1, "2": 2 } }, /"keys" lacks version 3/],
    ["no time for an older one", { keys: { "1": 1, "3": 3 } }, /"keys" lacks version 2/],
    [
      "a version past the latest",
      { keys: { ...KEY.keys, "4": 4 } },
      /a name that is not a version from 1 to 3/,
    ],
    ["version 0 in keys", { keys: { ...KEY.keys, "0": 4 } }, /a name that is not a version from 1 to 3/],
    [
      "a name with a leading zero",
      { keys: { ...KEY.keys, "03": 4 } },
      /a name that is not a version from 1 to 3/,
    ],
    ["a time as text", { keys: { ...KEY.keys, "3": "2026-11-25T08:40:31Z" } }, /version 3 has no Unix time/],
    [
      "a time as an object",
      { keys: { ...KEY.keys, "3": { creation_time: 1 } } },
      /version 3 has no Unix time/,
    ],
    ["a time before 1970", { keys: { ...KEY.keys, "3": -1 } }, /version 3 has no Unix time/],
    ["a time with a fraction", { keys: { ...KEY.keys, "3": 1.5 } }, /version 3 has no Unix time/],
  ];
  for (const [name, changes, message] of STRANGE) {
    test(`${name} is refused`, () => {
      const [code, said = ""] = failureOf(described(changes));
      assert.equal(code, 5, said);
      assert.match(said, message);
    });
  }

  test("a version that occurs twice is refused", () => {
    const body = JSON.stringify({ data: KEY }).replace('"2":', '"3":1,"2":');
    const [code, said = ""] = failureOf(status(() => text(200, body, "application/json")));
    assert.equal(code, 5);
    assert.match(said, /has version 3 twice/);
  });

  test("older versions end at min_decryption_version and at min_available_version", () => {
    assert.equal(described({ min_decryption_version: 2 }).olderVersions.length, 1);
    assert.equal(described({ min_available_version: 2 }).olderVersions.length, 1);
    assert.equal(
      described({ min_decryption_version: 3, keys: { "3": CREATED + 3 } }).olderVersions.length,
      0,
    );
  });

  const groupsOf = (changes: object, settings = {}) =>
    status(() => data({ ...KEY, ...changes }), settings).unusable.map(
      ({ reason, remedy, ciphertextPrefixes }) => ({
        reason,
        remedy,
        prefixes: ciphertextPrefixes.map((prefix) => new TextDecoder().decode(prefix)),
      }),
    );

  test("a key all of whose versions decrypt has no unusable ones", () => {
    assert.deepEqual(groupsOf({}), []);
  });

  test("versions below min_decryption_version are unusable, with the command that changes it", () => {
    const settings = { namespace: "team" };
    assert.deepEqual(groupsOf({ min_decryption_version: 3, keys: { "3": CREATED + 3 } }, settings), [
      {
        reason:
          'versions 1 to 2 are below the min_decryption_version of the key "transit/keys/kek" in the namespace "team", which is 3',
        remedy:
          "To read objects that they encrypted, lower it until these are encrypted again: bao write -namespace=team transit/keys/kek/config min_decryption_version=1",
        prefixes: ["vault:v2:", "vault:v1:"],
      },
    ]);
  });

  test("trimmed versions have no command, and those between the two minimums do", () => {
    const [below, trimmed, ...more] = groupsOf({
      latest_version: 5,
      min_decryption_version: 4,
      min_available_version: 3,
      keys: { "4": CREATED + 4, "5": CREATED + 5 },
    });
    assert.deepEqual(
      [below?.prefixes, trimmed?.prefixes, more],
      [["vault:v3:"], ["vault:v2:", "vault:v1:"], []],
    );
    assert.match(below?.remedy ?? "", /min_decryption_version=3$/);
    assert.match(trimmed?.reason ?? "", /^versions 1 to 2 are trimmed .*: its min_available_version is 3$/);
    assert.match(trimmed?.remedy ?? "", /only a backup from before the trim/);
  });

  test("at most 256 unusable versions are named, the newest ones", () => {
    for (const min_available_version of [0, 1000, 2000]) {
      const groups = groupsOf({
        latest_version: 2000,
        min_decryption_version: 2000,
        min_available_version,
        keys: { "2000": CREATED },
      });
      const all = groups.flatMap(({ prefixes }) => prefixes);
      assert.deepEqual([all.length, all[0], all.at(-1)], [256, "vault:v1999:", "vault:v1744:"]);
    }
  });

  test("the texts of the longest settings are within the contract", () => {
    const settings = { namespace: "n".repeat(256), mount: "m".repeat(256), key: "k".repeat(256) };
    const [group] = groupsOf({ name: settings.key, min_decryption_version: 3 }, settings);
    assert.deepEqual([group?.reason.length, group?.remedy.length], [512, 512]);
  });

  test("Status names the latest of 2,000 versions and the newest 256 before it", () => {
    const keys = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [String(i + 1), CREATED + i]));
    const reply = described({ latest_version: 2000, keys });
    assert.equal(reply.version, `2000.${CREATED + 1999}.${ID}`);
    assert.equal(reply.olderVersions.length, 256);
    assert.equal(reply.olderVersions[0], `1999.${CREATED + 1998}.${ID}`);
    assert.equal(reply.olderVersions[255], `1744.${CREATED + 1743}.${ID}`);
  });

  test("Status reads a description of 40 KiB", () => {
    assert.equal(described({ more: "x".repeat(40_000) }).version, VERSION);
  });

  test("another creation time gives another version", () => {
    const again = described({ latest_version: 1, keys: { "1": CREATED + 9 } }).version;
    assert.equal(again, `1.${CREATED + 9}.${ID}`);
  });

  test("a version is printable, has at most 128 characters, and encrypt accepts it", () => {
    const keys = { "4294967295": 9_007_199_254_740_991 };
    const { version } = described({
      latest_version: 4_294_967_295,
      min_decryption_version: 4_294_967_295,
      keys,
    });
    assert.match(version, /^[!-~]{1,128}$/);
    const ciphertext = `vault:v4294967295:${SEALED}`;
    assert.deepEqual(failureOf(encrypt(() => data({ ciphertext }), version)), []);
  });
});
