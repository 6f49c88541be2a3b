/** The schema of `credential.vault`: a login at HashiCorp Vault or OpenBao. */
import * as z from "zod";
import { field, nearestOf } from "../../../../schema/field.ts";
import { file, hasKeys, mountOf, optionalFile, text } from "../fields.ts";

/** The required and the optional keys of each auth method. */
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
    "The role id, which is not secret.",
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

/** The keys of each auth method, and no others. */
export type VaultLogin = {
  [Auth in VaultAuth]: { auth: Auth } & Pick<
    VaultKeys,
    "mount" | "namespace" | (typeof NEEDS)[Auth][1][number]
  > &
    Required<Pick<VaultKeys, (typeof NEEDS)[Auth][0][number]>>;
}[VaultAuth];

function hasExactKeys(login: VaultKeys): login is VaultLogin {
  const { auth, mount, namespace, ...rest } = login;
  return !(auth === "token" && mount !== undefined) && hasKeys(rest, NEEDS[auth]);
}

export const SCHEMA = field(
  vaultKeys
    .refine(hasExactKeys)
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
