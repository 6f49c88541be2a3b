/** The shape of `credential`: who the host is at an origin. Secrets are files, named by their paths. */
import { z } from "zod";
import { field, nearestOf, path } from "../../../schema/field.ts";
import { CREDENTIAL_HEADERS, HEADER, PLAIN_PATH, RESERVED_HEADERS } from "../words.ts";

const file = (meaning: string, example: string) =>
  field(path(), { expected: "the path of a file", meaning, example });

const optionalFile = (meaning: string, example: string) =>
  field(path().exactOptional(), {
    expected: "the path of a file",
    meaning,
    example,
    absent: "the method needs none",
  });

const text = (meaning: string, example: string, absent: string) =>
  field(
    z
      .string()
      .regex(/^[\x20-\x7e]{1,256}$/)
      .exactOptional(),
    { expected: "1 to 256 printable ASCII characters", meaning, example, absent },
  );

/** A path without a slash at its end, in front or behind: "approle", "team-a/ldap". */
const mountOf = (meaning: string, example: string, absent: string) =>
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

const header = () =>
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

const scheme = () =>
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

/** RFC 6901. */
const pointer = () => z.string().regex(/^(\/(?:[A-Za-z0-9_.-]|~[01]){1,64}){1,8}$/);

/** What each method needs, and may have. */
const NEEDS = {
  token: [["file"], []],
  approle: [["roleId"], ["secretId"]],
  kubernetes: [["role", "file"], []],
  jwt: [["role", "file"], []],
  userpass: [["username", "file"], []],
  cert: [[], ["role"]],
} as const;
type VaultAuth = keyof typeof NEEDS;
const VAULT_AUTHS = [
  "token",
  "approle",
  "kubernetes",
  "jwt",
  "userpass",
  "cert",
] as const satisfies VaultAuth[];

const vaultKeys = z.strictObject({
  auth: field(z.enum(VAULT_AUTHS), {
    expected: VAULT_AUTHS.join(", "),
    meaning:
      "The auth method. `token` needs `file`; `approle` needs `roleId`; `kubernetes` and `jwt` need `role` and `file`; `userpass` needs `username` and `file`; `cert` needs the certificate of `tls`.",
    example: "approle",
    suggest: nearestOf(VAULT_AUTHS),
  }),
  mount: mountOf("The mount path of the auth method.", "approle", "the method's name"),
  namespace: mountOf("The namespace of the auth method.", "team-a", "the root namespace"),
  file: optionalFile("The token, the JSON Web Token or the password.", "/etc/kleidi/vault-token"),
  roleId: text(
    "The role id. It is no secret.",
    "3f0c2b1e-8a3c-4c57-9d0f-0d6f1b2c9a11",
    "the method needs none",
  ),
  secretId: field(z.strictObject({ file: file("The secret id.", "/etc/kleidi/secret-id") }).exactOptional(), {
    expected: "a mapping with the key file",
    meaning: "The secret id, for `approle`.",
    example: "{ file: /etc/kleidi/secret-id }",
    absent: "a role that needs none",
  }),
  role: text("The role to log in as.", "kleidi", "the method needs none, or the server's own choice"),
  username: text("The user, for `userpass`.", "kleidi", "the method needs none"),
});
type VaultKeys = z.output<typeof vaultKeys>;

/** The keys that a method has, and no others. */
export type VaultLogin = {
  [Auth in VaultAuth]: { auth: Auth } & Pick<
    VaultKeys,
    "mount" | "namespace" | (typeof NEEDS)[Auth][1][number]
  > &
    Required<Pick<VaultKeys, (typeof NEEDS)[Auth][0][number]>>;
}[VaultAuth];

function isWhole(login: VaultKeys): login is VaultLogin {
  const { auth, mount, namespace, ...rest } = login;
  const [needed, possible]: readonly [readonly string[], readonly string[]] = NEEDS[auth];
  const there = Object.keys(rest);
  if (auth === "token" && mount !== undefined) return false;
  return (
    needed.every((name) => there.includes(name)) &&
    there.every((name) => needed.includes(name) || possible.includes(name))
  );
}

const vault = field(
  vaultKeys
    .refine(isWhole)
    .transform((login): VaultLogin => login)
    .exactOptional(),
  {
    expected: `a mapping with auth and exactly the keys that it needs: ${[
      "token: file",
      "approle: roleId, secretId",
      "kubernetes, jwt: role, file",
      "userpass: username, file",
      "cert: role, if any",
    ].join("; ")}`,
    meaning: "A login at HashiCorp Vault or OpenBao.",
    example: "{ auth: approle, roleId: <the role id>, secretId: { file: /etc/kleidi/secret-id } }",
    absent: "another credential",
  },
);

const fromFile = field(
  z
    .strictObject({
      file: file("The token, read again when it changes.", "/etc/kleidi/token"),
      header: header(),
      scheme: scheme(),
    })
    .exactOptional(),
  {
    expected: "a mapping with the keys file and header",
    meaning: "A token from a file, which something else keeps fresh.",
    example: "{ file: /etc/kleidi/token, header: authorization, scheme: Bearer }",
    absent: "another credential",
  },
);

const value = field(
  z
    .strictObject({
      text: text("The value, which is no secret.", "kleidi", "`file` is there"),
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

const login = field(
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

export const credential = field(
  z
    .strictObject({ vault, file: fromFile, login })
    .refine((kinds) => Object.values(kinds).filter((kind) => kind !== undefined).length === 1)
    .transform(({ vault, file, login }) => {
      if (vault !== undefined) return { kind: "vault" as const, ...vault };
      if (file !== undefined) return { kind: "file" as const, ...file };
      if (login !== undefined) return { kind: "login" as const, ...login };
      throw new Error("a credential without a kind");
    })
    .exactOptional(),
  {
    expected: "a mapping with one of the keys vault, file and login",
    meaning: "The host's identity at the origin. The provider never sees it.",
    example: "{ vault: { auth: token, file: /etc/kleidi/vault-token } }",
    absent: "no credential, but the certificate of `tls` if it has one",
  },
);

export type CredentialConfig = NonNullable<z.output<typeof credential>>;
export type LoginConfig = Extract<CredentialConfig, { kind: "login" }>;
