/** The states of a login, on a clock that the test advances. test/openbao/credential.test.ts does it with a real server. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { auth, down, headersOf, json, patient, Rig, settled } from "../../../../test/support/credential.ts";
import { assertError, errorOf } from "../../../../test/support/failures.ts";
import { assertLines, assertSentence } from "../../../../test/support/thrown.ts";
import { type Credential, type Response, Unreachable } from "../exchange.ts";

const LOGIN = "/v1/auth/userpass/login/kleidi";
const RENEW = "/v1/auth/token/renew-self";
const REVOKE = "/v1/auth/token/revoke-self";

let rig: Rig;
let credential: Credential;
beforeEach(() => {
  rig = new Rig();
  const file = rig.secret("password", "correct horse\n");
  credential = rig.create({ kind: "vault", auth: "userpass", username: "kleidi", file });
});
afterEach(() => rig.remove());

/** Logins return token-1, token-2 …; `other` answers all other requests. */
function serving(seconds: number, other: (path: string) => Response = () => json({}, 403)): void {
  let logins = 0;
  rig.answer = ({ path }) => (path === LOGIN ? auth(`token-${++logins}`, seconds) : other(path));
}

async function token(): Promise<string | undefined> {
  return headersOf(await credential.lease(patient))["x-vault-token"];
}

const count = (path: string) => rig.paths().filter((other) => other === path).length;

/** A server whose answers the test gives later. */
function held() {
  const answers = [Promise.withResolvers<Response>()];
  rig.answer = () => (answers[0] as (typeof answers)[0]).promise;
  return answers[0] as (typeof answers)[0];
}

describe("a login", () => {
  test("is shared by all callers that wait for it", async () => {
    const answer = held();
    const leases = Array.from({ length: 64 }, () => credential.lease(patient));
    await settled();
    answer.resolve(auth("token-1", 60));
    assert.equal(new Set(await Promise.all(leases)).size, 1);
    assert.deepEqual(rig.paths(), [LOGIN]);
    assert.deepEqual(rig.bodies, ['{"password":"correct horse"}']);
    assert.equal(await token(), "token-1");
  });

  test("continues when its first caller has left, and when all have", async (t) => {
    const answer = held();
    const callers = [new AbortController(), new AbortController()] as const;
    const leases = callers.map(({ signal }) => credential.lease(signal));
    for (const caller of callers) caller.abort();
    for (const lease of leases) {
      await assertError(t, Unreachable, () => lease);
    }
    answer.resolve(auth("token-1", 60));
    await settled();
    assert.equal(await token(), "token-1");
    assert.equal(rig.requests.length, 1);
  });

  test("starts for a caller that has already left and does not wait for it", async (t) => {
    held();
    await assertError(t, Unreachable, () => credential.lease(AbortSignal.abort()));
    assert.equal(rig.requests.length, 1);
  });

  test("emits its expiry, and wipes its secrets from the request afterwards", async () => {
    serving(60);
    await token();
    assert.deepEqual(rig.events, [{ provider: "vault", event: "login", expires: rig.clock.date() + 60_000 }]);
    assert.ok(rig.requests[0]?.body.every((byte) => byte === 0));
  });

  test("ends after 5 s without an answer, whether or not the transport honours its signal", async (t) => {
    held();
    const lease = credential.lease(patient);
    lease.catch(() => {});
    await rig.clock.pass(5000);
    await assertError(t, Unreachable, () => lease);
    assert.equal(rig.clock.timers, 0);
  });

  test("reads the secret file for each login", async () => {
    serving(60);
    await token();
    rig.secret("password", "another\n");
    await rig.clock.pass(11_000);
    await credential.refused(await credential.lease(patient), patient);
    assert.equal(rig.bodies.at(-1), '{"password":"another"}');
  });

  test("is not sent if a secret file is missing, and the message names the file", async (t) => {
    const { folder } = rig;
    rig.remove();
    await assertError(t, Unreachable, () => credential.lease(patient), { FOLDER: folder });
    assert.equal(rig.requests.length, 0);
  });
});

describe("after a failed login", () => {
  test("calls fail at once with the last failure and the time of the next attempt; then one attempt is made", async (t) => {
    rig.answer = down;
    const { message: sentence } = await errorOf(() => credential.lease(patient));
    const { message: paused } = await errorOf(() => credential.lease(patient));
    assertLines(t, [sentence, paused]);
    for (let calls = 0; calls < 100; calls++) {
      await assert.rejects(credential.lease(patient), { message: paused });
    }
    assert.equal(rig.requests.length, 1);
    assert.deepEqual(rig.events, [{ provider: "vault", event: "failed", why: sentence }]);
    await rig.clock.pass(500);
    serving(60);
    assert.equal(await token(), "token-1");
    assert.equal(rig.requests.length, 2);
  });

  test("pauses grow to half a minute at most, and start again after a success", async (t) => {
    rig.answer = down;
    for (const seconds of [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]) {
      for (let calls = 0; calls < 2; calls++)
        await assertError(t, Unreachable, () => credential.lease(patient));
      await rig.clock.pass(seconds * 1000);
    }
    serving(1);
    await token();
    rig.answer = down;
    // Its refresh failed at 667 ms, and the token is not used after 900 ms.
    await rig.clock.pass(900);
    await assertError(t, Unreachable, () => credential.lease(patient));
  });

  test("the first pause after a refusal is longer: a server may count refusals", async () => {
    rig.answer = () => json({}, 403);
    await errorOf(() => credential.lease(patient));
    await rig.clock.pass(499);
    await errorOf(() => credential.lease(patient));
    assert.equal(rig.requests.length, 1);
    await rig.clock.pass(1);
    await errorOf(() => credential.lease(patient));
    assert.equal(rig.requests.length, 2);
  });

  for (const status of [400, 403, 302, 404, 429, 500, 503]) {
    test(`the message has a remedy for ${status}, and nothing of the body`, async (t) => {
      rig.answer = ({ body }) => ({ status, headers: {}, body: Buffer.from(body) });
      const error = await errorOf(() => credential.lease(patient));
      assert.equal(error.name, [400, 403].includes(status) ? "CredentialRefused" : "Unreachable");
      assertSentence(t, error.message);
      await assert.rejects(credential.lease(patient), (error: Error) => !error.message.includes("horse"));
    });
  }

  test("an unexpected error of the transport is not quoted", async (t) => {
    rig.answer = ({ body }) => {
      throw new TypeError(`Invalid body: ${Buffer.from(body)}`);
    };
    const error = await errorOf(() => credential.lease(patient));
    assert.ok(error instanceof Unreachable);
    assert.equal(error.cause, undefined);
    assertSentence(t, error.message);
  });
});

describe("a token's life", () => {
  test("is renewed at two thirds, and the lease stays the same", async () => {
    serving(60, (path) => (path === RENEW ? auth("token-1", 60) : json({}, 404)));
    const lease = await credential.lease(patient);
    await rig.clock.pass(39_999);
    assert.equal(count(RENEW), 0);
    await rig.clock.pass(1);
    assert.equal(count(RENEW), 1);
    assert.equal(rig.requests.at(-1)?.headers["x-vault-token"], "token-1");
    await rig.clock.pass(600_000);
    assert.equal(await credential.lease(patient), lease);
    assert.equal(count(LOGIN), 1);
    assert.equal(count(RENEW), 16);
    assert.deepEqual(rig.kinds(), ["login", ...Array(16).fill("renewed")]);
  });

  test("is replaced by another login if it cannot be renewed; the old token is revoked later", async () => {
    serving(60);
    assert.equal(await token(), "token-1");
    await rig.clock.pass(40_000);
    assert.equal(await token(), "token-2");
    assert.equal(count(REVOKE), 0);
    await rig.clock.pass(10_000);
    assert.equal(count(REVOKE), 1);
    assert.equal(rig.requests.at(-1)?.headers["x-vault-token"], "token-1");
    assert.deepEqual(rig.kinds(), ["login", "login"]);
  });

  test("continues if a login returns the same token, which is not revoked", async () => {
    rig.answer = ({ path }) => (path === LOGIN ? auth("the same", 60, false) : json({}, 204));
    await token();
    await rig.clock.pass(200_000);
    assert.equal(await token(), "the same");
    assert.deepEqual(new Set(rig.paths()), new Set([LOGIN]));
  });

  test("is replaced by another login if renewals shrink its lifetime", async () => {
    let left = 60;
    serving(60, (path) => {
      if (path === RENEW) left /= 2.5;
      return auth("token-1", left);
    });
    await token();
    await rig.clock.pass(40_000);
    assert.equal(await token(), "token-2");
    assert.equal(count(RENEW), 1);
  });

  test("continues while the server is temporarily unreachable", async () => {
    serving(60);
    await token();
    rig.answer = down;
    await rig.clock.pass(50_000);
    assert.equal(await token(), "token-1");
    assert.ok(rig.kinds().filter((kind) => kind === "failed").length >= 3);
    serving(60, () => auth("token-1", 60));
    await rig.clock.pass(8000);
    assert.equal(count(RENEW) > 0 && (await token()), "token-1");
    assert.equal(rig.kinds().at(-1), "renewed");
  });

  for (const [how, answer] of [
    ["well", auth("token-1", 60)],
    ["badly", json({}, 403)],
  ] as const)
    test(`is unaffected by a renewal that ends ${how} after its token was replaced`, async () => {
      const renewal = Promise.withResolvers<Response>();
      let logins = 0;
      rig.answer = ({ path }) => {
        if (path === RENEW) return renewal.promise;
        return path === LOGIN ? auth(`token-${++logins}`, 60) : json({}, 204);
      };
      const lease = await credential.lease(patient);
      await rig.clock.pass(40_000);
      assert.equal(count(RENEW), 1);
      assert.equal(await credential.refused(lease, patient), true);
      const timers = rig.clock.timers;
      renewal.resolve(answer);
      await settled();
      // One fewer: the time limit of the renewal is gone. The refresh of token-2 is unchanged.
      assert.equal(rig.clock.timers, timers - 1);
      assert.equal(await token(), "token-2");
      assert.deepEqual(rig.kinds(), ["login", "refused", "login"]);
      assert.equal(count(LOGIN), 2);
    });

  test("ends with close: a renewal that ends then emits no event", async () => {
    const renewal = Promise.withResolvers<Response>();
    rig.answer = ({ path }) => (path === RENEW ? renewal.promise : auth("token-1", 60));
    await token();
    await rig.clock.pass(40_000);
    await credential.close();
    renewal.resolve(auth("token-1", 60));
    await settled();
    assert.deepEqual(rig.kinds(), ["login"]);
    assert.equal(count(LOGIN), 1);
    assert.equal(rig.clock.timers, 0);
  });

  test("ends at its expiry, whatever the state of the server", async (t) => {
    serving(60);
    await token();
    rig.answer = down;
    await rig.clock.pass(58_999);
    assert.equal(await token(), "token-1");
    await rig.clock.pass(1);
    await assertError(t, Unreachable, () => credential.lease(patient));
    // Without callers, the host makes no request either.
    await rig.clock.pass(30_000);
    const asked = rig.requests.length;
    await rig.clock.pass(3_600_000);
    assert.equal(rig.requests.length, asked);
  });

  test("lets the scanner find the token in answers, also while other logins return unusable tokens", async () => {
    rig.answer = () => auth("a-long-token-1", 36_000);
    const lease = await credential.lease(patient);
    rig.answer = () => json({ auth: { client_token: "useless-token", lease_duration: -1 } });
    await rig.clock.pass(10_000);
    assert.equal(await credential.refused(lease, patient), false);
    await rig.clock.pass(600_000);
    assert.equal(await token(), "a-long-token-1");
    const leaks = (text: string) => credential.containsSecret(Buffer.from(text));
    assert.deepEqual(["a-long-token-1", "useless-token", "correct horse"].map(leaks), [true, true, true]);
  });

  for (const [name, life] of Object.entries({ "0": 0, absent: undefined, null: null })) {
    test(`is endless if the time to live is ${name}`, async () => {
      rig.answer = () => json({ auth: { client_token: "token-1", lease_duration: life } });
      await token();
      await rig.clock.pass(20 * 365 * 86_400_000);
      assert.equal(await token(), "token-1");
      assert.equal(rig.requests.length, 1);
      assert.deepEqual(rig.events, [{ provider: "vault", event: "login", expires: undefined }]);
    });
  }
});

describe("a refused lease", () => {
  test("leads to one login for all callers that had it", async () => {
    serving(3600);
    const lease = await credential.lease(patient);
    await rig.clock.pass(10_000);
    const again = await Promise.all(Array.from({ length: 64 }, () => credential.refused(lease, patient)));
    assert.deepEqual(new Set(again), new Set([true]));
    assert.equal(count(LOGIN), 2);
    assert.equal(await token(), "token-2");
    assert.deepEqual(rig.kinds(), ["login", "refused", "login"]);
  });

  test("leads to none if another caller has logged in meanwhile", async () => {
    serving(3600);
    const lease = await credential.lease(patient);
    await rig.clock.pass(10_000);
    await credential.refused(lease, patient);
    assert.equal(await credential.refused(lease, patient), true);
    assert.equal(count(LOGIN), 2);
  });

  test("leads to none if the token is fresh", async () => {
    serving(3600);
    const lease = await credential.lease(patient);
    await rig.clock.pass(9_999);
    assert.equal(await credential.refused(lease, patient), false);
    assert.equal(count(LOGIN), 1);
  });

  test("causes at most one login in ten seconds, even if a guest repeats forbidden requests all the time", async () => {
    serving(3600);
    for (let calls = 0; calls < 6000; calls++) {
      const lease = await credential.lease(patient);
      if (await credential.refused(lease, patient))
        await credential.refused(await credential.lease(patient), patient);
      if (calls % 100 === 99) await rig.clock.pass(1000);
    }
    assert.equal(count(LOGIN), 6);
  });

  test("leads to no second attempt if the login fails, nor in the pause after it", async () => {
    serving(3600);
    const lease = await credential.lease(patient);
    await rig.clock.pass(10_000);
    rig.answer = down;
    for (let calls = 0; calls < 100; calls++) assert.equal(await credential.refused(lease, patient), false);
    assert.equal(rig.requests.length, 2);
    assert.deepEqual(rig.kinds(), ["login", "refused", "failed"]);
  });
});

describe("when the host stops", () => {
  test("the token is revoked, and no lease is returned", async (t) => {
    serving(60);
    await token();
    await credential.close();
    await credential.close();
    assert.deepEqual(rig.paths(), [LOGIN, REVOKE]);
    assert.equal(rig.requests[1]?.headers["x-vault-token"], "token-1");
    assert.equal(rig.clock.timers, 0);
    await assertError(t, Unreachable, () => credential.lease(patient));
  });

  test("the token of a running login and the one before it are revoked", async () => {
    serving(60);
    await token();
    await rig.clock.pass(20_000);
    const answer = held();
    const again = credential.refused(await credential.lease(patient), patient);
    await settled();
    const closed = credential.close();
    answer.resolve(auth("token-2", 60));
    await again;
    rig.answer = () => json({}, 204);
    await closed;
    const revoked = rig.requests.filter(({ path }) => path === REVOKE);
    assert.equal(rig.clock.timers, 0);
    assert.deepEqual(
      new Set(revoked.map(({ headers }) => headers["x-vault-token"])),
      new Set(["token-1", "token-2"]),
    );
  });

  test("it waits at most one second for the revocation", async () => {
    serving(60);
    await token();
    held();
    let over = false;
    const closed = credential.close().then(() => {
      over = true;
    });
    await rig.clock.pass(999);
    assert.equal(over, false);
    await rig.clock.pass(1);
    await closed;
  });

  test("it does not wait longer for a hanging login", async () => {
    held();
    credential.lease(patient).catch(() => {});
    await settled();
    let over = false;
    const closed = credential.close().then(() => {
      over = true;
    });
    await rig.clock.pass(999);
    assert.equal(over, false);
    await rig.clock.pass(1);
    await settled();
    assert.equal(over, true);
    await closed;
  });

  test("an expired token is not revoked", async () => {
    serving(60);
    await token();
    rig.answer = down;
    await rig.clock.pass(60_000);
    await credential.close();
    assert.equal(count(REVOKE), 0);
  });

  test("a credential that was never used sends nothing", async () => {
    await credential.close();
    assert.equal(rig.requests.length, 0);
  });
});
