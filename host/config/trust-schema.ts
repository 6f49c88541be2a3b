/** The schema of `trust`: the keys that must sign a module, besides the pin of its digest. trust-rules.ts has the rules across keys. */
import * as z from "zod";
import { count, field, KEY_NAME, keyName, normalizeName } from "../schema/field.ts";

/** "Ed", a key id of 8 bytes and an Ed25519 key of 32 bytes. 42 bytes are 56 characters without padding, so the form is unique. */
const PUBLIC_KEY = /^RW[QRST][A-Za-z0-9+/]{53}$/;
/** A key id as minisign prints it. */
const KEY_ID = /^[0-9A-F]{16}$/;
/** The reason is printed to terminals and logs. */
const WHY = /^[^\p{C}\p{Zl}\p{Zp}]{1,200}$/u;

/** @returns true for a day of the calendar as YYYY-MM-DD */
function isDay(text: string): boolean {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

/** @returns the key id and the Ed25519 key of a minisign public key, in hex; undefined if it is invalid */
export function partsOfKey(key: unknown): { id: string; ed25519: string } | undefined {
  if (typeof key !== "string" || !PUBLIC_KEY.test(key)) return undefined;
  const bytes = Buffer.from(key, "base64");
  return { id: bytes.toString("hex", 2, 10), ed25519: bytes.toString("hex", 10) };
}

const key = field(
  z.strictObject({
    name: field(keyName(), {
      expected: KEY_NAME,
      meaning: "The key's name in messages.",
      example: "release-2026",
      suggest: normalizeName,
    }),
    key: field(z.string().regex(PUBLIC_KEY), {
      expected: "a minisign public key, the line of 56 characters that begins with RW",
      meaning: "The second line of the key's .pub file.",
      example: "<the second line of the .pub file>",
      suggest: (source) => /(?<![A-Za-z0-9+/])RW[QRST][A-Za-z0-9+/]{53}(?![A-Za-z0-9+/=])/.exec(source)?.[0],
    }),
    expires: field(z.string().refine(isDay).exactOptional(), {
      expected: "a day as YYYY-MM-DD",
      meaning: "The last day, in UTC, on which a signature of this key counts. Checked when the host starts.",
      example: "2027-06-30",
      absent: "it does not expire",
      suggest: (source) => source.slice(0, 10).replaceAll(/[/.]/g, "-"),
    }),
  }),
  {
    expected: "a mapping with the keys name and key",
    meaning: "One key.",
    example: "{ name: release-2026, key: <the second line of the .pub file> }",
  },
);

const revoked = field(
  z
    .strictObject({
      sha256: field(
        z
          .string()
          .regex(/^[0-9a-f]{64}$/)
          .exactOptional(),
        {
          expected: "64 lower-case hex digits",
          meaning: "A module's SHA-256. The module is refused even if it is pinned and signed.",
          example: '<what "sha256sum" prints for the module>',
          absent: "`key` is set",
          suggest: (source) => source.toLowerCase().replace(/^sha256:/, ""),
        },
      ),
      key: field(z.string().regex(KEY_ID).exactOptional(), {
        expected: "16 upper-case hex digits",
        meaning:
          "A key's id, as minisign prints it, with zeros in front to 16 digits: no signature of this key counts.",
        example: "<the id in the first line of the .pub file>",
        absent: "`sha256` is set",
        suggest: (source) => source.toUpperCase().replace(/^0X/, "").padStart(16, "0"),
      }),
      why: field(z.string().regex(WHY), {
        expected: "1 to 200 printable characters",
        meaning: "The reason, which is printed with each refusal.",
        example: "the laptop with the key was lost",
      }),
    })
    // a rule checks that each has exactly one of the two
    .transform(({ sha256, key = "", why }) => (sha256 === undefined ? { key, why } : { sha256, why })),
  {
    expected: "a mapping with the keys why and either sha256 or key",
    meaning: "One module or one key.",
    example: "{ key: <the id in the first line of the .pub file>, why: the laptop with the key was lost }",
  },
);

export const trust = field(
  z
    .strictObject({
      keys: field(z.array(key).min(1).max(16), {
        expected: "a list of 1 to 16 keys",
        meaning: "The minisign keys whose signatures count.",
        example: "[{ name: release-2026, key: <the second line of the .pub file> }]",
      }),
      threshold: count(1, 16, 1, "The number of different keys that must have signed each module."),
      revoked: field(z.array(revoked).max(1024).prefault([]), {
        expected: "a list of at most 1024 modules and keys",
        meaning: "Modules and keys that are refused, regardless of signatures.",
        example:
          "[{ key: <the id in the first line of the .pub file>, why: the laptop with the key was lost }]",
        absent: "nothing is revoked",
      }),
    })
    .exactOptional(),
  {
    expected: "a mapping with the key keys",
    meaning: "The signatures that every module needs, besides the pin of its digest.",
    example: "{ keys: [{ name: release-2026, key: <the second line of the .pub file> }] }",
    absent: "signatures are not checked",
  },
);
