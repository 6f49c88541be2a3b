/** The schema of `credential.login`: a login that the configuration describes. */
import * as z from "zod";
import { field, nearestOf, path } from "../../../../schema/field.ts";
import { PLAIN_PATH } from "../../request-syntax.ts";
import { header, scheme, text } from "../fields.ts";

/** RFC 6901. */
const pointer = () => z.string().regex(/^(\/(?:[A-Za-z0-9_.-]|~[01]){1,64}){1,8}$/);

const value = field(
  z
    .strictObject({
      text: text("The value, which is not secret.", "kleidi", "`file` is there"),
      file: field(path().exactOptional(), {
        expected: "the path of a file",
        meaning: "The file whose content is the value, without the line break at its end.",
        example: "/etc/kleidi/password",
        absent: "`text` is there",
      }),
    })
    .refine(({ text, file }) => (text === undefined) !== (file === undefined))
    .transform(({ text = "", file }) => (file === undefined ? text : { file })),
  {
    expected: "a mapping with either text or file",
    meaning: "One field of the login.",
    example: "{ file: /etc/kleidi/password }",
  },
);

export const SCHEMA = field(
  z
    .strictObject({
      method: field(z.enum(["POST", "PUT"]).prefault("POST"), {
        expected: "POST or PUT",
        meaning: "The method of the login.",
        example: "POST",
        suggest: nearestOf(["POST", "PUT"]),
      }),
      path: field(z.string().regex(PLAIN_PATH), {
        expected: "a path of names with single slashes in between, the first character a slash",
        meaning: "The path of the login, at the same origin.",
        example: "/v1/login",
        suggest: (source) => `/${source.replaceAll(/^\/+|\/+$/g, "")}`,
      }),
      body: field(
        z
          .record(z.string(), value)
          .refine((all) => Object.keys(all).every((name) => /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/.test(name))),
        {
          expected: "a mapping of field names to values",
          meaning: "The fields of the JSON object that is sent.",
          example: "{ user: { text: kleidi }, password: { file: /etc/kleidi/password } }",
        },
      ),
      token: field(pointer(), {
        expected: "a JSON pointer, of names after slashes",
        meaning: "The place of the token in the answer.",
        example: "/auth/client_token",
      }),
      ttl: field(pointer().exactOptional(), {
        expected: "a JSON pointer, of names after slashes",
        meaning: "The place of the token's time to live, in seconds, in the answer.",
        example: "/auth/lease_duration",
        absent: "the token is used until it is refused",
      }),
      header: header(),
      scheme: scheme(),
    })
    .exactOptional(),
  {
    expected: "a mapping with the keys path, body, token and header",
    meaning: "A login by a recipe of your own.",
    example:
      "{ path: /v1/login, body: { password: { file: /etc/kleidi/password } }, token: /token, header: authorization, scheme: Bearer }",
    absent: "another credential",
  },
);

export type LoginConfig = NonNullable<z.output<typeof SCHEMA>>;
