/** The access token of an identity of Microsoft Entra ID, in the header of each request. */
import type { AccessToken } from "../access-token.ts";
import { bearerCredential } from "../bearer-credential.ts";
import type { IssuedCredential } from "../issued-credential.ts";
import type { SigningOptions } from "../method.ts";
import { Services } from "../service.ts";
import { applicationToken, machineToken, principalIn } from "./exchange.ts";
import type { AzureLogin } from "./grant.ts";

/** Asks nobody before the first lease. */
export function azureCredential(config: AzureLogin, options: SigningOptions): IssuedCredential<AccessToken> {
  const services = new Services(options.connect, options.clock);
  return bearerCredential(
    {
      source: sourceOf(config, services),
      name: async (issued) => principalIn(issued),
      close: () => services.close(),
    },
    options,
  );
}

function sourceOf(config: AzureLogin, services: Services): () => Promise<AccessToken> {
  if (config.source === "managed-identity") {
    const service = services.ofMachine(config.endpoint);
    return () => machineToken(service, config);
  }
  const service = services.at(config.login);
  return () => applicationToken(service, config);
}
