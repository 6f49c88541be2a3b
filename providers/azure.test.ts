/** The azure provider alone: its requests, the answers that it accepts, and the failure with its remedy for each refusal of a vault. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { NetRequest } from "../proto/provider/v1/provider_pb.ts";
import { failureOf, Guest, type Server, unasked } from "./vault/harness/guest.ts";

const guest = await Guest.load("azure", 2);
const [LATEST, OLDER, OLDEST] = ["a", "b", "c"].map((letter) => letter.repeat(32)) as [
  string,
  string,
  string,
];
const VAULT = "https://kek-vault.vault.azure.net/keys/kek";
const SEED = new Uint8Array(32).fill(5);
const AAD = new Uint8Array([1, 2, 3]);
const WRAPPED = new Uint8Array(256).fill(0xfb);
const url = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");

const answer = (status: number, body: unknown, type = "application/json; charset=utf-8") => ({
  status,
  headers: [{ name: "content-type", value: type }],
  body: typeof body === "string" ? Buffer.from(body) : Buffer.from(JSON.stringify(body)),
});
const refusal = (status: number, code: string, message = "", inner?: string) =>
  answer(status, {
    error: { code, message, ...(inner === undefined ? {} : { innererror: { code: inner } }) },
  });
const key = (changes: object = {}, attributes: object = { enabled: true, created: 1_795_596_120 }) => ({
  key: {
    kid: `${VAULT}/${LATEST}`,
    kty: "RSA",
    key_ops: ["wrapKey", "unwrapKey"],
    n: "x",
    e: "AQAB",
    ...changes,
  },
  attributes,
});
const LIST = {
  value: [
    { kid: `${VAULT}/${OLDEST}`, attributes: { enabled: false, created: 1_795_596_000 } },
    { kid: `${VAULT}/${LATEST}`, attributes: { enabled: true, created: 1_795_596_120 } },
    { kid: `${VAULT}/${OLDER}`, attributes: { enabled: true, created: 1_795_596_060 } },
  ],
  nextLink: null,
};

const status = (server: Server, settings: { name: string; value: string }[] = []) =>
  guest.status({ key: "kek", settings }, server);
const described = (first: object, list: object = LIST) =>
  status(({ path }) => answer(200, path.includes("/versions?") ? list : first));
const encrypt = (server: Server, version = `rsa.${LATEST}`, plaintext = SEED) =>
  guest.encrypt({ key: "kek", version, plaintext, associatedData: AAD }, server);
const decrypt = (
  server: Server,
  ciphertext: Uint8Array,
  version = `rsa.${LATEST}`,
  associatedData: Uint8Array = AAD,
) => guest.decrypt({ key: "kek", version, ciphertext, associatedData }, server);

/** A vault that wraps a key as WRAPPED, and gives back the last one. */
function vault(changes: object = {}) {
  const requests: NetRequest[] = [];
  let value = "";
  const server: Server = (request) => {
    requests.push(request);
    const input = JSON.parse(Buffer.from(request.body).toString());
    const unwraps = request.path.includes("/unwrapkey?");
    if (!unwraps) value = input.value;
    const id = /\/([0-9a-f]{32})\//.exec(request.path)?.[1];
    return answer(200, { kid: `${VAULT}/${id}`, value: unwraps ? value : url(WRAPPED), ...changes });
  };
  return { server, requests };
}

describe("requests", () => {
  test("Status reads the key and its versions, and names the older ones by their time", () => {
    const paths: string[] = [];
    const { version, olderVersions } = status(({ method, path }) => {
      paths.push(`${method} ${path}`);
      return answer(200, path.includes("/versions?") ? LIST : key());
    });
    assert.deepEqual(
      [version, ...olderVersions],
      [LATEST, OLDER, OLDEST].map((id) => `rsa.${id}`),
    );
    assert.deepEqual(paths, [
      "GET /keys/kek?api-version=7.4",
      "GET /keys/kek/versions?api-version=7.4&maxresults=25",
    ]);
  });

  test("the settings name the key and the version of the API", () => {
    const settings = [
      { name: "apiVersion", value: "2025-07-01" },
      { name: "key", value: "other" },
    ];
    const paths: string[] = [];
    status(({ path }) => {
      paths.push(path);
      return refusal(404, "KeyNotFound");
    }, settings);
    assert.deepEqual(paths, ["/keys/other?api-version=2025-07-01"]);
  });

  for (const [kind, algorithm] of [
    ["rsa", "RSA-OAEP-256"],
    ["aes", "A256KW"],
  ] as const)
    test(`Encrypt and Decrypt of a version ${kind} wrap and unwrap a key of 32 bytes by ${algorithm}`, () => {
      const { server, requests } = vault();
      const version = `${kind}.${LATEST}`;
      const { ciphertext } = encrypt(server, version);
      assert.deepEqual([...ciphertext.subarray(0, 3)], [1, 1, 0]);
      assert.deepEqual(Buffer.from(ciphertext.subarray(3, 259)), Buffer.from(WRAPPED));
      assert.equal(ciphertext.length, 3 + 256 + 12 + 32 + 16);
      assert.deepEqual(Buffer.from(decrypt(server, ciphertext, version).plaintext), Buffer.from(SEED));
      const [wraps, unwraps] = requests.map(({ method, path, body }) => ({
        line: `${method} ${path}`,
        ...JSON.parse(Buffer.from(body).toString()),
      }));
      assert.equal(wraps.line, `POST /keys/kek/${LATEST}/wrapkey?api-version=7.4`);
      assert.equal(unwraps.line, `POST /keys/kek/${LATEST}/unwrapkey?api-version=7.4`);
      assert.deepEqual([wraps.alg, unwraps.alg, unwraps.value], [algorithm, algorithm, url(WRAPPED)]);
      assert.equal(Buffer.from(wraps.value, "base64url").length, 32);
    });

  test("each Encrypt has another key, and nothing of the seed is sent", () => {
    const { server, requests } = vault();
    encrypt(server);
    encrypt(server);
    const [one, other] = requests.map(({ body }) => Buffer.from(body).toString());
    assert.notEqual(one, other);
    for (const text of [one, other]) assert.ok(!text?.includes(url(SEED).slice(0, 20)));
  });
});

describe("a ciphertext", () => {
  const { server } = vault();
  const { ciphertext } = encrypt(server);
  const changed = (at: number) => {
    const copy = Uint8Array.from(ciphertext);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };
  const refused = (bytes: Uint8Array, version?: string, data?: Uint8Array) =>
    assert.equal(failureOf(decrypt(server, bytes, version, data))[0], 1);

  test("of another version is refused, though the vault unwraps its key", () =>
    refused(ciphertext, `rsa.${OLDER}`));
  test("of another kind is refused", () => refused(ciphertext, `aes.${LATEST}`));
  test("with other associated data is refused", () => refused(ciphertext, undefined, SEED));
  test("with changed bytes is refused", () => {
    for (const at of [0, 1, 2, 259, 280, ciphertext.length - 1]) refused(changed(at));
  });
  test("that is cut is refused before a request", () => {
    for (let length = 0; length < 288; length += 7)
      assert.equal(failureOf(decrypt(unasked, ciphertext.subarray(0, length)))[0], 1);
  });
  test("whose key has another size is refused", () => {
    const other = vault({ value: url(new Uint8Array(31)) });
    assert.equal(failureOf(decrypt(other.server, ciphertext))[0], 1);
  });
  test("of a seed that does not fit is not made", () => {
    const big = vault({ value: url(new Uint8Array(512)) });
    assert.equal(failureOf(encrypt(big.server, undefined, new Uint8Array(512)))[0], 5);
  });
});

describe("names", () => {
  for (const settings of [
    [{ name: "key", value: "" }],
    [{ name: "key", value: "a/b" }],
    [{ name: "key", value: "a.b" }],
    [{ name: "key", value: "x".repeat(128) }],
    [{ name: "apiVersion", value: "7.4&x" }],
    [{ name: "vault", value: "x" }],
  ])
    test(`the settings ${JSON.stringify(settings).slice(0, 60)} are refused before a request`, () => {
      assert.equal(failureOf(status(unasked, settings))[0], 2);
    });

  for (const version of [
    "",
    LATEST,
    `rsa${LATEST}`,
    `ec.${LATEST}`,
    `rsa.${LATEST}0`,
    `rsa.${LATEST.toUpperCase()}`,
  ])
    test(`the version ${version} is refused before a request`, () => {
      assert.equal(failureOf(encrypt(unasked, version))[0], 2);
      assert.equal(failureOf(decrypt(unasked, new Uint8Array(400), version))[0], 2);
    });

  test("the format of another plugin is refused before a request", () => {
    const fields = { key: "kek", version: `rsa.${LATEST}`, foreignFormat: "x" };
    assert.equal(failureOf(guest.status(fields, unasked))[0], 2);
    assert.equal(failureOf(guest.decrypt({ ...fields, ciphertext: SEED }, unasked))[0], 2);
  });
});

describe("answers that are not believed", () => {
  const cases: readonly (readonly [string, () => object, number])[] = [
    ["Status of another key", () => described(key({ kid: `${VAULT}2/${LATEST}` })), 5],
    ["Status without a version", () => described(key({ kid: VAULT })), 5],
    ["Status of a key on a curve", () => described(key({ kty: "EC" })), 2],
    ["Status of a key that only signs", () => described(key({ key_ops: ["sign"] })), 2],
    ["Status of a disabled version", () => described(key({}, { enabled: false })), 2],
    ["Status without attributes", () => described({ ...key(), attributes: undefined }), 2],
    [
      "Status with a list of another key",
      () => described(key(), { value: [{ kid: "x", attributes: { created: 1 } }] }),
      5,
    ],
    [
      "Status with a version without a time",
      () => described(key(), { value: [{ kid: `${VAULT}/${OLDER}` }] }),
      5,
    ],
    ["Status without a list", () => described(key(), { x: 1 }), 5],
    ["Encrypt by another version", () => encrypt(vault({ kid: `${VAULT}/${OLDER}` }).server), 5],
    ["Encrypt by another key", () => encrypt(vault({ kid: `${VAULT}2/${LATEST}` }).server), 5],
    ["Encrypt without a value", () => encrypt(vault({ value: "" }).server), 5],
    ["Encrypt with padded base64", () => encrypt(vault({ value: "AAA=" }).server), 5],
    ["Encrypt with plain base64", () => encrypt(vault({ value: "++//" }).server), 5],
    ["Encrypt with a stray letter", () => encrypt(vault({ value: "AAAAA" }).server), 5],
    ["a page of a proxy", () => encrypt(() => answer(200, "<html>", "text/html")), 5],
    ["a redirect", () => encrypt(() => answer(302, "", "text/html")), 5],
    ["an empty object", () => encrypt(() => answer(200, {})), 5],
  ];
  for (const [name, call, code] of cases)
    test(name, () => assert.equal(failureOf(call() as Parameters<typeof failureOf>[0])[0], code));

  test("a list with another page does not hide the versions of this one", () => {
    const { olderVersions, failure } = described(key(), {
      ...LIST,
      nextLink: "https://x.example/?$skiptoken=y",
    });
    assert.deepEqual([failure, olderVersions.length], [undefined, 2]);
  });
});

const RBAC =
  "Caller is not authorized.\r\nCaller: appid=1;oid=12345678-1234-1234-1234-123456789012;iss=https://sts.windows.net/x/\r\nAction: 'Microsoft.KeyVault/vaults/keys/unwrap/action'\r\nResource: '/subscriptions/0/resourcegroups/rg/providers/microsoft.keyvault/vaults/kek-vault/keys/kek'\r\n";
/** Name, answer, code; the sentences are in the snapshot. */
const REFUSALS: readonly (readonly [string, ReturnType<typeof answer>, number])[] = [
  ["an invalid token", refusal(401, "Unauthorized", "AKV10004: Lifetime validation failed."), 4],
  ["a token for another audience", refusal(401, "Unauthorized", "AKV10022: Invalid audience."), 4],
  ["a token of another tenant", refusal(401, "Unauthorized", "AKV10032: Invalid issuer."), 4],
  ["no role", refusal(403, "Forbidden", RBAC, "ForbiddenByRbac"), 4],
  ["no role in a Managed HSM", refusal(403, "Forbidden", "User is not authorized"), 4],
  ["no access policy", refusal(403, "Forbidden", "appid=1;oid=x';iss=", "ForbiddenByPolicy"), 4],
  ["a firewall", refusal(403, "Forbidden", "Client address is not authorized", "ForbiddenByFirewall"), 4],
  ["a private endpoint", refusal(403, "Forbidden", "", "ForbiddenByConnection"), 4],
  [
    "a disabled version",
    refusal(403, "Forbidden", "Operation is not allowed on a disabled key.", "KeyDisabled"),
    2,
  ],
  ["an operation that the key has not", refusal(403, "Forbidden", "", "KeyOperationForbidden"), 2],
  ["a key outside of its time", refusal(403, "Forbidden", "", "KeyNotYetValid"), 2],
  [
    "no such key",
    refusal(404, "KeyNotFound", "A key with (name/id) kek was not found in this key vault."),
    2,
  ],
  ["a deleted key", refusal(409, "Conflict", "Key kek is currently in a deleted but recoverable state"), 2],
  ["throttling", refusal(429, "Throttled"), 3],
  ["too many requests at a proxy", answer(429, ""), 3],
  ["a server that is down", refusal(503, "ServiceUnavailable"), 3],
  ["a proxy without a server", answer(502, "<html>", "text/html"), 3],
  ["a proxy that refuses", answer(403, "<html>", "text/html"), 4],
  ["another error", refusal(418, "Teapot", url(SEED)), 5],
  ["an error that is a sentence", refusal(418, url(SEED)), 5],
];

describe("refusals", () => {
  const sealed = encrypt(vault().server).ciphertext;
  for (const [name, reply, code] of REFUSALS) {
    test(name, () => {
      for (const call of [
        () => status(() => reply),
        () => encrypt(() => reply),
        () => decrypt(() => reply, sealed),
      ])
        assert.equal(failureOf(call())[0], code);
    });
  }

  test("a bad parameter is the ciphertext's fault in Decrypt only", () => {
    const reply = refusal(400, "BadParameter", "The parameter is incorrect.");
    assert.equal(failureOf(decrypt(() => reply, sealed))[0], 1);
    assert.equal(failureOf(encrypt(() => reply))[0], 5);
  });

  test("each has its own sentence, of at most 512 bytes", (t) => {
    const sentences = REFUSALS.map(
      ([name, reply]) => [name, failureOf(decrypt(() => reply, sealed))[1] ?? ""] as const,
    );
    for (const [name, text] of sentences) assert.ok(Buffer.byteLength(text) <= 512, name);
    t.assert.snapshot(sentences.map(([name, text]) => `${name}\n  ${text}`).join("\n"), {
      serializers: [(text: string) => text],
    });
  });

  test("no message repeats data of the request", () => {
    const echo = ({ body }: NetRequest) => {
      const text = Buffer.from(body).toString();
      return refusal(403, text, `oid=${text};Resource: '/subscriptions/${text}'`, text);
    };
    const [, text = ""] = failureOf(decrypt(echo, sealed));
    assert.ok(text.length > 0 && !text.includes(url(WRAPPED).slice(0, 20)), text);
  });
});
