/** Opens kleidi:net: the way of each provider to its origin, with its credential. Nothing is asked yet. */
import type { CredentialEvent, OpenContext, Opened } from "../capability.ts";
import type { Credential } from "./exchange.ts";
import { LOGIN_CONNECTIONS, type NetConfig } from "./grant.ts";
import { createCredential } from "./login/credential.ts";
import { openNet, type Route } from "./net.ts";
import { Resolver } from "./resolver.ts";
import { createTransport, type Transport } from "./transport.ts";

interface Way extends Route {
  readonly transport: Transport;
  readonly logins: Transport | undefined;
  readonly credential?: Credential | undefined;
}

/** Closing gives back the tokens that the host logged in for, as far as that goes quickly. */
export function open({ grants, log, onCredential }: OpenContext<NetConfig>): Opened {
  const onEvent = (event: CredentialEvent) => {
    logCredential(log, event);
    onCredential(event);
  };
  // One for all providers: no name is asked for twice at once, and none waits for another one.
  const resolver = new Resolver({
    onStale: (name, why) =>
      log(
        "warn",
        { name, why },
        "the resolver of this machine is in trouble: the last good addresses are used",
      ),
  });
  const routes = new Map<string, Way>();
  for (const [name, grant] of grants) {
    const { credential: config, timeoutMs } = grant;
    const warn = (why: string) =>
      log("warn", { provider: name, why }, "the host has trouble with the files of tls");
    const target = { ...grant, warn };
    const transport = createTransport(target, resolver.resolve);
    const { send } = transport;
    // Logins are rare, and some may be done once only.
    const logins =
      config && createTransport({ ...target, connections: LOGIN_CONNECTIONS, once: true }, resolver.resolve);
    const credential = logins && createCredential(config, { provider: name, send: logins.send, onEvent });
    routes.set(name, { transport, logins, send, credential, timeoutMs });
  }
  return {
    ...openNet({ routes, warn: (provider, why) => log("warn", { provider }, why) }),
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

function logCredential(log: OpenContext["log"], { provider, event, expires, why }: CredentialEvent): void {
  const fields = {
    provider,
    credential: event,
    ...(expires === undefined ? {} : { expires: new Date(expires).toISOString() }),
  };
  if (event === "failed" || event === "refused")
    log("warn", { ...fields, why: why ?? REFUSED }, "the host has trouble with a credential");
  else log("info", fields, "the host has a credential");
}
