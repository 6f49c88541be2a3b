/** What passes between the parts of this capability: a request that was decided on, its response, and who the host is at the origin. */

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

/** One request to the granted origin, no redirect followed. Rejects with an Unreachable; nothing of policy is in it. */
export type Send = (request: Request, signal: AbortSignal) => Promise<Response>;

/** The origin could not be asked, or not be believed. The sentence names no secret and is fit for a guest. */
export class Unreachable extends Error {
  override readonly name: string = "Unreachable";
}

/** The origin was asked who the host is, and does not take the host's word for it. */
export class CredentialRefused extends Unreachable {
  override readonly name = "CredentialRefused";
}

/** A credential as one request carries it. Compared by identity: `refused` is told which one was refused. */
export interface Lease {
  /**
   * The request as the host sends it: with its token, or with a signature over the request. The credential's own headers stand in place of
   * the request's.
   */
  sign(request: Request): Request;
}

/** Who the host is at the origin, for one provider. */
export interface Credential {
  /** Waits for a login where there is none yet. Rejects with an Unreachable. */
  lease(signal: AbortSignal): Promise<Lease>;
  /** The server answered 401 or 403 to a request with this lease. True: another lease can be had now, try once more. */
  refused(lease: Lease, signal: AbortSignal): Promise<boolean>;
  /** True where a secret that this credential sends or sent lately is in the bytes: they must not reach a guest. */
  containsSecret(bytes: Uint8Array): boolean;
  close(): Promise<void>;
}
