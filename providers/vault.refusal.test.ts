/** The vault provider on error answers: the failure of each, and the remedy in its message. The texts are OpenBao 2.4.0's. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  answer,
  base64,
  decrypt,
  encrypt,
  errors,
  everyCall,
  PLAINTEXT,
  SEALED,
  status,
  text,
} from "./vault/harness/calls.ts";
import { failureOf } from "./vault/harness/guest.ts";

const DENIED = errors(403, "1 error occurred:\n\t* permission denied\n\n");

describe("error answers", () => {
  /** Name, answer, code, a part of the message; the calls that it applies to, all by default. */
  const REFUSALS: readonly (readonly [string, ReturnType<typeof answer>, number, RegExp, string?])[] = [
    ["sealed", errors(503, "Vault is sealed"), 3, /the server is sealed; unseal it/],
    [
      "a standby that does not forward",
      answer(307, new Uint8Array(0)),
      3,
      /is a standby without forwarding, .* write the active node's origin into the grant/,
    ],
    ["a permanent redirect of a standby", answer(308, new Uint8Array(0)), 3, /is a standby/],
    [
      "a standby without an active node",
      errors(503, "no active Vault instance found"),
      3,
      /no node of the cluster is active/,
    ],
    [
      "a failover",
      errors(500, "local node not active but active cluster node not found"),
      3,
      /no node of the cluster is active/,
    ],
    ["a standby by its text", errors(500, "Vault is in standby mode"), 3, /no node of the cluster is active/],
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
      "a required state that is not present yet",
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
      "a policy",
      DENIED,
      4,
      /: the credential's policy lacks path "transit\/keys\/kek" \{ capabilities = \["read"\] \}$/,
      "status",
    ],
    [
      "a policy",
      DENIED,
      4,
      /lacks path "transit\/encrypt\/kek" \{ capabilities = \["update"\] \}; the server says so too where the key is missing$/,
      "encrypt",
    ],
    [
      "a policy",
      DENIED,
      4,
      /lacks path "transit\/decrypt\/kek" \{ capabilities = \["update"\] \}$/,
      "decrypt",
    ],
    [
      "an invalid token",
      errors(403, "permission denied"),
      4,
      /: the credential is expired, revoked or of another server; if it is not, its policy lacks path "transit/,
    ],
    [
      "an invalid token, at HashiCorp Vault",
      errors(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"),
      4,
      /: the credential is expired/,
    ],
    [
      "associated data for a key that binds none",
      errors(400, "'[0].associated_data' provided for non-AEAD cipher suite rsa-2048"),
      2,
      /create a key of type aes256-gcm96/,
    ],
    ["a proxy that wants a login", text(401, "<html>", "text/html"), 4, /permission denied \(status 401\)/],
    [
      "no such key",
      answer(404, { errors: [] }),
      2,
      /there is no such key; restore it from a backup, or, if nothing was encrypted with it, create it \(bao write -f transit\/keys\/kek\)/,
    ],
    ["no such key, when it is used", errors(400, "encryption key not found"), 2, /there is no such key/],
    [
      "a missing key that the server would have created",
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
      /version 3 is below the key's min_decryption_version; lower that until everything is encrypted again/,
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
      "a version that does not exist yet",
      errors(400, "requested version for encryption is higher than the latest key version"),
      2,
      /it has no version 3 now: it was created again, or restored from an older backup/,
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
      /create a key of type aes256-gcm96, not derived/,
    ],
    [
      "a key that cannot encrypt",
      errors(400, "message encryption not supported for key type ed25519"),
      2,
      /create a key of type aes256-gcm96/,
    ],
    [
      "an unknown fault of the request",
      errors(400, "error parsing JSON"),
      5,
      /does not know \(status 400, application\/json\): "error parsing JSON"/,
    ],
    ["an unsupported operation", errors(405, "unsupported operation"), 5, /status 405/],
    [
      "a missing page",
      text(404, "<html>", "text/html; charset=utf-8"),
      5,
      /status 404, text\/html; charset=utf-8/,
    ],
    [
      "a gateway without such a route",
      answer(404, { message: "no route" }),
      5,
      /status 404, application\/json/,
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
      /\(status 200, text\/html\) is not JSON; is the grant's origin a Vault or OpenBao\?/,
    ],
    [
      "nothing",
      { status: 204, headers: [], body: new Uint8Array(0) },
      5,
      /\(status 204, no content-type\) is not JSON/,
    ],
    ["JSON without data", answer(200, { ok: true }), 5, /is JSON without "data"/],
    ["data that is null", answer(200, { data: null }), 5, /is JSON without "data"/],
    [
      "data twice",
      text(200, '{"data":{"a":1},"data":{"a":1}}', "application/json"),
      5,
      /is JSON without "data"/,
    ],
    ["truncated JSON", text(200, '{"data":{"ciphertext":"vault:v3:', "application/json"), 5, /is not JSON/],
    ["NUL bytes", answer(200, new Uint8Array(48_000)), 5, /is not JSON/],
    ["48 KiB of open brackets", text(400, "[".repeat(49_000), "application/json"), 5, /status 400/],
  ];

  for (const [name, response, code, message, only] of REFUSALS) {
    for (const [call, action, failure] of everyCall.filter(([call]) => only === undefined || call === only)) {
      test(`${call}: ${name} becomes code ${code}`, () => {
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
    test(`a failed request with host code ${host} becomes code ${code} with the host's message`, () => {
      for (const [, action, failure] of everyCall) {
        const said = `${action.slice(0, -2)}: the host answered code ${host}, "code ${host}"`;
        assert.deepEqual(
          failure(() => host),
          [code, said],
        );
      }
    });
  }

  test("an answer that repeats the request is not quoted", () => {
    const [, encrypted] = failureOf(encrypt(() => errors(400, `cannot use ${base64(PLAINTEXT)}`)));
    const [, decrypted] = failureOf(decrypt(() => errors(500, `cannot use vault:v3:${SEALED}`)));
    for (const said of [encrypted, decrypted]) assert.match(said ?? "", /\); its words repeat the request$/);
  });

  test("a long text of the server is truncated; control and non-ASCII characters become spaces", () => {
    const [, said = ""] = failureOf(status(() => errors(400, `\u0000\u001b[31m é ${"x".repeat(40_000)}`)));
    assert.match(said, /: "\[31m x{100,160}"$/);
    assert.ok(said.length <= 512);
  });
});
