/** Arbitrary answers of a server to a login and to a renewal: host/capabilities/net/login. */
import assert from "node:assert/strict";
import { validateHeaderValue } from "node:http";
import fc from "fast-check";
import { type Lease, Unreachable } from "../../host/capabilities/net/exchange.ts";
import { headersOf, leaseWith, patient, Rig } from "../support/credential.ts";
import { type Answer, CONFIGS, ECHO, LONGEST_MS, respond, type Script, script } from "./login-answers.ts";
import { assertSentence } from "./manifest.ts";
import type { Target } from "./target.ts";

/** The lease, or undefined where there is none; time passes until either is known. */
async function leaseOf(rig: Rig, asked: Promise<Lease>): Promise<Lease | undefined> {
  let over = false;
  const result = asked.then(
    (lease) => lease,
    (error: Error) => {
      assert.ok(error instanceof Unreachable, String(error));
      assertSentence(error.message);
      assert.ok(!error.message.includes(ECHO) && error.cause === undefined, error.message);
      return undefined;
    },
  );
  result.finally(() => {
    over = true;
  });
  for (let turns = 0; !over; turns++) {
    assert.ok(turns < 20, "the lease neither arrives nor fails");
    await rig.clock.pass(turns === 0 ? 0 : 5000);
  }
  return result;
}

async function play(rig: Rig, { config, answers, pauses, refused }: Script, seen: (outcome: string) => void) {
  let asked = 0;
  rig.requests.length = rig.bodies.length = rig.events.length = 0;
  rig.answer = () => respond(answers[asked++ % answers.length] as Answer);
  const credential = rig.create(CONFIGS[config]);
  const begun = rig.clock.now();
  const header = config === "vault" ? "x-vault-token" : "authorization";
  try {
    for (const [i, pause] of pauses.entries()) {
      const before = asked;
      const lease = await leaseOf(rig, credential.lease(patient));
      if (lease === undefined) seen(asked === before ? "paused" : "no lease");
      else {
        const headers = headersOf(lease);
        const value = headers[header];
        assert.deepEqual(Object.keys(headers), [header]);
        assert.ok(value !== undefined && value.length <= 16_384 + "Bearer ".length && value.trim() === value);
        validateHeaderValue(header, value);
        assert.equal(JSON.stringify(lease), "{}", "a lease can be printed");
        if (value.length >= 16)
          assert.ok(credential.containsSecret(Buffer.from(`<${value.replace(/^Bearer /, "")}>`)));
        seen(asked === before ? "the same lease" : "a new lease");
        if (refused[i % refused.length]) {
          const again = credential.refused(lease, patient);
          seen(
            (await leaseOf(
              rig,
              again.then(() => lease),
            )) === lease && (await again)
              ? "refused, another one"
              : "refused, no other",
          );
        }
      }
      await rig.clock.pass(pause);
    }
    for (const { event, expires, why = "" } of rig.events) {
      assert.ok(!why.includes(ECHO));
      if (expires !== undefined)
        assert.ok(expires <= rig.clock.date() + LONGEST_MS && Number.isSafeInteger(expires));
      seen(event);
    }
    // for any answers: the shortest life is a second, and a token is renewed at two thirds of it; each success makes the first pause after
    // the next failure short again, 50 ms at least
    const passed = rig.clock.now() - begun;
    assert.ok(asked <= 3 * pauses.length + passed / 150, `${asked} requests in ${passed} ms`);
    assert.ok(rig.clock.timers <= TIMERS, `${rig.clock.timers} timers`);
  } finally {
    const closing = credential.close();
    await leaseOf(
      rig,
      closing.then(() => leaseWith({})),
    );
  }
}

/** Timers of the refresh and of requests, and of replaced tokens: revoked after 10 s each, with one per 600 ms at the shortest life. */
const TIMERS = 4 + Math.ceil(10_000 / 600);

export const login: Target = {
  name: "login",
  async open(seen) {
    const rig = new Rig();
    const unhandled: unknown[] = [];
    const keep = (error: unknown) => unhandled.push(error);
    process.on("unhandledRejection", keep);
    return {
      properties: [
        {
          name: "for any answer of a server, a login returns a lease that fits in a header, or fails with a message without text of the answer",
          cases: 2500,
          reaches: [
            ...[
              "a new lease",
              "the same lease",
              "no lease",
              "paused",
              "refused, another one",
              "refused, no other",
            ],
            ...["login", "renewed", "refused", "failed"],
          ],
          property: fc.asyncProperty(script, async (script) => {
            await play(rig, script, seen);
            assert.deepEqual(unhandled.splice(0), []);
          }),
        },
      ],
      async close() {
        process.off("unhandledRejection", keep);
        rig.remove();
      },
    };
  },
};
