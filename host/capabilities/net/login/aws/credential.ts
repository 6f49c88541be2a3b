/** The keys of an AWS identity, which sign each request. */
import type { Response } from "../../exchange.ts";
import { IssuedCredential, IssuedLease, type Issuer } from "../issued-credential.ts";
import type { SigningOptions } from "../method.ts";
import type { AwsLogin } from "./grant.ts";
import { refusalIn } from "./refusal.ts";
import { ServerClock } from "./server-clock.ts";
import type { Session } from "./session.ts";
import { type Keys, Signer } from "./signer.ts";
import { type Identity, identityOf } from "./source.ts";

/** Asks nobody before the first lease. */
export function awsCredential(config: AwsLogin, options: SigningOptions): IssuedCredential<Session> {
  return new IssuedCredential(new AwsIssuer(config, options), options);
}

class AwsIssuer implements Issuer<Session> {
  readonly source: Identity["source"];
  readonly close: Identity["close"];
  readonly #name: Identity["name"];
  readonly #region: string;
  readonly #host: string;
  readonly #serverClock: ServerClock;

  constructor(config: AwsLogin, { clock, origin, connect, onEvent, provider }: SigningOptions) {
    this.#region = config.region;
    this.#host = new URL(origin).host;
    this.#serverClock = new ServerClock(clock, (why) => onEvent({ provider, event: "refused", why }));
    const { source, name, close } = identityOf(config, connect, clock, this.#serverClock);
    this.source = source;
    this.#name = name;
    this.close = close;
  }

  lease({ keys }: Session): IssuedLease {
    const signer = new Signer(keys, { region: this.#region, service: "kms" });
    const name = this.#name;
    return new IssuedLease(
      (request) => signer.sign(request, this.#host, this.#serverClock.date()),
      name && (() => name(keys)),
    );
  }

  isSame(one: Session, other: Session): boolean {
    return areSame(one.keys, other.keys);
  }

  secrets({ keys }: Session) {
    return { "secret access key": keys.secretAccessKey, "session token": keys.sessionToken };
  }

  isRefusal(response: Response): boolean {
    return refusalIn(response) !== undefined;
  }

  amend(response: Response): boolean | undefined {
    return refusalIn(response) === "time" ? this.#serverClock.correctFrom(response) : undefined;
  }
}

function areSame(one: Keys, other: Keys): boolean {
  const [a, b] = [one.sessionToken, other.sessionToken];
  return (
    one.accessKeyId === other.accessKeyId &&
    one.secretAccessKey.equals(other.secretAccessKey) &&
    (a === undefined || b === undefined ? a === b : a.equals(b))
  );
}
