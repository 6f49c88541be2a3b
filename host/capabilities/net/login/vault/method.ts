/** Login method: HashiCorp Vault or OpenBao, by one of its auth methods. */
import type { CredentialLimit } from "../limits.ts";
import { allowsPath, type LeaseUse, type LoginMethod } from "../method.ts";
import { SCHEMA, type VaultLogin } from "./grant.ts";
import { vaultRecipe } from "./recipe.ts";
import { RULES } from "./rules.ts";

/** The paths at which Vault and OpenBao issue tokens, in any namespace. */
const TOKENS = /(^|\/)v1\/([^/]+\/)*auth\//;

export const vault = {
  kind: "vault",
  schema: SCHEMA,
  rules: RULES,
  recipe: (config: VaultLogin) => vaultRecipe(config),
  source: ({ auth }: VaultLogin) => `of Vault by ${auth}`,
  givesTokens(allowed, own) {
    // A path does not show which of its segments are a namespace: the credential does.
    const space = typeof own?.namespace === "string" ? `${own.namespace.replaceAll(/^\/+|\/+$/g, "")}/` : "";
    return (
      TOKENS.test(allowed.path) ||
      ["/v1/auth/", `/v1/${space}auth/`].some((path) => allowsPath(allowed, path))
    );
  },
  async checkPolicy(subject: string, { namespace }: VaultLogin, use: LeaseUse, signal: AbortSignal) {
    const { policyFindings } = await import("./policy.ts");
    return policyFindings(subject, use, namespace, signal);
  },
  async checkLimits(subject: string, config: VaultLogin, limits: readonly CredentialLimit[]) {
    const { limitFindings } = await import("./limit-findings.ts");
    return limitFindings(subject, config, limits);
  },
} as const satisfies LoginMethod;
