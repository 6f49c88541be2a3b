/** The vault provider's requests and checks, with scripted answers of the server. A real OpenBao: test/openbao/vault.test.ts. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  AAD,
  answer,
  base64,
  CREATED,
  data,
  decrypt,
  encrypt,
  errors,
  everyCall,
  guest,
  ID,
  idOf,
  KEY,
  PLAINTEXT,
  SEALED,
  sent,
  settingsOf,
  status,
  text,
  VERSION,
} from "./vault/harness/calls.ts";
import { failureOf, unasked } from "./vault/harness/guest.ts";

describe("requests", () => {
  test("status reads the key and names its latest version, then the older ones, the newest first", () => {
    const reply = status((request) => {
      assert.deepEqual(sent(request), ["GET", "/v1/transit/keys/kek", ["x-vault-request: true"], ""]);
      return data(KEY);
    });
    assert.deepEqual(failureOf(reply), []);
    assert.equal(reply.version, VERSION);
    assert.deepEqual(reply.olderVersions, [`2.${CREATED + 2}.${ID}`, `1.${CREATED + 1}.${ID}`]);
  });

  test("encrypt names the version, binds the associated data, and never creates a key", () => {
    const reply = encrypt((request) => {
      assert.deepEqual(sent(request), [
        "POST",
        "/v1/transit/encrypt/kek",
        ["x-vault-request: true", "content-type: application/json"],
        { plaintext: base64(PLAINTEXT), associated_data: base64(AAD), key_version: 3, type: "make-no-key" },
      ]);
      return data({ ciphertext: `vault:v3:${SEALED}`, key_version: 3 });
    });
    assert.deepEqual(failureOf(reply), []);
    assert.equal(new TextDecoder().decode(reply.ciphertext), `vault:v3:${SEALED}`);
    assert.deepEqual(reply.annotations, []);
  });

  test("decrypt sends the ciphertext with the associated data", () => {
    const reply = decrypt((request) => {
      assert.deepEqual(sent(request), [
        "POST",
        "/v1/transit/decrypt/kek",
        ["x-vault-request: true", "content-type: application/json"],
        { ciphertext: `vault:v3:${SEALED}`, associated_data: base64(AAD) },
      ]);
      return data({ plaintext: base64(PLAINTEXT) });
    });
    assert.deepEqual(failureOf(reply), []);
    assert.deepEqual(reply.plaintext, PLAINTEXT);
  });

  test("the settings select another namespace, mount and key, and change the version", () => {
    const settings = { key: "Kek_2.a-b", mount: "kms/transit", namespace: "team/sub" };
    const path = "/v1/team/sub/kms/transit/keys/Kek_2.a-b";
    const reply = status((request) => {
      assert.equal(request.path, path);
      return data({ ...KEY, name: "Kek_2.a-b" });
    }, settings);
    assert.equal(reply.version, `3.${CREATED + 3}.${idOf(path)}`);
    const [code, message] = failureOf(encrypt(unasked, VERSION, settings));
    assert.equal(code, 2);
    assert.match(message ?? "", /belongs to a key at another place; undo the change of the key's settings/);
    const denied = failureOf(encrypt(() => errors(403, "permission denied"), reply.version, settings));
    assert.match(denied[1] ?? "", /"kms\/transit\/keys\/Kek_2.a-b" in the namespace "team\/sub"/);
    assert.match(denied[1] ?? "", /path "kms\/transit\/encrypt\/Kek_2.a-b"/);
  });
});

describe("settings", () => {
  const BAD = [
    ["mnt", "transit"],
    ["Key", "kek"],
    ["mount", "/transit"],
    ["mount", "transit/"],
    ["mount", "kms//transit"],
    ["mount", ".."],
    ["mount", "kms/../sys"],
    ["mount", "./transit"],
    ["mount", "tran%73it"],
    ["mount", "transit?x=1"],
    ["mount", "a b"],
    ["namespace", "team#1"],
    ["namespace", "/"],
    ["namespace", "\\team"],
    ["key", "a/b"],
    ["key", ".."],
    ["key", ".kek"],
    ["key", "kek-"],
    ["key", "ke k"],
    ["key", "kek?"],
  ] as const;

  for (const [name, value] of BAD) {
    test(`${name} "${value}" is refused without a request, with its name and value`, () => {
      for (const reply of [
        status(unasked, { [name]: value }),
        encrypt(unasked, VERSION, { [name]: value }),
        guest.decrypt({ key: "kek", settings: settingsOf({ [name]: value }) }, unasked),
      ]) {
        const [code, message = ""] = failureOf(reply);
        assert.equal(code, 2);
        assert.ok(message.startsWith('Cannot find the key "kek" in the server: '), message);
        assert.ok(message.includes(name === "mnt" || name === "Key" ? `"${name}"` : `"${value}"`), message);
      }
    });
  }

  test("a key name that Transit does not allow requires the setting", () => {
    const [code, message = ""] = failureOf(guest.status({ key: "-kek" }, unasked));
    assert.equal(code, 2);
    assert.match(message, /"-kek" cannot be the name of a Transit key: .* name it with the setting "key"/);
    assert.equal(
      guest.status({ key: "-kek", settings: [{ name: "key", value: "kek" }] }, () => data(KEY)).version,
      VERSION,
    );
  });

  test("every accepted setting gives a path that kleidi:net allows", () => {
    const GRAMMAR = /^(\/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+$/;
    const letters = fc.constantFrom(..."aZ09-._~/%?#: é\0");
    const value = fc.array(letters, { minLength: 1, maxLength: 8 }).map((all) => all.join(""));
    fc.assert(
      fc.property(value, value, value, (key, mount, namespace) => {
        const settings = settingsOf({ key, mount, namespace });
        guest.status({ key: "kek", settings }, ({ path }) => {
          assert.match(path, GRAMMAR);
          assert.ok(!path.split("/").some((segment) => segment === "." || segment === ".."), path);
          assert.ok(path === `/v1/${namespace}/${mount}/keys/${key}`);
          return 5;
        });
      }),
      { numRuns: 2000 },
    );
  });
});

describe("encrypt", () => {
  const CIPHERTEXTS: readonly (readonly [string, unknown])[] = [
    ["another version", `vault:v2:${SEALED}`],
    ["a later version", `vault:v33:${SEALED}`],
    ["the version with a zero", `vault:v03:${SEALED}`],
    ["another prefix", `vaulT:v3:${SEALED}`],
    ["no content", "vault:v3:"],
    ["a line break", `vault:v3:${SEALED}\n`],
    ["base64 for URLs", `vault:v3:${"-_".repeat(40)}`],
    ["1,029 characters", `vault:v3:${"A".repeat(1020)}`],
    ["none", undefined],
    ["null", null],
    ["a number", 3],
    ["an object", { v3: SEALED }],
  ];
  for (const [name, ciphertext] of CIPHERTEXTS) {
    test(`a ciphertext with ${name} is refused`, () => {
      const [code, said = ""] = failureOf(encrypt(() => data({ ciphertext, key_version: 3 })));
      assert.equal(code, 5, said);
      assert.match(said, /is not a ciphertext of version 3 with at most 1023 characters/);
    });
  }

  test("the ciphertext of the largest plaintext is accepted, and one of 1,021 characters", () => {
    for (const length of [512 + 28, 759]) {
      const ciphertext = `vault:v3:${base64(new Uint8Array(length))}`;
      assert.ok(ciphertext.length <= 1023);
      assert.equal(encrypt(() => data({ ciphertext })).ciphertext.length, ciphertext.length);
    }
  });

  for (const version of [
    "",
    "3",
    `3.${ID}`,
    "v1",
    `03.1.${ID}`,
    `0.1.${ID}`,
    `3..${ID}`,
    `4294967296.1.${ID}`,
    "3.1.",
    "3.1.0123",
  ]) {
    test(`the version "${version}" is refused without a request`, () => {
      const [code, said = ""] = failureOf(encrypt(unasked, version));
      assert.equal(code, 2);
      assert.match(said, /is not a version of this provider$/);
    });
  }
});

describe("decrypt", () => {
  const REFUSED: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
    ["nothing", "", /it is not a ciphertext of Transit/],
    ["bytes", new Uint8Array(60).fill(255), /it is not a ciphertext of Transit/],
    ["NUL bytes", new Uint8Array(60), /it is not a ciphertext of Transit/],
    ["a NUL behind it", `vault:v3:${SEALED}\0`, /it is not a ciphertext of Transit/],
    ["a line break behind it", `vault:v3:${SEALED}\n`, /it is not a ciphertext of Transit/],
    ["version 0, which the server takes for 1", `vault:v0:${SEALED}`, /it is not a ciphertext of Transit/],
    ["version 03, which the server takes for 3", `vault:v03:${SEALED}`, /it is not a ciphertext of Transit/],
    ["a version over 32 bits", `vault:v4294967299:${SEALED}`, /it is not a ciphertext of Transit/],
    ["stray bits at its end", "vault:v3:AB==", /it is not a ciphertext of Transit/],
    ["another version", `vault:v2:${SEALED}`, /it was made with version 2 of the key, not with 3/],
  ];
  for (const [name, ciphertext, message] of REFUSED) {
    test(`a ciphertext of ${name} is refused without a request`, () => {
      const [code, said = ""] = failureOf(decrypt(unasked, ciphertext));
      assert.equal(code, 1, said);
      assert.match(said, message);
    });
  }

  test("annotations are refused without a request", () => {
    const annotations = [{ name: "note.example.com" }];
    const request = {
      key: "kek",
      version: VERSION,
      ciphertext: new TextEncoder().encode(`vault:v3:${SEALED}`),
    };
    assert.equal(guest.decrypt({ ...request, annotations }, unasked).failure?.code, 1);
  });

  const PLAINTEXTS: readonly (readonly [string, unknown, number])[] = [
    ["nothing", "", 1],
    ["513 bytes", base64(new Uint8Array(513)), 1],
    ["base64 that is cut off", "AAA", 5],
    ["base64 with a line break", "AAAA\n", 5],
    ["a number", 7, 1],
  ];
  for (const [name, plaintext, code] of PLAINTEXTS) {
    test(`a plaintext of ${name} becomes code ${code}`, () => {
      assert.equal(decrypt(() => data({ plaintext })).failure?.code, code);
    });
  }

  test("decrypt returns a plaintext of 1 and of 512 bytes", () => {
    for (const length of [1, 512]) {
      const plaintext = new Uint8Array(length).fill(length);
      assert.deepEqual(decrypt(() => data({ plaintext: base64(plaintext) })).plaintext, plaintext);
    }
  });
});

/** A key whose members are surrounded by others, so that each must be searched. */
const withMembers = (member: string, count: number) =>
  `{"data":{${Array(count).fill(member).join(",")},${JSON.stringify(KEY).slice(1)}}`;
const keysTo = (latest: number) => Object.fromEntries(Array.from({ length: latest }, (_, i) => [i + 1, i]));

describe("no answer makes the guest trap or leak a secret", () => {
  const statuses = fc.constantFrom(200, 204, 301, 307, 400, 403, 404, 429, 500, 503);
  const json = fc.json({ maxDepth: 4, stringUnit: "binary" }).map((it) => new TextEncoder().encode(it));
  const member = fc.constantFrom(
    ...Object.keys(KEY),
    "ciphertext",
    "plaintext",
    "errors",
    "convergent_encryption",
  );
  const odd = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(...Object.values(KEY)),
    fc.integer(),
    fc.bigInt().map(String),
  );
  const nearly = fc.array(fc.tuple(member, odd), { maxLength: 4 }).map((changes) => {
    const content = {
      ...KEY,
      ciphertext: `vault:v3:${SEALED}`,
      plaintext: base64(PLAINTEXT),
      ...Object.fromEntries(changes),
    };
    return new TextEncoder().encode(JSON.stringify({ ...content, data: content }));
  });
  const bodies = fc.oneof(fc.uint8Array({ maxLength: 300 }), json, nearly);

  for (const [call, , failure] of everyCall) {
    test(call, () => {
      fc.assert(
        fc.property(statuses, bodies, fc.string({ maxLength: 20 }), (code, body, type) => {
          const [actual, said] = failure(() => answer(code, body, type));
          if (actual === undefined) return;
          assert.ok([1, 2, 3, 4, 5].includes(actual));
          assert.ok(!said?.includes(base64(PLAINTEXT)));
        }),
        { numRuns: 1500 },
      );
    });
  }

  const HUGE: readonly (readonly [string, string])[] = [
    ["7,000 members", withMembers('"a":1', 7_000)],
    ["4,000 members with escaped names", withMembers('"\\u0061":1', 4_000)],
    ["8,000 empty errors", `{"errors":[${Array(8_000).fill('""').join(",")}]}`],
    ["one error of 8,000 escapes", `{"errors":["${"\\u0001".repeat(8_000)}"]}`],
    ["one error of 48,000 spaces", `{"errors":["${" ".repeat(48_000)}"]}`],
    ["4,000 versions", `{"data":${JSON.stringify({ ...KEY, keys: keysTo(4_000), latest_version: 4_000 })}}`],
    ["40,000 digits", `{"data":{"name":"kek","type":"aes256-gcm96","latest_version":${"9".repeat(40_000)}}}`],
    ["a name of 40,000 characters", JSON.stringify({ data: { ...KEY, name: "k".repeat(40_000) } })],
    [
      "a ciphertext of 40,000 characters",
      JSON.stringify({ data: { ciphertext: `vault:v3:${"A".repeat(40_000)}` } }),
    ],
    ["a plaintext of 40,000 characters", JSON.stringify({ data: { plaintext: "A".repeat(40_000) } })],
  ];
  for (const [name, body] of HUGE) {
    test(`${name}, at each status`, () => {
      assert.ok(body.length <= 49_152, `${body.length} bytes`);
      for (const [, , failure] of everyCall) {
        for (const code of [200, 400, 403, 404, 500]) failure(() => text(code, body, "application/json"));
      }
    });
  }

  test("Status names well-formed versions or fails", () => {
    fc.assert(
      fc.property(nearly, (body) => {
        const reply = status(() => answer(200, body));
        if (reply.failure !== undefined) return;
        for (const version of [reply.version, ...reply.olderVersions])
          assert.match(version, /^[1-9]\d{0,9}\.\d{1,16}\.[0-9a-f]{16}$/);
        assert.ok(reply.olderVersions.length <= 256);
      }),
      { numRuns: 1500 },
    );
  });
});
