/** Grants with `credential.aws` that parseConfig refuses. */
import { type RefusedText, testRefusals } from "../../test/support/config-faults.ts";

const configuration = (allow: string, credential: string) => `apiVersion: kleidi.dev/v1
listen: { socket: /run/kms.sock }
providers:
  one:
    module: a
    sha256: ${"0123456789abcdef".repeat(4)}
    grants:
      net:
        origin: https://kms.eu-central-1.amazonaws.com
        allow: [${allow}]
        credential:
          aws:
            ${credential}
keys:
  - { name: kek-1, provider: one, use: active }
`;
const LINE = "POST / x-amz-target=TrentService.Decrypt";
const INSTANCE = "{ region: eu-central-1, source: instance, endpoint: 'http://169.254.169.254' }";
const NET = "providers.one.grants.net";

const refused: RefusedText[] = [];
const refuses = (name: string, place: string, credential: string, allow = LINE) =>
  refused.push({ name, text: configuration(allow, credential), place });

for (const endpoint of [
  "http://169.254.169.253",
  "http://10.0.0.1",
  "https://169.254.169.254",
  "http://metadata.example",
  "http://169.254.169.254.example",
  "http://169.254.169.254:8080",
  "http://169.254.169.254@10.0.0.1",
  "http://169.254.170.2/v2?a",
])
  refuses(
    `the metadata service ${endpoint}`,
    `13:65 ${NET}.credential.aws.endpoint`,
    INSTANCE.replace("http://169.254.169.254", endpoint),
  );

const AWS = `13:13 ${NET}.credential.aws`;
refuses("a metadata service without its address", AWS, "{ region: eu-central-1, source: instance }");
refuses(
  "a role to assume without STS",
  AWS,
  INSTANCE.replace(" }", ", assume: [{ role: arn:aws:iam::111122223333:role/a }] }"),
);
refuses(
  "a web identity without STS",
  AWS,
  "{ region: eu-central-1, source: web-identity, role: arn:aws:iam::111122223333:role/a, file: /t }",
);
refuses("keys of another source", AWS, INSTANCE.replace(" }", ", file: /t }"));
refuses(
  "a secret in the configuration",
  `13:103 ${NET}.credential.aws.secretAccessKey`,
  "{ region: eu-central-1, source: keys, accessKeyId: AKIAIOSFODNN7EXAMPLE, secretAccessKey: abc }",
);
refuses(
  "STS without TLS",
  `13:96 ${NET}.credential.aws.sts`,
  INSTANCE.replace(" }", ", sts: 'http://sts.example' }"),
);
refuses(
  "a Region that is a name of a server",
  `13:23 ${NET}.credential.aws.region`,
  INSTANCE.replace("eu-central-1", "eu-central-1.example"),
);
for (const allow of ["POST /", "POST / x-amz-meta=1", "GET /?Action=AssumeRole"])
  refuses(`the request ${allow}, which names no operation`, `10:17 ${NET}.allow[0]`, INSTANCE, allow);

testRefusals("credential.aws", refused);
