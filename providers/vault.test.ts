/** The vault provider's own branches, with a server made of tables. A real OpenBao: test/openbao/vault.test.ts. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { before, describe, test } from "node:test";
import fc from "fast-check";
import type { NetRequest } from "../proto/provider/v1/provider_pb.ts";
import { failureOf, Guest, type Server, unasked } from "./vault/harness/guest.ts";

const PLAINTEXT = new Uint8Array(32).fill(5);
const AAD = new Uint8Array([1, 2, 3]);
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
const SEALED = base64(new Uint8Array(60).fill(9));
const CREATED = 1_795_596_031;
const idOf = (path: string) => createHash("sha256").update(path).digest("hex").slice(0, 16);
const ID = idOf("/v1/transit/keys/kek");
const VERSION = `3.${CREATED + 3}.${ID}`;

/** As OpenBao 2.4.0 describes a key with three versions, its members that mean nothing here among them. */
const KEY = {
  allow_plaintext_backup: false,
  auto_rotate_period: 0,
  deletion_allowed: false,
  derived: false,
  exportable: false,
  imported_key: false,
  keys: { "1": CREATED + 1, "2": CREATED + 2, "3": CREATED + 3 } as Record<string, unknown>,
  latest_version: 3 as unknown,
  min_available_version: 0 as unknown,
  min_decryption_version: 1 as unknown,
  min_encryption_version: 0 as unknown,
  name: "kek",
  soft_deleted: false,
  supports_decryption: true,
  supports_derivation: true,
  supports_encryption: true,
  supports_signing: false,
  type: "aes256-gcm96",
};

let guest: Guest;

before(async () => {
  guest = await Guest.load();
});

/** A response with this JSON, or these bytes, in its body. */
const answer = (status: number, body: unknown, type = "application/json") => ({
  status,
  headers: [{ name: "content-type", value: type }],
  body: body instanceof Uint8Array ? body : new TextEncoder().encode(JSON.stringify(body)),
});
const data = (content: object) => answer(200, { request_id: "x", data: content, warnings: null, auth: null });
const errors = (status: number, ...texts: string[]) => answer(status, { errors: texts });
const text = (status: number, body: string, type: string) =>
  answer(status, new TextEncoder().encode(body), type);

const settingsOf = (settings: Record<string, string>) =>
  Object.entries(settings).map(([name, value]) => ({ name, value }));
const status = (server: Server, settings = {}) =>
  guest.status({ key: "kek", settings: settingsOf(settings) }, server);
const described = (changes: object) => status(() => data({ ...KEY, ...changes }));
const encrypt = (server: Server, version = VERSION, settings = {}) =>
  guest.encrypt(
    { key: "kek", version, plaintext: PLAINTEXT, associatedData: AAD, settings: settingsOf(settings) },
    server,
  );
const decrypt = (server: Server, ciphertext: string | Uint8Array = `vault:v3:${SEALED}`, version = VERSION) =>
  guest.decrypt(
    {
      key: "kek",
      version,
      ciphertext: typeof ciphertext === "string" ? new TextEncoder().encode(ciphertext) : ciphertext,
      associatedData: AAD,
    },
    server,
  );

/** All three calls, as they fail with this answer. */
const everyCall: readonly (readonly [string, string, (server: Server) => [] | [number, string]])[] = [
  ["status", 'Cannot read the key "transit/keys/kek": ', (server) => failureOf(status(server))],
  ["encrypt", 'Cannot encrypt with the key "transit/keys/kek": ', (server) => failureOf(encrypt(server))],
  ["decrypt", 'Cannot decrypt with the key "transit/keys/kek": ', (server) => failureOf(decrypt(server))],
];

function sent(request: NetRequest): unknown[] {
  const headers = request.headers.map(({ name, value }) => `${name}: ${value}`);
  const body = new TextDecoder().decode(request.body);
  return [request.method, request.path, headers, body && JSON.parse(body)];
}

describe("what is asked", () => {
  test("status reads the key and names its latest version, and those before it, the newest first", () => {
    const reply = status((request) => {
      assert.deepEqual(sent(request), ["GET", "/v1/transit/keys/kek", [], ""]);
      return data(KEY);
    });
    assert.deepEqual(failureOf(reply), []);
    assert.equal(reply.version, VERSION);
    assert.deepEqual(reply.olderVersions, [`2.${CREATED + 2}.${ID}`, `1.${CREATED + 1}.${ID}`]);
  });

  test("encrypt names the version, binds the associated data, and would make no key", () => {
    const reply = encrypt((request) => {
      assert.deepEqual(sent(request), [
        "POST",
        "/v1/transit/encrypt/kek",
        ["content-type: application/json"],
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
        ["content-type: application/json"],
        { ciphertext: `vault:v3:${SEALED}`, associated_data: base64(AAD) },
      ]);
      return data({ plaintext: base64(PLAINTEXT) });
    });
    assert.deepEqual(failureOf(reply), []);
    assert.deepEqual(reply.plaintext, PLAINTEXT);
  });

  test("the settings lead to another namespace, mount and key, and to another version", () => {
    const settings = { key: "Kek_2.a-b", mount: "kms/transit", namespace: "team/sub" };
    const path = "/v1/team/sub/kms/transit/keys/Kek_2.a-b";
    const reply = status((request) => {
      assert.equal(request.path, path);
      return data({ ...KEY, name: "Kek_2.a-b" });
    }, settings);
    assert.equal(reply.version, `3.${CREATED + 3}.${idOf(path)}`);
    const [code, message] = failureOf(encrypt(unasked, VERSION, settings));
    assert.equal(code, 2);
    assert.match(message ?? "", /is that of a key at another place; undo the change of the key's settings/);
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
    test(`${name} "${value}" is refused before anything is asked, with its name and value`, () => {
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

  test("a key of the configuration that Transit cannot have needs the setting", () => {
    const [code, message = ""] = failureOf(guest.status({ key: "-kek" }, unasked));
    assert.equal(code, 2);
    assert.match(message, /"-kek" cannot be the name of a Transit key: .* name it with the setting "key"/);
    assert.equal(
      guest.status({ key: "-kek", settings: [{ name: "key", value: "kek" }] }, () => data(KEY)).version,
      VERSION,
    );
  });

  test("whatever is accepted is a path of kleidi:net", () => {
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

describe("what the server refuses", () => {
  /** Name, answer, code, what the message says; the calls that it is for, all by default. */
  const REFUSALS: readonly (readonly [string, ReturnType<typeof answer>, number, RegExp, string?])[] = [
    ["sealed", errors(503, "Vault is sealed"), 3, /the server is sealed; unseal it/],
    [
      "a standby that forwards",
      answer(307, new Uint8Array(0)),
      3,
      /is a standby, and the host follows no redirect; write the active one's origin/,
    ],
    ["a permanent redirect of a standby", answer(308, new Uint8Array(0)), 3, /is a standby/],
    ["a standby without an active node", errors(503, "no active Vault instance found"), 3, /is a standby/],
    ["a standby by its text", errors(500, "Vault is in standby mode"), 3, /is a standby/],
    ["a performance standby", errors(473, ""), 3, /is a standby/],
    ["a disaster recovery secondary", errors(472, ""), 3, /is a secondary for disaster recovery/],
    ["not initialized", errors(501, "Vault is not initialized"), 3, /is not initialized/],
    [
      "a locked namespace",
      errors(503, "API access to this namespace has been locked by an administrator"),
      3,
      /the namespace is locked; unlock it/,
    ],
    [
      "a rate limit quota",
      errors(429, 'request path "transit/keys/kek": rate limit quota exceeded'),
      3,
      /a quota is exceeded \(status 429\); raise it under sys\/quotas/,
    ],
    [
      "too many requests at a proxy",
      text(429, "slow down", "text/plain"),
      3,
      /too many requests for now \(status 429\)/,
    ],
    [
      "a state that has not arrived",
      errors(412, "required index state not present"),
      3,
      /status 412, application\/json\): "required index state not present"/,
    ],
    [
      "an internal error",
      errors(500, "1 error occurred:\n\t* internal error\n\n"),
      3,
      /"1 error occurred: \* internal error"/,
    ],
    ["a proxy's error page", text(502, "<html>Bad Gateway</html>", "text/html"), 3, /status 502, text\/html/],
    [
      "permission denied",
      errors(403, "1 error occurred:\n\t* permission denied\n\n"),
      4,
      /or its policy lacks path "transit\/keys\/kek" \{ capabilities = \["read"\] \}$/,
      "status",
    ],
    [
      "permission denied",
      errors(403, "permission denied"),
      4,
      /path "transit\/encrypt\/kek" \{ capabilities = \["update"\] \}; the server says so too where the key is missing/,
      "encrypt",
    ],
    [
      "permission denied",
      errors(403, "permission denied"),
      4,
      /path "transit\/decrypt\/kek" \{ capabilities = \["update"\] \}$/,
      "decrypt",
    ],
    ["a proxy that wants a login", text(401, "<html>", "text/html"), 4, /permission denied \(status 401\)/],
    [
      "no such key",
      answer(404, { errors: [] }),
      2,
      /there is no such key; restore it from a backup, or, if nothing was encrypted with it, make it \(bao write -f transit\/keys\/kek\)/,
    ],
    ["no such key, when it is used", errors(400, "encryption key not found"), 2, /there is no such key/],
    [
      "a key that would have been made",
      errors(400, "unknown key type make-no-key"),
      2,
      /there is no such key/,
      "encrypt",
    ],
    [
      "no such mount",
      errors(404, 'no handler for route "transit/keys/kek". route entry not found.'),
      2,
      /no Transit engine is mounted there; see the settings "mount" and "namespace"/,
    ],
    [
      "another engine",
      errors(404, "1 error occurred:\n\t* unsupported path\n\n"),
      2,
      /no Transit engine is mounted there/,
    ],
    ["a soft-deleted key", errors(400, "refusing to use soft-deleted key"), 2, /soft-deleted; restore it/],
    [
      "a version below min_decryption_version",
      errors(400, "ciphertext or signature version is disallowed by policy (too old)"),
      2,
      /version 3 is below the key's min_decryption_version; lower that until everything is encrypted anew/,
      "decrypt",
    ],
    [
      "a version below min_encryption_version",
      errors(400, "requested version for encryption is less than the minimum encryption key version"),
      2,
      /version 3 is below the key's min_encryption_version/,
      "encrypt",
    ],
    [
      "a version that is not there yet",
      errors(400, "requested version for encryption is higher than the latest key version"),
      2,
      /it has no version 3 now: it was made anew, or restored from an older backup/,
      "encrypt",
    ],
    [
      "a ciphertext of a later version",
      errors(400, "invalid ciphertext: version is too new"),
      2,
      /it has no version 3 now/,
      "decrypt",
    ],
    ["a version without a key", errors(400, "no such key version"), 2, /it has no version 3 now/, "decrypt"],
    [
      "other associated data",
      errors(400, "cipher: message authentication failed"),
      1,
      /was not made with this key, version and associated data/,
      "decrypt",
    ],
    [
      "a short ciphertext",
      errors(400, "invalid ciphertext length"),
      1,
      /was not made with this key/,
      "decrypt",
    ],
    [
      "a derived key",
      errors(400, "missing 'context' for key derivation; the key was created using a derived key"),
      2,
      /make one of type aes256-gcm96, not derived/,
    ],
    [
      "a key that cannot encrypt",
      errors(400, "message encryption not supported for key type ed25519"),
      2,
      /make one of type aes256-gcm96/,
    ],
    [
      "an unknown fault of the request",
      errors(400, "error parsing JSON"),
      5,
      /does not know \(status 400, application\/json\): "error parsing JSON"/,
    ],
    ["an unsupported operation", errors(405, "unsupported operation"), 5, /status 405/],
    [
      "a page that is not there",
      text(404, "<html>", "text/html; charset=utf-8"),
      5,
      /status 404, text\/html; charset=utf-8/,
    ],
    [
      "a redirect to a login",
      text(302, "", "text/html"),
      5,
      /a redirect \(status 302, text\/html\), which is not followed; write the server's own origin/,
    ],
    [
      "a page instead of JSON",
      text(200, "<html>hello</html>", "text/html"),
      5,
      /\(status 200, text\/html\) is no JSON; is the grant's origin a Vault or OpenBao\?/,
    ],
    [
      "nothing",
      { status: 204, headers: [], body: new Uint8Array(0) },
      5,
      /\(status 204, no content-type\) is no JSON/,
    ],
    ["JSON without data", answer(200, { ok: true }), 5, /is JSON without "data"/],
    ["data that is null", answer(200, { data: null }), 5, /is JSON without "data"/],
    [
      "data twice",
      text(200, '{"data":{"a":1},"data":{"a":1}}', "application/json"),
      5,
      /is JSON without "data"/,
    ],
    [
      "JSON that is cut off",
      text(200, '{"data":{"ciphertext":"vault:v3:', "application/json"),
      5,
      /is no JSON/,
    ],
    ["NUL bytes", answer(200, new Uint8Array(48_000)), 5, /is no JSON/],
    ["48 KiB of open brackets", text(400, "[".repeat(49_000), "application/json"), 5, /status 400/],
  ];

  for (const [name, response, code, message, only] of REFUSALS) {
    for (const [call, action, failure] of everyCall.filter(([call]) => only === undefined || call === only)) {
      test(`${call}: ${name} is code ${code}`, () => {
        const [actual, said = ""] = failure(() => response);
        assert.ok(said.startsWith(action), said);
        assert.match(said, message);
        assert.equal(actual, code);
        assert.ok(!said.includes(SEALED) && !said.includes(base64(PLAINTEXT)), said);
      });
    }
  }

  for (const [host, code] of [
    [1, 5],
    [2, 5],
    [5, 3],
    [6, 5],
  ] as const) {
    test(`no answer, and host code ${host}, is code ${code} with the host's message`, () => {
      for (const [, action, failure] of everyCall) {
        const said = `${action.slice(0, -2)}: the host answered code ${host}, "code ${host}"`;
        assert.deepEqual(
          failure(() => host),
          [code, said],
        );
      }
    });
  }

  test("a server that repeats what was sent is not quoted", () => {
    const [, encrypted] = failureOf(encrypt(() => errors(400, `cannot use ${base64(PLAINTEXT)}`)));
    const [, decrypted] = failureOf(decrypt(() => errors(500, `cannot use vault:v3:${SEALED}`)));
    for (const said of [encrypted, decrypted]) assert.match(said ?? "", /\); its words repeat the request$/);
  });

  test("a long text of the server is cut, control characters and all beyond ASCII become spaces", () => {
    const [, said = ""] = failureOf(status(() => errors(400, `\u0000\u001b[31m é ${"x".repeat(40_000)}`)));
    assert.match(said, /: "\[31m x{100,160}"$/);
    assert.ok(said.length <= 512);
  });
});

describe("a key's description", () => {
  const UNUSABLE: readonly (readonly [string, object, RegExp])[] = [
    [
      "an RSA key",
      { type: "rsa-2048" },
      /its type is "rsa-2048", which binds no associated data; make one of type aes256-gcm96/,
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
    test(`${name} is not used`, () => {
      const [code, said = ""] = failureOf(described(changes));
      assert.equal(code, 2, said);
      assert.ok(said.startsWith('Cannot use the key "transit/keys/kek": '), said);
      assert.match(said, message);
    });
  }

  for (const type of ["aes128-gcm96", "aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305"]) {
    test(`a key of type ${type} is used`, () => assert.equal(described({ type }).version, VERSION));
  }

  test("a server that does not know soft_deleted and min_available_version is understood", () => {
    const { soft_deleted, min_available_version, ...older } = KEY;
    assert.equal(status(() => data(older)).version, VERSION);
  });

  const STRANGE: readonly (readonly [string, object, RegExp])[] = [
    ["no latest_version", { latest_version: undefined }, /make no sense/],
    ["version 0", { latest_version: 0 }, /make no sense/],
    ["a negative version", { latest_version: -1 }, /make no sense/],
    ["a version that is no integer", { latest_version: 3.5 }, /make no sense/],
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
    ["a version past the latest", { keys: { ...KEY.keys, "4": 4 } }, /what is no version up to 3/],
    ["version 0 in keys", { keys: { ...KEY.keys, "0": 4 } }, /what is no version up to 3/],
    ["a name with a leading zero", { keys: { ...KEY.keys, "03": 4 } }, /what is no version up to 3/],
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
    test(`${name} is not understood`, () => {
      const [code, said = ""] = failureOf(described(changes));
      assert.equal(code, 5, said);
      assert.match(said, message);
    });
  }

  test("a version that is there twice is not understood", () => {
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

  test("of 2,000 versions, Status names the latest and the newest 256 before it", () => {
    const keys = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [String(i + 1), CREATED + i]));
    const reply = described({ latest_version: 2000, keys });
    assert.equal(reply.version, `2000.${CREATED + 1999}.${ID}`);
    assert.equal(reply.olderVersions.length, 256);
    assert.equal(reply.olderVersions[0], `1999.${CREATED + 1998}.${ID}`);
    assert.equal(reply.olderVersions[255], `1744.${CREATED + 1743}.${ID}`);
  });

  test("a description of 40 KiB is read", () => {
    assert.equal(described({ more: "x".repeat(40_000) }).version, VERSION);
  });

  test("another creation time is another version", () => {
    const again = described({ latest_version: 1, keys: { "1": CREATED + 9 } }).version;
    assert.equal(again, `1.${CREATED + 9}.${ID}`);
  });

  test("a version is printable, at most 128 characters, and what encrypt takes", () => {
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
      assert.match(said, /is no ciphertext of version 3, of at most 1023 characters/);
    });
  }

  test("a ciphertext of the largest plaintext is taken, and one of 1,021 characters", () => {
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
    test(`the version "${version}" is none, and nothing is asked`, () => {
      const [code, said = ""] = failureOf(encrypt(unasked, version));
      assert.equal(code, 2);
      assert.match(said, /is no version of this provider$/);
    });
  }
});

describe("decrypt", () => {
  const REFUSED: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
    ["nothing", "", /it is none of Transit's/],
    ["bytes", new Uint8Array(60).fill(255), /it is none of Transit's/],
    ["NUL bytes", new Uint8Array(60), /it is none of Transit's/],
    ["a NUL behind it", `vault:v3:${SEALED}\0`, /it is none of Transit's/],
    ["a line break behind it", `vault:v3:${SEALED}\n`, /it is none of Transit's/],
    ["version 0, which the server takes for 1", `vault:v0:${SEALED}`, /it is none of Transit's/],
    ["version 03, which the server takes for 3", `vault:v03:${SEALED}`, /it is none of Transit's/],
    ["a version over 32 bits", `vault:v4294967299:${SEALED}`, /it is none of Transit's/],
    ["stray bits at its end", "vault:v3:AB==", /it is none of Transit's/],
    ["another version", `vault:v2:${SEALED}`, /it was made with version 2 of the key, not with 3/],
  ];
  for (const [name, ciphertext, message] of REFUSED) {
    test(`a ciphertext of ${name} is refused, and nothing is asked`, () => {
      const [code, said = ""] = failureOf(decrypt(unasked, ciphertext));
      assert.equal(code, 1, said);
      assert.match(said, message);
    });
  }

  test("annotations are refused, and nothing is asked", () => {
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
    test(`a plaintext of ${name} is code ${code}`, () => {
      assert.equal(decrypt(() => data({ plaintext })).failure?.code, code);
    });
  }

  test("a plaintext of 1 and of 512 bytes is given back", () => {
    for (const length of [1, 512]) {
      const plaintext = new Uint8Array(length).fill(length);
      assert.deepEqual(decrypt(() => data({ plaintext: base64(plaintext) })).plaintext, plaintext);
    }
  });
});

describe("no answer makes the guest trap or say what it must not", () => {
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

  test("status names well-formed versions or fails", () => {
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
