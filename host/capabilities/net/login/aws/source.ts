/** The source of the keys, as the configuration describes it: a file, a service of the machine, or STS; then the roles that are assumed. */
import type { Connect, Connection } from "../../exchange.ts";
import type { Clock } from "../clock.ts";
import type { AwsLogin } from "./grant.ts";
import { fromKeys, fromProfile } from "./keys-file.ts";
import { containerSource, instanceSource } from "./metadata.ts";
import type { ServerClock } from "./server-clock.ts";
import type { Session, Source } from "./session.ts";
import type { Keys } from "./signer.ts";
import { assumeRole, assumeWithWebIdentity, callerIdentity, type StsService } from "./sts.ts";

export interface Identity {
  readonly source: Source;
  /** Asks STS for the ARN of an identity; undefined if no STS is configured. */
  readonly name?: ((keys: Keys) => Promise<string>) | undefined;
  close(): Promise<void>;
}

/** Connects to no service before the source is asked. */
export function identityOf(
  config: AwsLogin,
  connect: Connect,
  clock: Clock,
  serverClock: ServerClock,
): Identity {
  const { sts: origin, region, session = "kleidi", assume = [] } = config;
  const open: Connection[] = [];
  const connected = (...target: Parameters<Connect>) => {
    const connection = connect(...target);
    open.push(connection);
    return connection;
  };
  const sts: StsService | undefined =
    origin === undefined
      ? undefined
      : { connection: connected(origin), clock, origin, region, session, serverClock };
  const first = firstSource(config, sts, (endpoint) => ({
    connection: connected(...targetOf(endpoint)),
    clock,
  }));
  return {
    async source() {
      let last: Session = await first();
      for (const role of assume) last = await assumeRole(required(sts), last.keys, role);
      return last;
    },
    name: sts === undefined ? undefined : (keys) => callerIdentity(sts, keys),
    async close() {
      await Promise.all(open.map((connection) => connection.close()));
    },
  };
}

function firstSource(
  config: AwsLogin,
  sts: StsService | undefined,
  serviceAt: (endpoint: string) => { connection: Connection; clock: Clock },
): Source {
  switch (config.source) {
    case "keys":
      return async () => fromKeys(config);
    case "profile":
      return async () => fromProfile(config);
    case "instance":
      return instanceSource(serviceAt(config.endpoint));
    case "container":
      return containerSource(config, serviceAt(config.endpoint));
    case "web-identity":
      return () => assumeWithWebIdentity(required(sts), config);
  }
}

/** The origin of a metadata service, and its address as the only network. */
function targetOf(endpoint: string): [origin: string, networks: readonly string[]] {
  const { origin, hostname } = new URL(endpoint);
  const address = hostname.replace(/^\[(.*)\]$/, "$1");
  return [origin, [`${address}/${address.includes(":") ? 128 : 32}`]];
}

/** The schema has seen to it. */
function required(sts: StsService | undefined): StsService {
  if (sts === undefined) throw new TypeError("no STS is configured");
  return sts;
}
