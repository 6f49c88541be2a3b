/** Opens kleidi:net: the route of each provider to its origin, with its credential. Sends nothing yet. */
import { warningBefore } from "../../lib/expiry.ts";
import type { CredentialEvent, OpenContext, Opened } from "../capability.ts";
import type { CertificateEnd, CertificateEnds } from "./certificate-end.ts";
import type { Credential } from "./exchange.ts";
import { LOGIN_CONNECTIONS, type NetConfig } from "./grant.ts";
import { createCredential } from "./login/credential.ts";
import type { CredentialLimit } from "./login/limits.ts";
import type { LoginMethod } from "./login/method.ts";
import { methodOf } from "./login/methods.ts";
import { openNet, type Route } from "./net.ts";
import { joinResolver } from "./resolver.ts";
import { connectorOf, createTransport, type Transport } from "./transport.ts";

const NEVER = Number.POSITIVE_INFINITY;
/** Of the life of a token. Programs that replace one do so while a tenth is left. */
const TOKEN_WARNING_PART = 1 / 10;

interface OpenRoute extends Route {
  readonly transport: Transport;
  readonly logins: Transport | undefined;
  readonly credential?: Credential | undefined;
}

/** Opens the routes. Closing revokes the tokens from logins, as far as that is quick. */
export function open({
  grants,
  log,
  onCredential,
  onExpiry,
  onCredentialUses,
}: OpenContext<NetConfig>): Opened {
  const onEvent = (event: CredentialEvent) => {
    logCredential(log, event);
    onCredential(event);
  };
  const resolver = joinResolver((name, why) =>
    log("warn", { name, why }, "the resolver of this machine fails: using the last good addresses"),
  );
  const routes = new Map<string, OpenRoute>();
  for (const [name, grant] of grants) {
    const { credential: config, timeoutMs } = grant;
    const warn = (why: string) => log("warn", { provider: name, why }, "the tls files have a problem");
    const onEnds = (ends: CertificateEnds) => {
      for (const [kind, end] of Object.entries(ends) as [keyof CertificateEnds, CertificateEnd?][])
        if (end !== undefined) onExpiry({ kind, name, at: end.at, warningMs: end.warningMs });
    };
    const onLimit = ({ kind, usesLeft, end }: CredentialLimit) => {
      onCredentialUses({ provider: name, kind, left: usesLeft });
      const part = kind === "token" ? TOKEN_WARNING_PART : undefined;
      const [at, life] = end === undefined ? [NEVER, NEVER] : [end.at, end.lifeMs];
      onExpiry({ kind, name, at, warningMs: warningBefore(life, part) });
    };
    const target = { ...grant, warn, onEnds };
    const transport = createTransport(target, resolver.resolve);
    const { send } = transport;
    // Logins are rare, and some must not be repeated.
    const logins =
      config && createTransport({ ...target, connections: LOGIN_CONNECTIONS, once: true }, resolver.resolve);
    const connect = connectorOf({ ...grant, warn }, resolver.resolve);
    const credential =
      logins &&
      createCredential(config, {
        ...{ provider: name, origin: grant.origin, send: logins.send, connect, onEvent, onLimit },
      });
    const method: LoginMethod | undefined = config && methodOf(config);
    const fits = method?.fits?.bind(method);
    routes.set(name, { transport, logins, send, credential, timeoutMs, fits });
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

/** The reason of a "refused" event, which carries none. */
const REFUSED = "the server rejected the token (401 or 403); logging in again";

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
