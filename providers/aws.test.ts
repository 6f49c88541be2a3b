/** The aws provider alone: its requests, the answers that it accepts, and the failure with its remedy for each refusal of KMS. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { NetRequest } from "../proto/provider/v1/provider_pb.ts";
import { failureOf, Guest, type Server, unasked } from "./vault/harness/guest.ts";

const guest = await Guest.load("aws");
const ACCOUNT = "arn:aws:kms:eu-central-1:111122223333";
const ARN = `${ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
const MRK = `${ACCOUNT}:key/mrk-1234abcd12ab34cd56ef1234567890ab`;
const MRK_VERSION = "arn:aws:kms::111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";
const SEED = new Uint8Array(32).fill(5);
const AAD = new Uint8Array([1, 2, 3]);
const SEALED = new Uint8Array(184).fill(9);
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

const answer = (status: number, body: unknown, type = "application/x-amz-json-1.1") => ({
  status,
  headers: [{ name: "content-type", value: type }],
  body: typeof body === "string" ? Buffer.from(body) : Buffer.from(JSON.stringify(body)),
});
const refusal = (type: string, message = "", status = 400) => answer(status, { __type: type, message });
const METADATA = {
  Arn: ARN,
  KeyId: "1234abcd-12ab-34cd-56ef-1234567890ab",
  Enabled: true,
  KeyState: "Enabled",
  KeyUsage: "ENCRYPT_DECRYPT",
  KeySpec: "SYMMETRIC_DEFAULT",
  Origin: "AWS_KMS",
  MultiRegion: false,
  CreationDate: 1795596031.123,
  CurrentKeyMaterialId: "ab".repeat(32),
};

const settings = (key?: string) => (key === undefined ? [] : [{ name: "key", value: key }]);
const status = (server: Server, key?: string) =>
  guest.status({ key: "kek", settings: settings(key) }, server);
const encrypt = (server: Server, key: string | undefined = ARN, version = ARN) =>
  guest.encrypt(
    { key: "kek", version, plaintext: SEED, associatedData: AAD, settings: settings(key) },
    server,
  );
const decrypt = (server: Server, key: string | undefined = ARN, version = ARN) =>
  guest.decrypt(
    { key: "kek", version, ciphertext: SEALED, associatedData: AAD, settings: settings(key) },
    server,
  );
const described = (changes: object, key: string | undefined = ARN) =>
  status(() => answer(200, { KeyMetadata: { ...METADATA, ...changes } }), key);

function recorder(reply: object) {
  const requests: NetRequest[] = [];
  const server: Server = (request) => {
    requests.push(request);
    return answer(200, reply);
  };
  const sent = () => {
    const [request] = requests;
    return [
      request?.method,
      request?.path,
      request?.headers.map(({ name, value }) => `${name}: ${value}`),
      JSON.parse(Buffer.from(request?.body ?? []).toString()),
    ];
  };
  return { server, sent };
}
const request = (operation: string, body: object) => [
  "POST",
  "/",
  ["content-type: application/x-amz-json-1.1", `x-amz-target: TrentService.${operation}`],
  body,
];

describe("requests", () => {
  test("Status describes the key of the settings, or the alias of the key's name", () => {
    const { server, sent } = recorder({ KeyMetadata: METADATA });
    assert.equal(status(server).version, ARN);
    assert.deepEqual(sent(), request("DescribeKey", { KeyId: "alias/kek" }));
  });

  test("Encrypt names the version, and binds the associated data as encryption context", () => {
    const { server, sent } = recorder({ KeyId: ARN, CiphertextBlob: base64(SEALED) });
    assert.deepEqual(Buffer.from(encrypt(server, "alias/x").ciphertext), Buffer.from(SEALED));
    const EncryptionContext = { kleidi: base64(AAD) };
    assert.deepEqual(sent(), request("Encrypt", { KeyId: ARN, Plaintext: base64(SEED), EncryptionContext }));
  });

  test("Decrypt names the version too, so that KMS takes no other key", () => {
    const { server, sent } = recorder({ KeyId: ARN, Plaintext: base64(SEED) });
    assert.deepEqual(Buffer.from(decrypt(server).plaintext), Buffer.from(SEED));
    const EncryptionContext = { kleidi: base64(AAD) };
    assert.deepEqual(
      sent(),
      request("Decrypt", { KeyId: ARN, CiphertextBlob: base64(SEALED), EncryptionContext }),
    );
  });
});

describe("the version of a multi-Region key", () => {
  test("has no Region, so that all replicas have the same one", () => {
    const other = MRK.replace("eu-central-1", "eu-west-1");
    for (const Arn of [MRK, other]) assert.equal(described({ Arn }, Arn).version, MRK_VERSION);
  });

  const KEY_IDS = [
    [MRK, MRK],
    [MRK.replace("eu-central-1", "eu-west-1"), MRK.replace("eu-central-1", "eu-west-1")],
    ["arn:aws:kms:eu-west-1:111122223333:alias/kek", MRK.replace("eu-central-1", "eu-west-1")],
    ["alias/kek", "mrk-1234abcd12ab34cd56ef1234567890ab"],
    ["mrk-1234abcd12ab34cd56ef1234567890ab", "mrk-1234abcd12ab34cd56ef1234567890ab"],
  ] as const;
  for (const [setting, keyId] of KEY_IDS) {
    test(`is the key of the Region of ${setting}`, () => {
      const { server, sent } = recorder({
        KeyId: MRK.replace("eu-central-1", "eu-west-1"),
        Plaintext: base64(SEED),
      });
      assert.deepEqual(failureOf(decrypt(server, setting, MRK_VERSION)), []);
      assert.equal((sent()[3] as { KeyId: string }).KeyId, keyId);
    });
  }
});

describe("objects of aws-encryption-provider", () => {
  const OBJECT = Buffer.concat([Buffer.from("1"), SEALED]);
  const fields = (settings: Record<string, string>) => ({
    key: "old",
    foreignFormat: "aws-encryption-provider",
    settings: Object.entries(settings).map(([name, value]) => ({ name, value })),
  });
  const open = (server: Server, settings: Record<string, string>, ciphertext: Uint8Array = OBJECT) =>
    guest.decrypt({ ...fields(settings), version: ARN, ciphertext }, server);

  for (const key of [ARN, METADATA.KeyId, "alias/kek", `${ACCOUNT}:alias/kek`])
    test(`Status reports ${key} as the plugin's option names the key`, () => {
      const reply = guest.status(fields({ key }), () => answer(200, { KeyMetadata: METADATA }));
      assert.deepEqual(reply.foreignKeyIds, [key]);
      assert.equal(reply.version, ARN);
    });

  test("Status of a key that KMS cannot use reports none", () => {
    const KeyMetadata = { ...METADATA, KeyState: "Disabled" };
    const reply = guest.status(fields({ key: ARN }), () => answer(200, { KeyMetadata }));
    assert.deepEqual([failureOf(reply)[0], reply.foreignKeyIds], [2, []]);
  });

  const CONTEXTS: readonly [string | undefined, object][] = [
    [undefined, {}],
    ["cluster=blue", { cluster: "blue" }],
    ["a=b,c=d", { a: "b", c: "d" }],
    ["a=b=c,d=", { a: "b=c", d: "" }],
    ["a= b ", { a: " b " }],
  ];
  for (const [context, EncryptionContext] of CONTEXTS)
    test(`Decrypt sends the encryption context ${context}, and nothing of kleidí`, () => {
      const { server, sent } = recorder({ KeyId: ARN, Plaintext: base64(SEED) });
      const settings = { key: ARN, ...(context === undefined ? {} : { context }) };
      assert.deepEqual(Buffer.from(open(server, settings).plaintext), Buffer.from(SEED));
      assert.deepEqual(
        sent(),
        request("Decrypt", { KeyId: ARN, CiphertextBlob: base64(SEALED), EncryptionContext }),
      );
    });

  for (const context of ["a", "=b", "a=b,", "[a=b]", '"a=b,c"', "a=b,,c=d"])
    test(`the context ${context} is refused before a request`, () => {
      const [code, message] = failureOf(open(unasked, { key: ARN, context }));
      assert.equal(code, 2);
      assert.match(String(message), /NAME=VALUE/);
    });

  for (const object of [SEALED, Buffer.from("1"), Buffer.from("2abc"), Buffer.alloc(0)])
    test(`an object that begins with ${object.subarray(0, 2).join(" ") || "nothing"} is refused before a request`, () =>
      assert.equal(failureOf(open(unasked, { key: ARN }, object))[0], 1));

  test("a key of kleidí has no context of another plugin", () => {
    const settings = [{ name: "context", value: "a=b" }];
    assert.equal(failureOf(guest.status({ key: "kek", settings }, unasked))[0], 2);
  });
});

describe("other partitions and names", () => {
  for (const arn of [
    "arn:aws-cn:kms:cn-north-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
  ])
    test(arn, () => assert.equal(described({ Arn: arn }, arn).version, arn));

  test("the id of a key", () => {
    const id = METADATA.KeyId;
    assert.equal(described({}, id).version, ARN);
    assert.deepEqual(failureOf(encrypt(() => answer(200, { KeyId: ARN, CiphertextBlob: "AAAA" }), id)), []);
  });

  for (const key of ["", "a b", "alias/ä", `alias/${"x".repeat(300)}`])
    test(`the setting ${key.slice(0, 20)} is refused before a request`, () => {
      assert.equal(failureOf(status(unasked, key))[0], 2);
    });

  test("an unknown setting is refused before a request", () => {
    const reply = guest.status({ key: "kek", settings: [{ name: "region", value: "x" }] }, unasked);
    assert.equal(failureOf(reply)[0], 2);
  });

  test("an unknown format of another plugin is refused before a request", () => {
    const fields = { key: "kek", version: ARN, foreignFormat: "vault-kubernetes-kms" };
    assert.equal(failureOf(guest.status(fields, unasked))[0], 2);
    assert.equal(failureOf(guest.decrypt({ ...fields, ciphertext: SEALED }, unasked))[0], 2);
  });

  test("a version of another key is refused before a request", () => {
    const other = ARN.replace("1234abcd", "ffffffff");
    for (const call of [encrypt, decrypt]) assert.equal(failureOf(call(unasked, ARN, other))[0], 2);
    assert.equal(failureOf(decrypt(unasked, METADATA.KeyId, other))[0], 2);
    assert.equal(failureOf(decrypt(unasked, ARN, MRK_VERSION))[0], 2);
  });
});

describe("answers that are not believed", () => {
  const cases: readonly (readonly [string, () => { failure?: never } | object, number])[] = [
    ["Status of another key", () => described({ Arn: ARN.replace("1234abcd", "ffffffff") }), 5],
    ["Status without an ARN", () => described({ Arn: 1 }), 5],
    ["Status of an alias", () => described({ Arn: `${ACCOUNT}:alias/kek` }, "alias/kek"), 5],
    ["Status of another service", () => described({ Arn: ARN.replace(":kms:", ":s3:") }, "alias/kek"), 5],
    [
      "Status with an ARN twice",
      () => status(() => answer(200, `{"KeyMetadata":{"Arn":"${ARN}","Arn":"${ARN}"}}`), ARN),
      5,
    ],
    ["Encrypt with another key", () => encrypt(() => answer(200, { KeyId: MRK, CiphertextBlob: "AAAA" })), 5],
    ["Encrypt without a ciphertext", () => encrypt(() => answer(200, { KeyId: ARN })), 5],
    [
      "Encrypt with 1,024 bytes",
      () => encrypt(() => answer(200, { KeyId: ARN, CiphertextBlob: base64(new Uint8Array(1024)) })),
      5,
    ],
    ["Encrypt with loose base64", () => encrypt(() => answer(200, { KeyId: ARN, CiphertextBlob: "AAA" })), 5],
    ["Decrypt with another key", () => decrypt(() => answer(200, { KeyId: MRK, Plaintext: "AAAA" })), 5],
    ["Decrypt without a key", () => decrypt(() => answer(200, { Plaintext: "AAAA" })), 5],
    ["Decrypt of nothing", () => decrypt(() => answer(200, { KeyId: ARN, Plaintext: "" })), 1],
    [
      "Decrypt of 513 bytes",
      () => decrypt(() => answer(200, { KeyId: ARN, Plaintext: base64(new Uint8Array(513)) })),
      1,
    ],
    ["a page of a proxy", () => encrypt(() => answer(200, "<html>", "text/html")), 5],
    ["a redirect", () => encrypt(() => answer(302, "", "text/html")), 5],
    ["an empty object", () => encrypt(() => answer(200, {})), 5],
  ];
  for (const [name, call, code] of cases)
    test(name, () => assert.equal(failureOf(call() as Parameters<typeof failureOf>[0])[0], code));
});

/** Name, answer, code; the sentences are in the snapshot. */
const REFUSALS: readonly (readonly [string, ReturnType<typeof answer>, number])[] = [
  [
    "no permission by an identity policy",
    refusal(
      "AccessDeniedException",
      `User: arn:aws:sts::111122223333:assumed-role/node/i-1 is not authorized to perform: kms:Decrypt on resource: ${ARN} because no identity-based policy allows the kms:Decrypt action`,
    ),
    4,
  ],
  [
    "no permission by the key policy",
    refusal(
      "AccessDeniedException",
      `User: arn:aws:iam::444455556666:user/x is not authorized to perform: kms:Decrypt on resource: ${ARN} because no resource-based policy allows the kms:Decrypt action`,
    ),
    4,
  ],
  [
    "an explicit deny",
    refusal("AccessDeniedException", "with an explicit deny in an identity-based policy"),
    4,
  ],
  [
    "a ciphertext of a foreign key",
    refusal("AccessDeniedException", "The ciphertext refers to a customer master key that does not exist"),
    4,
  ],
  ["no permission without words", refusal("AccessDeniedException"), 4],
  [
    "words that break out of the statement",
    refusal("AccessDeniedException", `on resource: arn:x"},{"Effect":"Allow"`),
    4,
  ],
  ["no such key", refusal("NotFoundException", "Key 'x' does not exist"), 2],
  ["a key of another Region", refusal("NotFoundException", "Invalid arn us-west-2"), 2],
  ["a name that is no ARN", refusal("InvalidArnException"), 2],
  ["a disabled key", refusal("DisabledException", `${ARN} is disabled.`), 2],
  ["a key that is deleted soon", refusal("KMSInvalidStateException", `${ARN} is pending deletion.`), 2],
  [
    "a replica that is deleted soon",
    refusal("KMSInvalidStateException", `${ARN} is pending replica deletion.`),
    2,
  ],
  ["a key without its material", refusal("KMSInvalidStateException", `${ARN} is pending import.`), 2],
  ["a key store that is not connected", refusal("KMSInvalidStateException", `${ARN} is unavailable.`), 3],
  ["a key that is being created", refusal("KMSInvalidStateException", `${ARN} is creating.`), 3],
  ["a key for signatures", refusal("InvalidKeyUsageException"), 2],
  ["a changed ciphertext", refusal("InvalidCiphertextException"), 1],
  ["a ciphertext of another key", refusal("IncorrectKeyException"), 1],
  ["throttling", refusal("ThrottlingException", "Rate exceeded"), 3],
  ["a limit", refusal("LimitExceededException"), 3],
  ["too many requests at a proxy", answer(429, ""), 3],
  ["a fault of KMS", refusal("KMSInternalException", "", 500), 3],
  ["a dependency of KMS", refusal("DependencyTimeoutException", "", 503), 3],
  ["a key that is not available", refusal("KeyUnavailableException", "", 500), 3],
  ["a proxy without a server", answer(502, "<html>", "text/html"), 3],
  ["unknown keys", refusal("UnrecognizedClientException"), 4],
  ["expired keys", refusal("com.amazon.coral.service#ExpiredTokenException"), 4],
  [
    "a signature for another Region",
    refusal("InvalidSignatureException", "Credential should be scoped to a valid region, not 'us-east-1'. "),
    4,
  ],
  ["a wrong clock", refusal("InvalidSignatureException", "Signature expired: 1 is now earlier than 2"), 4],
  ["a wrong secret", refusal("InvalidSignatureException", "The request signature we calculated"), 4],
  ["no signature", refusal("MissingAuthenticationTokenException"), 4],
  ["another service", refusal("UnknownOperationException"), 5],
  ["a refusal without a type", answer(400, { message: base64(SEED) }), 5],
  ["a refusal that is not JSON", answer(403, "<html>", "text/html"), 5],
];

describe("refusals", () => {
  for (const [name, reply, code] of REFUSALS) {
    test(name, () => {
      for (const call of [
        () => status(() => reply, ARN),
        () => encrypt(() => reply),
        () => decrypt(() => reply),
      ])
        assert.equal(failureOf(call())[0], code);
    });
  }

  test("each has its own sentence, of at most 512 bytes", (t) => {
    const sentences = REFUSALS.map(
      ([name, reply]) => [name, failureOf(decrypt(() => reply))[1] ?? ""] as const,
    );
    for (const [name, text] of sentences) assert.ok(Buffer.byteLength(text) <= 512, name);
    t.assert.snapshot(sentences.map(([name, text]) => `${name}\n  ${text}`).join("\n"), {
      serializers: [(text: string) => text],
    });
  });

  test("no message repeats the plaintext or the ciphertext", () => {
    const echo = ({ body }: NetRequest) => {
      const text = Buffer.from(body).toString();
      return refusal("AccessDeniedException", `User: ${text} on resource: arn:${text} ${base64(SEED)}`);
    };
    const type = () => refusal(base64(SEED));
    for (const reply of [encrypt(echo), decrypt(echo), encrypt(type)]) {
      const [, text = ""] = failureOf(reply);
      assert.ok(!text.includes(base64(SEED)) && !text.includes(base64(SEALED)), text);
    }
  });
});

describe("states in Status", () => {
  for (const [state, code] of [
    ["Enabled", undefined],
    ["Updating", undefined],
    ["Disabled", 2],
    ["PendingDeletion", 2],
    ["PendingReplicaDeletion", 2],
    ["PendingImport", 2],
    ["Unavailable", 3],
    ["Creating", 3],
    ["New", 2],
  ] as const)
    test(state, () => assert.equal(failureOf(described({ KeyState: state }))[0], code));

  for (const change of [
    { KeyUsage: "SIGN_VERIFY" },
    { KeyUsage: "GENERATE_VERIFY_MAC", KeySpec: "HMAC_256" },
    { KeySpec: "RSA_2048" },
  ])
    test(JSON.stringify(change), () => assert.equal(failureOf(described(change))[0], 2));
});
