/** The source of the keys, as the configuration describes it: a file, a service of the machine, or STS; then the roles that are assumed. */
import type { Connect } from "../../exchange.ts";
import type { Clock } from "../clock.ts";
import { type Service, Services } from "../service.ts";
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
  const services = new Services(connect, clock);
  const sts: StsService | undefined =
    origin === undefined ? undefined : { ...services.at(origin), origin, region, session, serverClock };
  const first = firstSource(config, sts, (endpoint) => services.ofMachine(endpoint));
  return {
    async source() {
      let last: Session = await first();
      for (const role of assume) last = await assumeRole(required(sts), last.keys, role);
      return last;
    },
    name: sts === undefined ? undefined : (keys) => callerIdentity(sts, keys),
    close: () => services.close(),
  };
}

function firstSource(
  config: AwsLogin,
  sts: StsService | undefined,
  serviceAt: (endpoint: string) => Service,
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

/** The schema has seen to it. */
function required(sts: StsService | undefined): StsService {
  if (sts === undefined) throw new TypeError("no STS is configured");
  return sts;
}
