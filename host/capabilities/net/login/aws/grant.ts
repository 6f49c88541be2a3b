/** The schema of `credential.aws`: an identity of AWS, whose keys sign each request. */
import * as z from "zod";
import { field, nearestOf } from "../../../../schema/field.ts";
import { file, hasKeys, matching, optionalFile, otherOrigin, text } from "../fields.ts";

/** The required and the optional keys of each source. */
const NEEDS = {
  keys: [["accessKeyId", "secretAccessKey"], []],
  profile: [["file"], ["profile"]],
  instance: [["endpoint"], []],
  container: [["endpoint"], ["file"]],
  "web-identity": [["role", "file", "sts"], []],
} as const;
type AwsSource = keyof typeof NEEDS;
const SOURCES = Object.keys(NEEDS) as [AwsSource, ...AwsSource[]];

/** The addresses at which AWS serves credentials to its machines and containers, and loopback. */
const ENDPOINT =
  /^http:\/\/(?:169\.254\.169\.254|169\.254\.170\.2|169\.254\.170\.23|\[fd00:ec2::(?:254|23)\]|(?:127(?:\.\d{1,3}){3}|\[::1\])(?::[1-9]\d{0,4})?)(?:\/[A-Za-z0-9._/-]{0,256})?$/;

const ROLE = /^arn:aws[a-z-]{0,20}:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/;
const ROLE_EXPECTED = "the ARN of a role, arn:aws:iam::ACCOUNT:role/NAME";

const assumed = field(
  z.strictObject({
    role: field(z.string().regex(ROLE), {
      expected: ROLE_EXPECTED,
      meaning: "The role.",
      example: "arn:aws:iam::111122223333:role/kleidi-kek",
    }),
    externalId: matching(
      "2 to 1,224 characters of A-Z, a-z, 0-9 and +=,.@:/-",
      /^[\w+=,.@:/-]{2,1224}$/,
      "The external id that the role's trust policy asks for; it is not secret.",
      "kleidi-7f3a",
      "the role asks for none",
    ),
  }),
  {
    expected: "a mapping with the key role",
    meaning: "One role to assume.",
    example: "{ role: arn:aws:iam::111122223333:role/kleidi-kek }",
  },
);

const awsKeys = z.strictObject({
  region: field(z.string().regex(/^[a-z]{2}(?:-[a-z]+){1,3}-\d{1,2}$/), {
    expected: "the name of a Region, such as eu-central-1",
    meaning: "The Region of the origin, in which signatures are valid.",
    example: "eu-central-1",
    suggest: (source) => source.toLowerCase(),
  }),
  source: field(z.enum(SOURCES), {
    expected: SOURCES.join(", "),
    meaning:
      "The source of the keys. `keys` needs `accessKeyId` and `secretAccessKey`; `profile` needs `file`; `instance` and `container` need `endpoint`; `web-identity` needs `role`, `file` and `sts`.",
    example: "instance",
    suggest: nearestOf(SOURCES),
  }),
  accessKeyId: matching(
    "16 to 128 letters and digits",
    /^\w{16,128}$/,
    "The id of a long-lived key, which is not secret.",
    "AKIAIOSFODNN7EXAMPLE",
    "the source needs none",
  ),
  secretAccessKey: field(
    z.strictObject({ file: file("The secret access key.", "/etc/kleidi/aws-secret") }).exactOptional(),
    {
      expected: "a mapping with the key file",
      meaning: "The secret of `accessKeyId`, read again every minute.",
      example: "{ file: /etc/kleidi/aws-secret }",
      absent: "the source needs none",
    },
  ),
  file: optionalFile(
    "The credentials file of a profile, the web identity token, or the token of a container's endpoint.",
    "/etc/kleidi/aws-credentials",
  ),
  profile: text("The profile in the credentials file.", "kleidi", "`default`"),
  endpoint: field(z.string().regex(ENDPOINT).exactOptional(), {
    expected:
      "http:// with the address of a metadata service (169.254.169.254, 169.254.170.2, 169.254.170.23, [fd00:ec2::254], [fd00:ec2::23]) or a loopback address, and for a container its path",
    meaning:
      "The service that gives keys to this machine or container. This line is the grant to contact it: there is no default.",
    example: "http://169.254.169.254",
    absent: "no metadata service is contacted",
  }),
  role: matching(
    ROLE_EXPECTED,
    ROLE,
    "The role of a web identity.",
    "arn:aws:iam::111122223333:role/kleidi",
    "the source needs none",
  ),
  sts: otherOrigin(
    "The origin of STS, for `web-identity` and `assume`; `tls.ca` and `networks` of the grant hold for it too. With it, `kleidi doctor` names the identity.",
    "https://sts.eu-central-1.amazonaws.com",
    "STS is not contacted",
  ),
  assume: field(z.array(assumed).min(1).max(4).exactOptional(), {
    expected: "a list of 1 to 4 roles",
    meaning: "Roles to assume with the keys of the source, one after the other. Needs `sts`.",
    example: "[{ role: arn:aws:iam::111122223333:role/kleidi-kek }]",
    absent: "the keys of the source sign the requests",
  }),
  session: matching(
    "2 to 64 characters of A-Z, a-z, 0-9 and +=,.@-",
    /^[\w+=,.@-]{2,64}$/,
    "The name of the session of a role, which CloudTrail shows.",
    "kleidi-control-plane-1",
    "`kleidi`",
  ),
});
type AwsKeys = z.output<typeof awsKeys>;

/** The keys of each source, and no others. */
export type AwsLogin = {
  [Source in AwsSource]: { source: Source } & Pick<
    AwsKeys,
    "region" | "sts" | "assume" | "session" | (typeof NEEDS)[Source][1][number]
  > &
    Required<Pick<AwsKeys, (typeof NEEDS)[Source][0][number]>>;
}[AwsSource];

function hasExactKeys(login: AwsKeys): login is AwsLogin {
  const { source, region, assume, session, ...rest } = login;
  const [needed, possible] = NEEDS[source];
  if (assume !== undefined && rest.sts === undefined) return false;
  return hasKeys(rest, [needed, [...possible, "sts"]]);
}

export const SCHEMA = field(
  awsKeys
    .refine(hasExactKeys)
    .transform((login): AwsLogin => login)
    .exactOptional(),
  {
    expected: `a mapping with region, source and exactly the keys that it needs: ${[
      "keys: accessKeyId, secretAccessKey",
      "profile: file",
      "instance: endpoint",
      "container: endpoint",
      "web-identity: role, file, sts",
      "assume: sts",
    ].join("; ")}`,
    meaning: "An identity of AWS, whose keys sign each request.",
    example: "{ region: eu-central-1, source: instance, endpoint: 'http://169.254.169.254' }",
    absent: "another credential",
  },
);
