/** Each provider's way to its origin, and who the host is there: transport and credential put together. Nothing is asked yet. */
import type { Operation } from "../capabilities/gate.ts";
import type { Credential, CredentialEvent } from "../capabilities/net/exchange.ts";
import { createCredential } from "../capabilities/net/login/credential.ts";
import { createNet, type Route } from "../capabilities/net/net.ts";
import { Resolver } from "../capabilities/net/resolver.ts";
import { createTransport, type Transport } from "../capabilities/net/transport.ts";
import type { ProviderConfig } from "../config/config.ts";
import type { Logger } from "../telemetry/log.ts";

export interface Network {
  readonly operations: Record<string, Operation>;
  /** The tokens that the host logged in for are given back, as far as that goes quickly. */
  close(): Promise<void>;
}

interface Way extends Route {
  readonly transport: Transport;
  readonly logins: Transport | undefined;
  readonly credential?: Credential | undefined;
}

export function createNetwork(
  providers: readonly ProviderConfig[],
  log: Logger,
  onCredential: (event: CredentialEvent) => void,
): Network {
  const onEvent = (event: CredentialEvent) => {
    logCredential(log, event);
    onCredential(event);
  };
  // One for all providers: no name is asked for twice at once, and none waits for another one.
  const resolver = new Resolver({
    onStale: (name, why) =>
      log.warn({ name, why }, "the resolver of this machine is in trouble: the last good addresses are used"),
  });
  const routes = new Map<string, Way>();
  for (const { name, grants } of providers) {
    if (grants.net === undefined) continue;
    const { credential: config, timeoutMs } = grants.net;
    const warn = (why: string) =>
      log.warn({ provider: name, why }, "the host has trouble with the files of tls");
    const target = { ...grants.net, warn };
    const transport = createTransport(target, resolver.resolve);
    const { send } = transport;
    // Logins are rare, and some may be done once only.
    const logins = config && createTransport({ ...target, connections: 2, once: true }, resolver.resolve);
    const credential = logins && createCredential(config, { provider: name, send: logins.send, onEvent });
    routes.set(name, { transport, logins, send, credential, timeoutMs });
  }
  return {
    operations: createNet({ routes, warn: (provider, why) => log.warn({ provider }, why) }),
    async close() {
      await Promise.all(
        [...routes.values()].map(async ({ credential, logins, transport }) => {
          await credential?.close();
          await logins?.close();
          await transport.close();
        }),
      );
      resolver.close();
    },
  };
}

/** The event that says no more by itself. */
const REFUSED = "the server does not take the token (401 or 403), the host logs in anew";

function logCredential(log: Logger, { provider, event, expires, why }: CredentialEvent): void {
  const fields = {
    provider,
    credential: event,
    ...(expires === undefined ? {} : { expires: new Date(expires).toISOString() }),
  };
  if (event === "failed" || event === "refused")
    log.warn({ ...fields, why: why ?? REFUSED }, "the host has trouble with a credential");
  else log.info(fields, "the host has a credential");
}
