/** The way to get, send, renew and revoke a token, as data. Login methods build it from the configuration; this folder executes it. */
import type { Pointer } from "./pointer.ts";

/** A request to the origin. */
export interface Call {
  readonly method: string;
  readonly path: string;
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

/** The host logs in. */
export interface LoginRecipe {
  readonly kind: "login";
  readonly header: Header;
  readonly login: Call;
  readonly body: Readonly<Record<string, string | SecretField>>;
  readonly token: Pointer;
  readonly lifetime: Lifetime;
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
        readonly renew: Call;
        readonly renewed: Lifetime;
      }
    | undefined;
}

export type Recipe = LoginRecipe | TokenFileRecipe;
