/** Login method: an identity of Microsoft Entra ID, whose access token each request carries. */
import type { Finding } from "../../../../finding.ts";
import { identityFinding } from "../identity-finding.ts";
import type { LeaseUse, SecretUse, SigningMethod, SigningOptions } from "../method.ts";
import { fieldFault, tokenFault } from "../secret-text.ts";
import { certificateFault } from "./certificate.ts";
import { azureCredential } from "./credential.ts";
import { type AzureLogin, SCHEMA } from "./grant.ts";
import { isOfKey, RULES } from "./rules.ts";

export const azure = {
  kind: "azure",
  schema: SCHEMA,
  rules: RULES,
  fits: isOfKey,
  create: (config: AzureLogin, options: SigningOptions) => azureCredential(config, options),
  secrets: (config: AzureLogin): SecretUse[] => {
    switch (config.source) {
      case "client-secret":
        return [{ file: config.file, faultOf: fieldFault }];
      case "client-certificate":
        return [{ file: config.file, faultOf: certificateFault }];
      case "workload-identity":
        return [{ file: config.file, projected: true, faultOf: tokenFault }];
      case "managed-identity":
        return [];
    }
  },
  servers: (config: AzureLogin) => ["login" in config ? config.login : config.endpoint],
  source: ({ source }: AzureLogin) => `of Microsoft Entra ID by ${source}`,
  /** Names the identity. The key of the provider is probed next, and a refusal there has the role that is missing. */
  async checkPolicy(
    subject: string,
    _: AzureLogin,
    { lease }: LeaseUse,
    signal: AbortSignal,
  ): Promise<Finding[]> {
    const hint = "Nothing is to be done: the vault reads the token, and not the host.";
    return [await identityFinding(subject, lease, signal, { unnamed: "the lease has no name", hint })];
  },
} as const satisfies SigningMethod;
