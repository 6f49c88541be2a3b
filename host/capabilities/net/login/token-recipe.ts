/** The way to get, send, renew and revoke a token, as data. Login methods build it from the configuration; this folder executes it. */
import type { Pointer } from "./pointer.ts";

/** A request to the origin. */
export interface Call {
  readonly method: string;
  readonly path: string;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A secret file whose whole content is a field of the body. */
export interface SecretField {
  readonly file: string;
  /** A projected volume of the kubelet: see secret-file.ts. */
  readonly projected?: boolean;
}

export interface Header {
  /** In lower case. */
  readonly name: string;
  readonly scheme?: string | undefined;
}

/** The places of a token's lifetime in an answer. */
export interface Lifetime {
  /** Seconds; 0, null or absent: the token never expires. */
  readonly ttl?: Pointer | undefined;
  /** True if the token can be renewed. */
  readonly renewable?: Pointer | undefined;
}

/** The places of the limits of a secret that the host logs in with, in the answer to its look-up. */
export interface EndPointers {
  /** 0: not limited. */
  readonly uses: Pointer;
  /** RFC 3339. */
  readonly end: Pointer;
  /** Seconds. */
  readonly life: Pointer;
}

/** The places of the limits of a token in the answer to its look-up; times are in seconds, 0 for none. */
export interface TokenEnd {
  readonly uses: Pointer;
  readonly ttl: Pointer;
  /** The time to live at its creation. */
  readonly life: Pointer;
  /** The longest life, renewals included; counted from `created`. */
  readonly most: Pointer;
  readonly created: Pointer;
  readonly renewable: Pointer;
}

/** The look-up of the limits of the secret in one field of the login. */
export interface SecretLookup {
  readonly field: string;
  /** The place of the role's name in the answer to the login: the path needs it. */
  readonly role: Pointer;
  call(role: string): Call;
  readonly limits: EndPointers;
}

/** The host logs in. */
export interface LoginRecipe {
  readonly kind: "login";
  readonly header: Header;
  readonly login: Call;
  readonly body: Readonly<Record<string, string | SecretField>>;
  readonly token: Pointer;
  readonly lifetime: Lifetime;
  /** The place of the number of requests that the token is good for. */
  readonly uses?: Pointer | undefined;
  readonly secret?: SecretLookup | undefined;
  /** Its answer has the lifetime at the same places. */
  readonly renew?: Call | undefined;
  readonly revoke?: Call | undefined;
  /** The advice for a refused login. */
  readonly remedy: string;
}

/** Another program logs in and leaves the token in a file. */
export interface TokenFileRecipe {
  readonly kind: "file";
  readonly header: Header;
  readonly file: string;
  /** The way to look up and renew the token; absent: it is not renewed. */
  readonly keep?:
    | {
        readonly lookup: Call;
        readonly lookedUp: Lifetime;
        readonly limits: TokenEnd;
        readonly renew: Call;
        readonly renewed: Lifetime;
      }
    | undefined;
}

export type Recipe = LoginRecipe | TokenFileRecipe;
