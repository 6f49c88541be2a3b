/** Grants with `credential.gcp` that parseConfig refuses. */
import { type RefusedText, testRefusals } from "../../test/support/config-faults.ts";

const configuration = (allow: string, credential: string) => `apiVersion: kleidi.dev/v1
listen: { socket: /run/kms.sock }
providers:
  one:
    module: a
    sha256: ${"0123456789abcdef".repeat(4)}
    grants:
      net:
        origin: https://cloudkms.googleapis.com
        allow: ["${allow}"]
        credential:
          gcp:
            ${credential}
keys:
  - { name: kek-1, provider: one, use: active }
`;
const KEY = "/v1/projects/p/locations/l/keyRings/r/cryptoKeys/k";
const LINE = `POST ${KEY}:decrypt`;
const METADATA = "{ source: metadata, endpoint: 'http://169.254.169.254' }";
const ACCOUNT = "{ source: service-account, file: /k, oauth: 'https://oauth2.googleapis.com' }";
const NET = "providers.one.grants.net";
const GCP = `13:13 ${NET}.credential.gcp`;

const refused: RefusedText[] = [];
const refuses = (name: string, place: string, credential: string, allow = LINE) =>
  refused.push({ name, text: configuration(allow, credential), place });

for (const endpoint of [
  "http://169.254.169.253",
  "http://metadata.google.internal",
  "https://169.254.169.254",
  "http://169.254.169.254/path",
  "http://169.254.169.254@10.0.0.1",
])
  refuses(
    `the metadata service ${endpoint}`,
    `13:43 ${NET}.credential.gcp.endpoint`,
    METADATA.replace("http://169.254.169.254", endpoint),
  );
refuses("a metadata service without its address", GCP, "{ source: metadata }");
refuses("a key without its endpoint", GCP, "{ source: service-account, file: /k }");
refuses("a key of another source", GCP, METADATA.replace(" }", ", file: /k }"));
refuses(
  "an account to act as without IAM",
  GCP,
  ACCOUNT.replace(" }", ", impersonate: kek@p-1.iam.gserviceaccount.com }"),
);
refuses("IAM without an account to act as", GCP, ACCOUNT.replace(" }", ", iam: 'https://iam.example' }"));
refuses(
  "an endpoint without TLS",
  `13:57 ${NET}.credential.gcp.oauth`,
  ACCOUNT.replace("https://oauth2", "http://oauth2"),
);
refuses(
  "a path in the place of an account",
  `13:103 ${NET}.credential.gcp.impersonate`,
  ACCOUNT.replace(" }", ", impersonate: 'a@b.example/../c', iam: 'https://iam.example' }"),
);
refuses(
  "an audience of another server",
  `13:52 ${NET}.credential.gcp.audience`,
  "{ source: workload-identity, audience: //x.example/projects/1/locations/global/workloadIdentityPools/pool/providers/one1, file: /t, sts: 'https://sts.example' }",
);
for (const allow of [
  `POST ${KEY}/cryptoKeyVersions/1:destroy`,
  `POST ${KEY}:encrypt`,
  `POST ${KEY}`,
  `GET ${KEY}:decrypt`,
  `PATCH ${KEY}`,
  "POST /v1/projects/p/locations/l/keyRings/r/cryptoKeys/",
  `GET ${KEY}/cryptoKeyVersions/`,
])
  refuses(`the request ${allow}`, `10:17 ${NET}.allow[0]`, METADATA, allow);

testRefusals("credential.gcp", refused);
