/** Limits in answers of a server, which is not trusted to send numbers. test/vault/limits.test.ts has those of a real one. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { headersOf, json, patient, Rig, settled } from "../../../../test/support/credential.ts";
import { secretLimit, tokenLimit, usesIn } from "./limits.ts";
import { parsePointer } from "./pointer.ts";

const uses = parsePointer("/uses");

test("uses are a whole number; 0 means that they are not limited, and a negative number that none is left", () => {
  const found = [undefined, null, "10", 1.5, Number.NaN, {}, 0, 10, -1].map((value) =>
    usesIn({ uses: value }, uses),
  );
  assert.deepEqual(found, [...Array(7).fill(undefined), 10, 0]);
});

test("a secret id that does not expire has the year 1, and a malformed end is ignored", () => {
  const pointers = { uses, end: parsePointer("/end"), life: parsePointer("/life") };
  for (const end of ["0001-01-01T00:00:00Z", "soon", 5e99, null])
    assert.equal(secretLimit({ end, life: "x" }, pointers).end, undefined);
  const { end } = secretLimit({ end: "2027-01-31T00:00:00Z", life: 60 }, pointers);
  assert.deepEqual(end, { at: Date.parse("2027-01-31T00:00:00Z"), lifeMs: 60_000 });
});

test("a token ends for good by its longest life, or if it cannot be renewed", () => {
  const names = ["ttl", "life", "most", "created", "renewable"] as const;
  const at = Object.fromEntries(names.map((name) => [name, parsePointer(`/${name}`)]));
  const pointers = { uses, ...(at as Record<(typeof names)[number], readonly string[]>) };
  const end = (document: object) => tokenLimit(document, pointers, 5000).end;
  assert.equal(end({ ttl: 0, renewable: false }), undefined);
  assert.equal(end({ ttl: 60, renewable: true }), undefined);
  assert.deepEqual(end({ ttl: 60, life: 90, renewable: false }), { at: 65_000, lifeMs: 90_000 });
  assert.deepEqual(end({ ttl: 60, most: 100, created: 7, renewable: true }), {
    at: 107_000,
    lifeMs: 100_000,
  });
  assert.equal(end({ ttl: "x", most: -1, created: {}, renewable: "true" }), undefined);
});

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.remove());

test("a token with a number of uses carries no more requests than that, however many wait; the next login comes early", async () => {
  const file = rig.secret("password", "correct horse");
  const credential = rig.create({ kind: "vault", auth: "userpass", username: "kleidi", file });
  let logins = 0;
  rig.answer = () =>
    json({ auth: { client_token: `token-${++logins}`, lease_duration: 3600, renewable: true, num_uses: 6 } });
  const leases = await Promise.all(Array.from({ length: 40 }, () => credential.lease(patient)));
  const used = Map.groupBy(leases, (lease) => headersOf(lease)["x-vault-token"]);
  assert.ok([...used.values()].every(({ length }) => length <= 6));
  assert.ok(logins >= 7 && logins <= 10, `${logins}`);

  // From here on, a login is there before the last use: no caller waits.
  await settled();
  const before = logins;
  for (let i = 0; i < 4; i++) await credential.lease(patient);
  await settled();
  assert.equal(logins, before + 1);
});

test("a token for one request carries the caller's, and not the look-up of the secret id", async () => {
  const secretId = { file: rig.secret("id", "a secret id") };
  const credential = rig.create({ kind: "vault", auth: "approle", roleId: "r", secretId });
  rig.answer = () =>
    json({
      auth: { client_token: "token", lease_duration: 60, num_uses: 1, metadata: { role_name: "kleidi" } },
    });
  for (let i = 0; i < 3; i++) await credential.lease(patient);
  await settled();
  assert.deepEqual(new Set(rig.paths()), new Set(["/v1/auth/approle/login"]));
  assert.ok(rig.requests.length <= 4, `${rig.requests.length}`);
});

test("a login that returns a token for no request is a failure, followed by a pause", async () => {
  const file = rig.secret("password", "correct horse");
  const credential = rig.create({ kind: "vault", auth: "userpass", username: "kleidi", file });
  rig.answer = () => json({ auth: { client_token: "token", lease_duration: 60, num_uses: -1 } });
  for (let i = 0; i < 3; i++)
    await assert.rejects(credential.lease(patient), { name: "Unreachable", message: /good for no request/ });
  assert.equal(rig.requests.length, 1);
});
