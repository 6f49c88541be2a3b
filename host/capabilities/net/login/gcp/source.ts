/** The source of the token, as the configuration describes it: a key, the machine, or a federation; then the account that is acted as. */
import type { Connect } from "../../exchange.ts";
import type { AccessToken } from "../access-token.ts";
import type { Clock } from "../clock.ts";
import { Services } from "../service.ts";
import { readAccountKey } from "./account-key.ts";
import { accountToken, federatedToken, impersonatedToken, subjectToken } from "./exchange.ts";
import type { GcpLogin } from "./grant.ts";
import { machineAccount, machineToken } from "./metadata.ts";

const KMS = "https://www.googleapis.com/auth/cloudkms";
/** To act as another account, a token needs more than the scope of KMS. */
const PLATFORM = "https://www.googleapis.com/auth/cloud-platform";

export interface Identity {
  source(): Promise<AccessToken>;
  /** The identity as a member of an IAM policy. @throws Unreachable */
  member(): Promise<string>;
  close(): Promise<void>;
}

interface First {
  token(scope: string): Promise<AccessToken>;
  member(): Promise<string>;
}

/** Connects to no service before the source is asked. */
export function identityOf(config: GcpLogin, connect: Connect, clock: Clock): Identity {
  const { impersonate, iam } = config;
  const services = new Services(connect, clock);
  const close = () => services.close();
  const first = firstOf(config, services);
  if (impersonate === undefined || iam === undefined)
    return { source: () => first.token(KMS), member: first.member, close };
  const service = services.at(iam);
  return {
    source: async () =>
      impersonatedToken(service, impersonate, await first.token(PLATFORM), first.member, KMS),
    member: async () => `serviceAccount:${impersonate}`,
    close,
  };
}

function firstOf(config: GcpLogin, services: Services): First {
  switch (config.source) {
    case "service-account": {
      const service = services.at(config.oauth);
      return {
        token: (scope) => accountToken(service, config, scope),
        member: async () => `serviceAccount:${readAccountKey(config.file).email}`,
      };
    }
    case "metadata": {
      const service = services.ofMachine(config.endpoint);
      return {
        token: (scope) => machineToken(service, scope),
        member: async () => `serviceAccount:${await machineAccount(service)}`,
      };
    }
    case "workload-identity": {
      const service = services.at(config.sts);
      return {
        token: (scope) => federatedToken(service, config, scope),
        member: async () => principalOf(config.audience, subjectToken(config)),
      };
    }
  }
}

/** The principal of a token whose `sub` is the pool's subject, as most providers map it. */
function principalOf(audience: string, token: string): string {
  const pool = audience.replace(/\/providers\/[^/]*$/, "");
  const subject = subjectOf(token);
  return subject === undefined ? `principalSet:${pool}/*` : `principal:${pool}/subject/${subject}`;
}

/** The claim `sub` of a JSON Web Token (RFC 7519, 4.1.2); undefined if there is none that a command can name. */
function subjectOf(token: string): string | undefined {
  try {
    const { sub } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    return typeof sub === "string" && /^[\w:.@/-]{1,127}$/.test(sub) ? sub : undefined;
  } catch {
    return undefined;
  }
}
