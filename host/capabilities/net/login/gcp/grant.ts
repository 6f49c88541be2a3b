/** The schema of `credential.gcp`: an identity of Google Cloud, whose access token each request carries. */
import * as z from "zod";
import { field, nearestOf } from "../../../../schema/field.ts";
import { hasKeys, matching, optionalFile, otherOrigin } from "../fields.ts";

/** The required and the optional keys of each source. */
const NEEDS = {
  "service-account": [["file", "oauth"], []],
  metadata: [["endpoint"], []],
  "workload-identity": [["audience", "file", "sts"], ["field"]],
} as const;
type GcpSource = keyof typeof NEEDS;
const SOURCES = Object.keys(NEEDS) as [GcpSource, ...GcpSource[]];

/** The addresses of the metadata service, and loopback. */
const ENDPOINT =
  /^http:\/\/(?:169\.254\.169\.254|\[fd20:ce::254\]|(?:127(?:\.\d{1,3}){3}|\[::1\])(?::[1-9]\d{0,4})?)$/;
const AUDIENCE =
  /^\/\/iam\.[a-z0-9.-]{1,64}\/projects\/\d{1,20}\/locations\/global\/workloadIdentityPools\/[a-z0-9-]{4,32}\/providers\/[a-z0-9-]{4,32}$/;

const gcpKeys = z.strictObject({
  source: field(z.enum(SOURCES), {
    expected: SOURCES.join(", "),
    meaning:
      "The source of the access token. `service-account` needs `file` and `oauth`; `metadata` needs `endpoint`; `workload-identity` needs `audience`, `file` and `sts`.",
    example: "metadata",
    suggest: nearestOf(SOURCES),
  }),
  file: optionalFile(
    "The JSON key of a service account, or the token of a workload identity. No address in a key file is used.",
    "/etc/kleidi/gcp-key.json",
  ),
  oauth: otherOrigin(
    "The origin of the token endpoint for `service-account`; `tls.ca` and `networks` of the grant hold for it, and for `sts` and `iam`, too.",
    "https://oauth2.googleapis.com",
    "it is not contacted",
  ),
  endpoint: matching(
    "http:// with the address of the metadata service (169.254.169.254, [fd20:ce::254]) or a loopback address",
    ENDPOINT,
    "The service that gives tokens to this machine. This line is the grant to contact it: there is no default.",
    "http://169.254.169.254",
    "no metadata service is contacted",
  ),
  audience: matching(
    "//iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER",
    AUDIENCE,
    "The provider of a workload identity pool that trusts the token's issuer.",
    "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/clusters/providers/kubernetes",
    "the source needs none",
  ),
  field: matching(
    "1 to 64 letters, digits, _ and -",
    /^[\w-]{1,64}$/,
    "The member with the token, if the file of a workload identity is a JSON object.",
    "id_token",
    "the file is the token",
  ),
  sts: otherOrigin(
    "The origin of the Security Token Service, for `workload-identity`.",
    "https://sts.googleapis.com",
    "it is not contacted",
  ),
  impersonate: matching(
    "the e-mail address of a service account",
    /^[a-z0-9][a-z0-9._-]{0,63}@[a-z0-9][a-z0-9.-]{3,127}$/,
    "The service account that the identity of the source acts as. Needs `iam`.",
    "kleidi-kek@my-project.iam.gserviceaccount.com",
    "the identity of the source asks the KMS",
  ),
  iam: otherOrigin(
    "The origin of the IAM Service Account Credentials API, for `impersonate`.",
    "https://iamcredentials.googleapis.com",
    "it is not contacted",
  ),
});
type GcpKeys = z.output<typeof gcpKeys>;

/** The keys of each source, and no others. */
export type GcpLogin = {
  [Source in GcpSource]: { source: Source } & Pick<
    GcpKeys,
    "impersonate" | "iam" | (typeof NEEDS)[Source][1][number]
  > &
    Required<Pick<GcpKeys, (typeof NEEDS)[Source][0][number]>>;
}[GcpSource];

function hasExactKeys(login: GcpKeys): login is GcpLogin {
  const { source, impersonate, iam, ...rest } = login;
  return (impersonate === undefined) === (iam === undefined) && hasKeys(rest, NEEDS[source]);
}

export const SCHEMA = field(
  gcpKeys
    .refine(hasExactKeys)
    .transform((login): GcpLogin => login)
    .exactOptional(),
  {
    expected: `a mapping with source and exactly the keys that it needs: ${[
      "service-account: file, oauth",
      "metadata: endpoint",
      "workload-identity: audience, file, sts",
      "impersonate and iam together",
    ].join("; ")}`,
    meaning: "An identity of Google Cloud, whose access token each request carries.",
    example: "{ source: metadata, endpoint: 'http://169.254.169.254' }",
    absent: "another credential",
  },
);
