/** Login method: an identity of AWS, whose keys sign each request (Signature Version 4). */
import type { Finding } from "../../../../finding.ts";
import { identityFinding } from "../identity-finding.ts";
import type { LeaseUse, SecretUse, SigningMethod, SigningOptions } from "../method.ts";
import { fieldFault, tokenFault } from "../secret-text.ts";
import { awsCredential } from "./credential.ts";
import { type AwsLogin, SCHEMA } from "./grant.ts";
import { profileFault } from "./keys-file.ts";
import { RULES } from "./rules.ts";
import { secretFault } from "./session.ts";

export const aws = {
  kind: "aws",
  schema: SCHEMA,
  rules: RULES,
  create: (config: AwsLogin, options: SigningOptions) => awsCredential(config, options),
  secrets: (config: AwsLogin): SecretUse[] => {
    switch (config.source) {
      case "keys":
        return [{ ...config.secretAccessKey, faultOf: secretFault }];
      case "profile":
        return [{ file: config.file, faultOf: profileFault }];
      case "container":
        return config.file === undefined ? [] : [{ file: config.file, projected: true, faultOf: tokenFault }];
      case "web-identity":
        return [{ file: config.file, projected: true, faultOf: fieldFault }];
      case "instance":
        return [];
    }
  },
  servers: (config: AwsLogin) =>
    [config.sts, "endpoint" in config ? config.endpoint : undefined].filter((origin) => origin !== undefined),
  source: ({ source }: AwsLogin) => `of AWS by ${source}`,
  /** Names the identity. The keys of the provider are probed next, and a refusal there has the statement that the policy lacks. */
  async checkPolicy(
    subject: string,
    _: AwsLogin,
    { lease }: LeaseUse,
    signal: AbortSignal,
  ): Promise<Finding[]> {
    const finding = await identityFinding(subject, lease, signal, {
      unnamed: "credential.aws.sts is not configured",
      hint: "Check the origin of credential.aws.sts, and the firewall; KMS itself may work without STS.",
    });
    return [finding];
  },
} as const satisfies SigningMethod;
