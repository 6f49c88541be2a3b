/** The possible answers of a server to a login and to a renewal, as a script. */
import fc from "fast-check";
import { type Response, Unreachable } from "../../host/capabilities/net/exchange.ts";
import { mutated } from "./bytes.ts";

/** Part of the text of each answer; no message may contain it. */
export const ECHO = "CANARY";
export const LONGEST_MS = 10 * 365 * 86_400_000;
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
export const CONFIGS = { vault: VAULT, generic: GENERIC } as const;

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
/** The fields of Vault and those of the other recipe in one document; a key may have another name. */
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
export type Answer =
  | { readonly kind: "answers"; readonly status: number; readonly body: Uint8Array }
  | { readonly kind: "fails" | "throws" | "never" };
const answer: fc.Arbitrary<Answer> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("answers" as const), status, body }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("fails" as const, "throws" as const, "never" as const) }),
  },
);
export const script = fc.record({
  config: fc.constantFrom("vault" as const, "generic" as const),
  answers: fc.array(answer, { minLength: 1, maxLength: 6 }),
  /** Milliseconds between the requests. */
  pauses: fc.array(fc.oneof(fc.constantFrom(0, 1000, 5001, 11_000), fc.integer({ min: 0, max: 60_000 })), {
    minLength: 1,
    maxLength: 6,
  }),
  refused: fc.array(fc.boolean(), { minLength: 1, maxLength: 6 }),
});

export type Script = typeof script extends fc.Arbitrary<infer T> ? T : never;

export function respond(answer: Answer): Response | Promise<Response> {
  if (answer.kind === "answers") return { status: answer.status, headers: {}, body: answer.body };
  if (answer.kind === "never") return new Promise(() => {});
  if (answer.kind === "throws") throw new Error(`the request had ${ECHO} in it`);
  throw new Unreachable("the connection was refused");
}
