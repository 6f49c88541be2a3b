/**
 * OpenBao's answers to faulty requests: the table behind a provider's mapping of errors. A version of OpenBao that answers differently
 * fails here, beside the answer, and not somewhere in the provider.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { OpenBao } from "../support/openbao.ts";
import { keyRules, Setup } from "../support/openbao-setup.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");
const plaintext = base64("hello");
const associated_data = base64("bound");
const open = (ciphertext: string) => ({ ciphertext, associated_data });
const garbage = (prefix: string, bytes = 60) => open(prefix + Buffer.alloc(bytes).toString("base64"));

/** Status and the single error. */
type Refusal = readonly [status: number, error: string];

/** The denial of a policy. A token that is invalid or never existed gets another message. */
const DENIED: Refusal = [403, "1 error occurred:\n\t* permission denied\n\n"];
const BAD_TOKEN: Refusal = [403, "permission denied"];
const NO_KEY: Refusal = [400, "encryption key not found"];
const NOT_AUTHENTIC: Refusal = [400, "cipher: message authentication failed"];
const SOFT_DELETED: Refusal = [400, "refusing to use soft-deleted key"];
const noRoute = (path: string): Refusal => [404, `no handler for route "${path}". route entry not found.`];

/** Ciphertexts of the versions 1 and 3 of "kek", and of deleted keys. */
type Sealed = Readonly<Record<"v1" | "v3" | "deleted" | "soft", string>>;

/** A POST below transit/ with a plugin's token. */
type Row = readonly [name: string, path: string, body: (sealed: Sealed) => unknown, refusal: Refusal];

const TABLE: readonly Row[] = [
  ["other associated_data", "decrypt/kek", ({ v3 }) => ({ ...open(v3), associated_data: "" }), NOT_AUTHENTIC],
  ["a changed ciphertext", "decrypt/kek", () => garbage("vault:v2:"), NOT_AUTHENTIC],
  ["a ciphertext of another key", "decrypt/kek", ({ soft }) => open(soft.replace("v1", "v2")), NOT_AUTHENTIC],
  ["no prefix", "decrypt/kek", () => open("garbage"), [400, "invalid ciphertext: no prefix"]],
  ["too few bytes", "decrypt/kek", () => garbage("vault:v2:", 3), [400, "invalid ciphertext length"]],
  [
    "no base64",
    "decrypt/kek",
    () => open("vault:v2:!"),
    [400, "invalid ciphertext: could not decode base64"],
  ],
  [
    "a version that is not a number",
    "decrypt/kek",
    () => garbage("vault:vx:"),
    [400, "invalid ciphertext: version number could not be decoded"],
  ],
  [
    "a version that does not exist yet",
    "decrypt/kek",
    () => garbage("vault:v99:"),
    [400, "invalid ciphertext: version is too new"],
  ],
  [
    "a version below min_decryption_version",
    "decrypt/kek",
    ({ v1 }) => open(v1),
    [400, "ciphertext or signature version is disallowed by policy (too old)"],
  ],
  [
    "key_version below min_encryption_version",
    "encrypt/kek",
    () => ({ plaintext, key_version: 1 }),
    [400, "requested version for encryption is less than the minimum encryption key version"],
  ],
  [
    "key_version above the latest",
    "encrypt/kek",
    () => ({ plaintext, key_version: 99 }),
    [400, "requested version for encryption is higher than the latest key version"],
  ],
  // Creating the key needs the right to create, which a plugin does not have: it gets a denial.
  ["encrypt with a key that never existed", "encrypt/absent", () => ({ plaintext }), DENIED],
  ["decrypt with a key that never existed", "decrypt/absent", ({ v3 }) => open(v3), NO_KEY],
  ["encrypt with a deleted key", "encrypt/deleted", () => ({ plaintext }), DENIED],
  ["decrypt with a deleted key", "decrypt/deleted", ({ deleted }) => open(deleted), NO_KEY],
  ["encrypt with a soft-deleted key", "encrypt/soft", () => ({ plaintext }), SOFT_DELETED],
  ["decrypt with a soft-deleted key", "decrypt/soft", ({ soft }) => open(soft), SOFT_DELETED],
  [
    "associated_data with a key that cannot bind it",
    "encrypt/rsa",
    () => ({ plaintext, associated_data }),
    [400, "'[0].associated_data' provided for non-AEAD cipher suite rsa-2048"],
  ],
  ["a key that the policy does not name", "encrypt/other", () => ({ plaintext }), DENIED],
];

describe("OpenBao answers", () => {
  let bao: OpenBao;
  let setup: Setup;
  let token: string;
  let sealed: Sealed;

  async function refused(refusal: Refusal, path: string, body: unknown, by: string | object = token) {
    const answer = await bao.api("POST", path, body, by);
    assert.deepEqual([answer.status, answer.body.errors], [refusal[0], [refusal[1]]], answer.text);
    return answer;
  }

  before(async () => {
    bao = await OpenBao.dev();
    setup = new Setup(bao);
    await setup.transit();
    for (const key of ["kek", "deleted", "soft"]) await setup.key(key);
    await setup.key("rsa", { type: "rsa-2048" });
    const seal = async (key: string) => {
      const { data } = await bao.must("POST", `transit/encrypt/${key}`, { plaintext, associated_data });
      return String(data?.ciphertext);
    };
    const v1 = await seal("kek");
    await setup.rotate("kek");
    await setup.rotate("kek");
    sealed = { v1, v3: await seal("kek"), deleted: await seal("deleted"), soft: await seal("soft") };
    await setup.configure("kek", { min_decryption_version: 2, min_encryption_version: 2 });
    await setup.deleteKey("deleted");
    await bao.must("DELETE", "transit/keys/soft/soft-delete");
    const keys = ["kek", "absent", "deleted", "soft", "rsa"];
    await setup.policy("plugin", Object.assign({}, ...keys.map((key) => keyRules(key))));
    token = await setup.token({ policies: ["plugin"] });
  });
  after(() => bao?.stop());

  for (const [name, path, body, refusal] of TABLE) {
    test(`${refusal[0]} to ${name}`, async () => {
      await refused(refusal, `transit/${path}`, body(sealed));
    });
  }

  test("404 without a message to a read of a missing key, and 200 for a soft-deleted one", async () => {
    for (const key of ["absent", "deleted"]) {
      const answer = await bao.api("GET", `transit/keys/${key}`, undefined, token);
      assert.deepEqual([answer.status, answer.body.errors], [404, []]);
    }
    const { data } = await bao.must("GET", "transit/keys/soft", undefined, token);
    assert.equal(data?.soft_deleted, true);
  });

  test("a read of a key with the creation time in seconds of each version that may decrypt", async () => {
    const { data } = await bao.must("GET", "transit/keys/kek", undefined, token);
    const { keys, ...rest } = data as { keys: Record<string, number> };
    assert.deepEqual(Object.keys(keys), ["2", "3"]);
    for (const second of Object.values(keys)) {
      assert.ok(Number.isSafeInteger(second) && Math.abs(second - Date.now() / 1000) < 600, String(second));
    }
    assert.deepEqual(rest, {
      allow_plaintext_backup: false,
      auto_rotate_period: 0,
      deletion_allowed: false,
      derived: false,
      exportable: false,
      imported_key: false,
      latest_version: 3,
      min_available_version: 0,
      min_decryption_version: 2,
      min_encryption_version: 2,
      name: "kek",
      soft_deleted: false,
      supports_decryption: true,
      supports_derivation: true,
      supports_encryption: true,
      supports_signing: false,
      type: "aes256-gcm96",
    });
  });

  test("200 to encrypt with a missing key, and creates it, where the policy allows create", async () => {
    await setup.policy("creates", { "transit/encrypt/made": ["create", "update"] });
    const creates = await setup.token({ policies: ["creates"] });
    const { data } = await bao.must("POST", "transit/encrypt/made", { plaintext }, creates);
    assert.equal(data?.key_version, 1);
    await bao.must("GET", "transit/keys/made");
    await bao.must("POST", "transit/config/keys", { disable_upsert: true });
    await setup.policy("creates", { "transit/encrypt/another": ["create", "update"] });
    await refused(NO_KEY, "transit/encrypt/another", { plaintext }, creates);
  });

  test("403 to a token that expired, was revoked, is used up, never existed or is missing", async () => {
    const policies = ["plugin"];
    const expired = await setup.token({ policies, ttl: "1s" });
    const revoked = await setup.token({ policies });
    await setup.revoke(revoked);
    const usedUp = await setup.token({ policies, num_uses: 1 });
    await bao.must("POST", "transit/encrypt/kek", { plaintext }, usedUp);
    const lookup = async () => (await bao.api("GET", "auth/token/lookup-self", undefined, expired)).text;
    for (let left = 100; left > 0 && (await lookup()).includes("1 error occurred"); left--) await sleep(50);
    for (const by of [expired, revoked, usedUp, "s.never-was", {}]) {
      await refused(BAD_TOKEN, "transit/encrypt/kek", { plaintext }, by);
    }
  });

  test("404 for a missing mount, but 403 without a right on it", async () => {
    await refused(noRoute("nothing/encrypt/kek"), "nothing/encrypt/kek", { plaintext }, bao.rootToken);
    await refused(DENIED, "nothing/encrypt/kek", { plaintext });
    await refused([404, "1 error occurred:\n\t* unsupported path\n\n"], "transit/nothing", {}, bao.rootToken);
  });

  test("429 over a quota, with a retry time only where the operator enabled it", async () => {
    await setup.rateLimit("few", { path: "transit/", rate: 1, interval: "1m" });
    await bao.must("POST", "transit/encrypt/kek", { plaintext }, token);
    const over: Refusal = [429, 'request path "transit/encrypt/kek": rate limit quota exceeded'];
    const silent = await refused(over, "transit/encrypt/kek", { plaintext });
    assert.equal(silent.headers["retry-after"], undefined);
    await bao.must("POST", "sys/quotas/config", { enable_rate_limit_response_headers: true });
    const told = await refused(over, "transit/encrypt/kek", { plaintext });
    assert.match(String(told.headers["retry-after"]), /^[1-9]\d*$/);
    await setup.endRateLimit("few");
    await bao.must("POST", "transit/encrypt/kek", { plaintext }, token);
  });
});
