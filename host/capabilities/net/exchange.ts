/** The types that the parts of this capability exchange: an allowed request, its response, and the host's credential at the origin. */
import type { FailedStep } from "../../host-call.ts";

export interface Request {
  readonly method: string;
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface Response {
  readonly status: number;
  /** Names in lower case, each once. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Sends one request to the granted origin, without following redirects. Rejects with an Unreachable. Enforces no policy. */
export type Send = (request: Request, signal: AbortSignal) => Promise<Response>;

/** A connection to one server, in the form that credentials use: without a credential, each request once. */
export interface Connection {
  readonly send: Send;
  close(): Promise<void>;
}

/**
 * Connects to another server than the origin. Nothing is sent before the first request.
 * @param networks the only private networks that it may be in; absent: those of the grant
 */
export type Connect = (origin: string, networks?: readonly string[]) => Connection;

/** The origin could not be reached, or could not be trusted. The message contains no secret and may be shown to a guest. */
export class Unreachable extends Error {
  override readonly name: string = "Unreachable";
  readonly step: FailedStep;

  constructor(message: string, step: FailedStep = "answer") {
    super(message);
    this.step = step;
  }
}

/** The origin refused the host's credential. */
export class CredentialRefused extends Unreachable {
  override readonly name = "CredentialRefused";

  constructor(message: string) {
    super(message, "login");
  }
}

/** A credential in the form that one request carries. Compared by identity: `refused` names the lease that the server refused. */
export interface Lease {
  /**
   * Returns the request as the host sends it: with the token, or with a signature over the request. The credential's headers replace those
   * of the request.
   */
  sign(request: Request): Request;
}

/** The host's identity at the origin, for one provider. */
export interface Credential {
  /** Returns a lease for one request; logs in first if necessary. Rejects with an Unreachable. */
  lease(signal: AbortSignal): Promise<Lease>;
  /** True if an answer refuses the credential. Absent: one with the status 401 or 403 does. */
  isRefusal?(response: Response): boolean;
  /** Reports that the server refused a request with this lease. @returns true if a new lease is available for a retry */
  refused(lease: Lease, signal: AbortSignal, response?: Response): Promise<boolean>;
  /** True if the bytes contain a secret that this credential sends, or sent recently. Such bytes must not reach a guest. */
  containsSecret(bytes: Uint8Array): boolean;
  close(): Promise<void>;
}
