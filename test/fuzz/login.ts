/** What a server may answer to a login and to a renewal: host/broker/net/credential. */
import assert from "node:assert/strict";
import { validateHeaderValue } from "node:http";
import fc from "fast-check";
import { type Lease, type Response, Unreachable } from "../../host/broker/net/exchange.ts";
import { patient, Rig } from "../support/credential.ts";
import { mutated } from "./bytes.ts";
import { assertSentence } from "./manifest.ts";
import type { Target } from "./target.ts";

/** In each answer, wherever text stands in it: no sentence may have it. */
const ECHO = "CANARY";
const LONGEST_MS = 10 * 365 * 86_400_000;
const VAULT = { kind: "vault", auth: "approle", roleId: "role" } as const;
const GENERIC = {
  kind: "login",
  method: "POST",
  path: "/login",
  body: { user: "kleidi" },
  token: "/data/0/token",
  ttl: "/ttl",
  header: "authorization",
  scheme: "Bearer",
} as const;
const CONFIGS = { vault: VAULT, generic: GENERIC } as const;

const token = fc.oneof(
  { weight: 4, arbitrary: fc.stringMatching(/^[!-~]{1,40}$/).map((text) => `${ECHO}${text}`) },
  fc.constantFrom(
    "",
    " ",
    `${ECHO}\r\nx: 1`,
    `${ECHO}\0`,
    `${ECHO}é`,
    `${ECHO} `,
    "x".repeat(16_385),
    "__proto__",
  ),
  fc.string({ unit: "binary", maxLength: 30 }),
  fc.jsonValue({ maxDepth: 2 }),
);
const seconds = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 100_000 }) },
  { weight: 1, arbitrary: fc.double() },
  fc.constantFrom(0, 1, 0.5, -1, 1e15, 2 ** 53, null, "60", "", "1e3", "-5", ECHO, true, [60]),
);
const key = fc.oneof(
  { weight: 8, arbitrary: fc.constant("") },
  fc.constantFrom("__proto__", "constructor", "toString", "Auth", "ttl "),
);
/** What Vault gives and what the other recipe reads, both in one document; a key may have another name. */
const document = fc
  .record({
    token,
    seconds,
    renewable: fc.constantFrom<unknown>(true, true, false, "true", 1),
    key,
    more: fc.jsonValue({ maxDepth: 2 }),
  })
  .map(({ token, seconds, renewable, key, more }) => {
    const auth = { client_token: token, lease_duration: seconds, renewable };
    return JSON.stringify({
      ...(key === "" ? { auth } : { [key]: auth }),
      data: [{ token }],
      ttl: seconds,
      more,
      echo: ECHO,
    });
  });
const status = fc.oneof(
  { weight: 8, arbitrary: fc.constant(200) },
  fc.constantFrom(204, 301, 400, 401, 403, 404, 405, 429, 500, 503, 0, 999),
);
const bytesOf = (text: fc.Arbitrary<string>) => text.map((text) => Buffer.from(text) as Uint8Array);
const body = fc.oneof(
  { weight: 6, arbitrary: bytesOf(document) },
  { weight: 2, arbitrary: mutated(bytesOf(document), 3) },
  bytesOf(fc.json({ maxDepth: 3 })),
  bytesOf(
    fc.constantFrom(
      "",
      "null",
      `"${ECHO}"`,
      `${ECHO}`,
      `${"[".repeat(3000)}${"]".repeat(3000)}`,
      " ".repeat(65_537),
    ),
  ),
);
type Answer =
  | { readonly kind: "answers"; readonly status: number; readonly body: Uint8Array }
  | { readonly kind: "fails" | "throws" | "never" };
const answer: fc.Arbitrary<Answer> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("answers" as const), status, body }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("fails" as const, "throws" as const, "never" as const) }),
  },
);
const script = fc.record({
  config: fc.constantFrom("vault" as const, "generic" as const),
  answers: fc.array(answer, { minLength: 1, maxLength: 6 }),
  /** Milliseconds between what is asked. */
  pauses: fc.array(fc.oneof(fc.constantFrom(0, 1000, 5001, 11_000), fc.integer({ min: 0, max: 60_000 })), {
    minLength: 1,
    maxLength: 6,
  }),
  refused: fc.array(fc.boolean(), { minLength: 1, maxLength: 6 }),
});

function respond(answer: Answer): Response | Promise<Response> {
  if (answer.kind === "answers") return { status: answer.status, headers: {}, body: answer.body };
  if (answer.kind === "never") return new Promise(() => {});
  if (answer.kind === "throws") throw new Error(`the request had ${ECHO} in it`);
  throw new Unreachable("the connection was refused");
}

/** The lease, or undefined where there is none; time passes until one or the other is so. */
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
    assert.ok(turns < 20, "it neither comes nor fails");
    await rig.clock.pass(turns === 0 ? 0 : 5000);
  }
  return result;
}

async function play(
  rig: Rig,
  { config, answers, pauses, refused }: typeof script extends fc.Arbitrary<infer T> ? T : never,
  seen: (outcome: string) => void,
) {
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
        const value = lease.headers[header];
        assert.deepEqual(Object.keys(lease.headers), [header]);
        assert.ok(value !== undefined && value.length <= 16_384 + "Bearer ".length && value.trim() === value);
        validateHeaderValue(header, value);
        assert.ok(!JSON.stringify(lease).includes(value), "a lease can be printed");
        if (value.length >= 16)
          assert.ok(credential.leaks(Buffer.from(`<${value.replace(/^Bearer /, "")}>`)));
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
    // whatever the answers: the shortest life is a second, and a token is renewed at two thirds of it
    const passed = rig.clock.now() - begun;
    assert.ok(asked <= 3 * pauses.length + passed / 250, `${asked} requests in ${passed} ms`);
    assert.ok(rig.clock.timers <= 4, `${rig.clock.timers} timers`);
  } finally {
    const closing = credential.close();
    await leaseOf(
      rig,
      closing.then(() => ({ headers: {} })),
    );
  }
}

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
          name: "whatever a server answers, a login gives a lease that a header can carry, or fails with a sentence that has nothing of the answer in it",
          cases: 400,
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
