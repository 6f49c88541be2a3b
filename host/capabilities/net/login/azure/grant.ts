/** The schema of `credential.azure`: an identity of Microsoft Entra ID, whose access token each request carries. */
import * as z from "zod";
import { field, nearestOf } from "../../../../schema/field.ts";
import { hasKeys, matching, optionalFile, otherOrigin } from "../fields.ts";

/** The required and the optional keys of each source. */
const NEEDS = {
  "client-secret": [["tenant", "client", "file", "login"], []],
  "client-certificate": [["tenant", "client", "file", "login"], []],
  "workload-identity": [["tenant", "client", "file", "login"], []],
  "managed-identity": [["endpoint"], ["client"]],
} as const;
type AzureSource = keyof typeof NEEDS;
const SOURCES = Object.keys(NEEDS) as [AzureSource, ...AzureSource[]];

/** The address of the metadata service, and loopback. */
const ENDPOINT = /^http:\/\/(?:169\.254\.169\.254|(?:127(?:\.\d{1,3}){3}|\[::1\])(?::[1-9]\d{0,4})?)$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const RESOURCE = /^https:\/\/[a-z0-9](?:[a-z0-9.-]{0,125}[a-z0-9])$/;

const azureKeys = z.strictObject({
  source: field(z.enum(SOURCES), {
    expected: SOURCES.join(", "),
    meaning:
      "The source of the access token. `managed-identity` needs `endpoint`; the others need `tenant`, `client`, `file` and `login`.",
    example: "managed-identity",
    suggest: nearestOf(SOURCES),
  }),
  tenant: matching(
    "the id of a tenant, in lower case",
    UUID,
    "The directory (tenant) of the application.",
    "11111111-2222-3333-4444-555555555555",
    "the source needs none",
  ),
  client: matching(
    "the id of an application, in lower case",
    UUID,
    "The application (client) id; for `managed-identity`, that of a user-assigned identity.",
    "66666666-7777-8888-9999-000000000000",
    "the machine's only identity",
  ),
  file: optionalFile(
    "The client secret; or a PEM file with the application's certificate and its RSA key; or the token of a workload identity.",
    "/etc/kleidi/azure-secret",
  ),
  login: otherOrigin(
    "The origin of Microsoft Entra ID, in the cloud of the vault; `tls.ca` and `networks` of the grant hold for it too.",
    "https://login.microsoftonline.com",
    "it is not contacted",
  ),
  endpoint: matching(
    "http:// with the address of the metadata service (169.254.169.254) or a loopback address",
    ENDPOINT,
    "The service that gives tokens to this machine. This line is the grant to contact it: there is no default.",
    "http://169.254.169.254",
    "no metadata service is contacted",
  ),
  resource: matching(
    "https:// and a name in lower case, without a path",
    RESOURCE,
    "The audience of the token: `https://managedhsm.azure.net` for a Managed HSM; another cloud has its own.",
    "https://vault.azure.net",
    "`https://vault.azure.net`",
  ),
});
type AzureKeys = z.output<typeof azureKeys>;

/** The keys of each source, and no others. */
export type AzureLogin = {
  [Source in AzureSource]: { source: Source } & Pick<
    AzureKeys,
    "resource" | (typeof NEEDS)[Source][1][number]
  > &
    Required<Pick<AzureKeys, (typeof NEEDS)[Source][0][number]>>;
}[AzureSource];

function hasExactKeys(login: AzureKeys): login is AzureLogin {
  const { source, resource, ...rest } = login;
  return hasKeys(rest, NEEDS[source]);
}

export const SCHEMA = field(
  azureKeys
    .refine(hasExactKeys)
    .transform((login): AzureLogin => login)
    .exactOptional(),
  {
    expected: `a mapping with source and exactly the keys that it needs: ${[
      "client-secret, client-certificate, workload-identity: tenant, client, file, login",
      "managed-identity: endpoint, and client if it is user-assigned",
    ].join("; ")}`,
    meaning: "An identity of Microsoft Entra ID, whose access token each request carries.",
    example: "{ source: managed-identity, endpoint: 'http://169.254.169.254' }",
    absent: "another credential",
  },
);
