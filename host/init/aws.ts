/** The template of the aws provider: a KEK in AWS KMS. */
import type { Answers, Template } from "./template.ts";
import { scalar, shellWord } from "./words.ts";

const AWS = ["providers", "aws", "grants", "net", "credential", "aws"] as const;

export const aws: Template = {
  name: "aws",
  about: "AWS KMS",
  questions: [
    {
      name: "region",
      value: "<name>",
      about: "the Region of the KMS key, such as eu-central-1",
      key: [...AWS, "region"],
    },
    {
      name: "source",
      value: "<source>",
      about: "the source of the host's AWS identity: instance, keys or web-identity",
      key: [...AWS, "source"],
      oneOf: ["instance", "keys", "web-identity"],
      byDefault: "instance",
    },
    {
      name: "access-key-id",
      value: "<id>",
      about: "the id of the access key",
      key: [...AWS, "accessKeyId"],
      concerns: ({ source }) => source === "keys",
    },
    {
      name: "secret-key-file",
      value: "<file>",
      about: "the file of the secret access key, of mode 0600",
      key: [...AWS, "secretAccessKey", "file"],
      concerns: ({ source }) => source === "keys",
    },
    {
      name: "role",
      value: "<arn>",
      about: "the role of the web identity",
      key: [...AWS, "role"],
      concerns: ({ source }) => source === "web-identity",
    },
    {
      name: "token-file",
      value: "<file>",
      about: "the file of the web identity token",
      key: [...AWS, "file"],
      concerns: ({ source }) => source === "web-identity",
    },
  ],
  section: () => [],
  grants: (answers) => [
    "net:",
    `  origin: https://kms.${domainOf(answers)} # the only server that the provider can contact; FIPS: kms-fips.${domainOf(answers)}`,
    "  allow: # the provider can send these requests and no others",
    "    - POST / x-amz-target=TrentService.DescribeKey",
    "    - POST / x-amz-target=TrentService.Encrypt",
    "    - POST / x-amz-target=TrentService.Decrypt",
    "  credential: # the host signs each request; the provider never sees a key",
    "    aws:",
    `      region: ${answers.region} # signatures are valid there only`,
    ...sourceOf(answers).map((line) => `      ${line}`),
  ],
  steps: ({ key = "", region = "", source = "", "secret-key-file": file = "" }) => [
    `in AWS: create the key and its alias, "aws kms create-key --region ${region}" and "aws kms create-alias --region ${region} --alias-name alias/${shellWord(key)} --target-key-id ID"; never point the alias at another key`,
    "allow kms:DescribeKey, kms:Encrypt and kms:Decrypt on the ARN of the key, and nothing else, to the identity of the host (docs/operate/aws.md)",
    ...(source === "keys"
      ? [`put the secret access key into ${file}, readable by the user of the host only`]
      : []),
  ],
};

function sourceOf({ source, region, ...answers }: Answers): string[] {
  const sts = `sts: https://sts.${domainOf({ region: region ?? "" })}`;
  const {
    "access-key-id": id = "",
    "secret-key-file": secret = "",
    role = "",
    "token-file": token = "",
  } = answers;
  if (source === "keys")
    return [
      "source: keys # a long-lived access key",
      `accessKeyId: ${scalar(id)} # not secret`,
      "secretAccessKey:",
      `  file: ${scalar(secret)} # read again every minute`,
      `${sts} # lets kleidi doctor name the identity`,
    ];
  if (source === "web-identity")
    return [
      "source: web-identity # a token that STS exchanges for keys",
      `role: ${scalar(role)} # its trust policy names the token's issuer and subject`,
      `file: ${scalar(token)} # read at each login`,
      `${sts} # gives the keys`,
    ];
  return [
    "source: instance # the role of this EC2 instance",
    "endpoint: http://169.254.169.254 # the metadata service, which the host contacts because of this line only",
    `${sts} # lets kleidi doctor name the identity`,
  ];
}

/** The Regions of China have a domain of their own. */
function domainOf({ region = "" }: Answers): string {
  return `${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}
