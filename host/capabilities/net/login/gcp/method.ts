/** Login method: an identity of Google Cloud, whose access token each request carries. */
import type { Finding } from "../../../../finding.ts";
import { identityFinding } from "../identity-finding.ts";
import { IssuedLease } from "../issued-credential.ts";
import type { LeaseUse, SecretUse, SigningMethod, SigningOptions } from "../method.ts";
import { accountKeyFault } from "./account-key.ts";
import { gcpCredential } from "./credential.ts";
import { subjectFault } from "./exchange.ts";
import { type GcpLogin, SCHEMA } from "./grant.ts";
import { permissionFindings } from "./permissions.ts";
import { isOfKey, RULES } from "./rules.ts";

export const gcp = {
  kind: "gcp",
  schema: SCHEMA,
  rules: RULES,
  fits: (request) => isOfKey(request) && !request.endsWith("/"),
  create: (config: GcpLogin, options: SigningOptions) => gcpCredential(config, options),
  secrets: (config: GcpLogin): SecretUse[] => {
    switch (config.source) {
      case "service-account":
        return [{ file: config.file, faultOf: accountKeyFault }];
      case "workload-identity":
        return [{ file: config.file, projected: true, faultOf: (text) => subjectFault(text, config.field) }];
      case "metadata":
        return [];
    }
  },
  servers: (config: GcpLogin) =>
    ["oauth", "sts", "iam", "endpoint"]
      .map((name) => (config as Readonly<Record<string, unknown>>)[name])
      .filter((origin) => typeof origin === "string"),
  source: ({ source }: GcpLogin) => `of Google by ${source}`,
  async checkPolicy(subject: string, _: GcpLogin, use: LeaseUse, signal: AbortSignal): Promise<Finding[]> {
    const identity = await identityFinding(subject, use.lease, signal, {
      unnamed: "the lease has no name",
      hint: "Check the metadata service; KMS itself may work without the name.",
    });
    const member = await memberOf(use);
    return [identity, ...(await permissionFindings(subject, use, member, signal))];
  },
} as const satisfies SigningMethod;

/** The identity in a command; a word for it if nobody tells it. */
async function memberOf({ lease }: LeaseUse): Promise<string> {
  const member = lease instanceof IssuedLease ? lease.identity?.() : undefined;
  return (await member?.catch(() => undefined)) ?? "MEMBER";
}
