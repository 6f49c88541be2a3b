/** The type of a credential that reports its limits, and what it is made with. */
import type { CredentialEvent } from "../../capability.ts";
import type { Connect, Credential, Send } from "../exchange.ts";
import type { Clock } from "./clock.ts";
import type { CredentialLimit } from "./limits.ts";

export interface CredentialOptions {
  /** The provider's name, for the events. */
  readonly provider: string;
  /** Sends to the origin that the credential is bound to, and to no other. */
  readonly send: Send;
  /** The origin, with its port. */
  readonly origin: string;
  /** For a login that asks other servers than the origin. */
  readonly connect: Connect;
  readonly onEvent: (event: CredentialEvent) => void;
  /** Called when the limits are known, and when they have changed. */
  readonly onLimit?: (limit: CredentialLimit) => void;
  readonly clock?: Clock;
}

/** A credential that reports its limits. */
export interface LimitedCredential extends Credential {
  /**
   * Asks the server for the limits of the credential, once for each token; takes uses of the token. To be called after `lease`.
   * @throws Unreachable the signal was aborted
   */
  limits(signal: AbortSignal): Promise<readonly CredentialLimit[]>;
}
