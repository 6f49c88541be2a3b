/** The template of the vault provider: a KEK in the Transit engine of HashiCorp Vault or OpenBao. */
import type { Answers, Template } from "./template.ts";
import { scalar } from "./words.ts";

const NET = ["providers", "vault", "grants", "net"] as const;

export const vault: Template = {
  name: "vault",
  about: "the Transit engine of HashiCorp Vault or OpenBao",
  questions: [
    {
      name: "origin",
      value: "<url>",
      about: "the server, as https://host:port",
      key: [...NET, "origin"],
    },
    {
      name: "network",
      value: "<cidr>",
      about: "the private network that the server is in; none for a public address",
      key: [...NET, "networks", 0],
      optional: true,
    },
    {
      name: "ca",
      value: "<file>",
      about: "the CA of the server's certificate, a PEM file; none for a public CA",
      key: [...NET, "tls", "ca"],
      optional: true,
    },
    {
      name: "auth",
      value: "<method>",
      about: "the host's login: approle or token",
      key: [...NET, "credential", "vault", "auth"],
      oneOf: ["approle", "token"],
      byDefault: "approle",
    },
    {
      name: "role-id",
      value: "<id>",
      about: "the role id of approle",
      key: [...NET, "credential", "vault", "roleId"],
      concerns: ({ auth }) => auth === "approle",
    },
    {
      name: "secret-file",
      value: "<file>",
      about: "the file of the secret id or of the token, of mode 0600",
      key: [...NET, "credential", "vault", "file"],
    },
  ],
  section: () => [],
  grants: (answers) => ["net:", ...netOf(answers).map((line) => `  ${line}`)],
  steps: ({ key = "", "secret-file": file = "" }) => [
    `in Vault: create the key, "vault write -f transit/keys/${key}", and a policy that allows the three requests under "allow"`,
    `put the secret id or the token into ${file}, readable by the user of the host only`,
  ],
};

function netOf({ origin = "", key = "", network, ca, ...login }: Answers): string[] {
  return [
    `origin: ${scalar(origin)} # the only server that the provider can contact`,
    "allow: # the provider can send these requests and no others",
    `  - GET /v1/transit/keys/${key}`,
    `  - POST /v1/transit/encrypt/${key}`,
    `  - POST /v1/transit/decrypt/${key}`,
    ...(network === undefined
      ? []
      : [`networks: [${scalar(network)}] # a private address is allowed only in a listed network`]),
    ...(ca === undefined
      ? []
      : [`tls: # this CA must have issued the server's certificate`, `  ca: ${scalar(ca)}`]),
    "credential: # the host's own login; the provider never sees a token",
    "  vault:",
    ...credentialOf(login).map((line) => `    ${line}`),
  ];
}

function credentialOf({ auth, "role-id": roleId = "", "secret-file": file = "" }: Answers): string[] {
  if (auth === "token") return ["auth: token", `file: ${scalar(file)} # read again when it changes`];
  return ["auth: approle", `roleId: ${scalar(roleId)}`, "secretId:", `  file: ${scalar(file)}`];
}
