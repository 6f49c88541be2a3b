/** Schema fields that the login methods share. */
import * as z from "zod";
import { field, path } from "../../../schema/field.ts";
import { originOf, suggestOrigin } from "../origin.ts";
import { CREDENTIAL_HEADERS, HEADER, PLAIN_PATH, RESERVED_HEADERS } from "../request-syntax.ts";

export const file = (meaning: string, example: string) =>
  field(path(), { expected: "the path of a file", meaning, example });

export const optionalFile = (meaning: string, example: string) =>
  field(path().exactOptional(), {
    expected: "the path of a file",
    meaning,
    example,
    absent: "the method needs none",
  });

export const text = (meaning: string, example: string, absent: string) =>
  field(
    z
      .string()
      .regex(/^[\x20-\x7e]{1,256}$/)
      .exactOptional(),
    { expected: "1 to 256 printable ASCII characters", meaning, example, absent },
  );

export const matching = (
  expected: string,
  pattern: RegExp,
  meaning: string,
  example: string,
  absent: string,
) => field(z.string().regex(pattern).exactOptional(), { expected, meaning, example, absent });

/** The origin of another server than that of the grant. */
export const otherOrigin = (meaning: string, example: string, absent: string) =>
  field(
    z
      .string()
      .transform((text, context) => {
        const origin = originOf(text);
        if (origin !== undefined) return origin;
        context.issues.push({ code: "custom", input: text });
        return z.NEVER;
      })
      .exactOptional(),
    {
      expected: "https://, a host in lower case and perhaps a port; http:// only with a loopback address",
      meaning,
      example,
      absent,
      suggest: suggestOrigin,
    },
  );

/** True if a mapping has all needed keys, and no others than these and the possible ones. */
export function hasKeys(
  mapping: object,
  [needed, possible]: readonly [needed: readonly string[], possible: readonly string[]],
): boolean {
  const there = Object.keys(mapping);
  return (
    needed.every((name) => there.includes(name)) &&
    there.every((name) => needed.includes(name) || possible.includes(name))
  );
}

/** A path without a leading or trailing slash: "approle", "team-a/ldap". */
export const mountOf = (meaning: string, example: string, absent: string) =>
  field(
    z
      .string()
      .refine((value) => PLAIN_PATH.test(`/${value}`))
      .exactOptional(),
    {
      expected: "names of A-Z, a-z, 0-9 and -._~!$&'()*+,;=:@ with single slashes in between",
      meaning,
      example,
      absent,
      suggest: (source) => source.replaceAll(/^\/+|\/+$/g, ""),
    },
  );

export const header = () =>
  field(
    z
      .string()
      .refine((name) => HEADER.test(name) && (CREDENTIAL_HEADERS.has(name) || !RESERVED_HEADERS.has(name))),
    {
      expected: "a header's name in lower case, and none that HTTP itself needs",
      meaning: "The header that carries the token.",
      example: "x-vault-token",
      suggest: (source) => source.toLowerCase(),
    },
  );

export const scheme = () =>
  field(
    z
      .string()
      .regex(/^[A-Za-z][A-Za-z0-9-]{0,31}$/)
      .exactOptional(),
    {
      expected: "a word",
      meaning: "The word before the token; a space follows it.",
      example: "Bearer",
      absent: "the token alone",
    },
  );
