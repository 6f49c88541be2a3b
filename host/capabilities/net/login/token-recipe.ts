/** How a token is had, carried, kept and given back, as data. recipes.ts makes it of the configuration; the rest of the folder does it. */
import type { Pointer } from "./pointer.ts";

/** A request to the origin. */
export interface Call {
  readonly method: string;
  readonly path: string;
}

/** A secret file whose whole content is a field of the body. */
export interface SecretField {
  readonly file: string;
  /** The kubelet puts it there: see secret-file.ts. */
  readonly projected?: boolean;
}

export interface Header {
  /** In lower case. */
  readonly name: string;
  readonly scheme?: string | undefined;
}

/** Where an answer says how long a token lives. */
export interface Lifetime {
  /** In seconds; 0, null and nothing: for ever. */
  readonly ttl?: Pointer | undefined;
  /** True where it can be renewed. */
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
  /** Its answer has the same lifetime. */
  readonly renew?: Call | undefined;
  readonly revoke?: Call | undefined;
  /** What to look at where the server refuses the login. */
  readonly remedy: string;
}

/** Somebody else logs in and leaves the token in a file. */
export interface TokenFileRecipe {
  readonly kind: "file";
  readonly header: Header;
  readonly file: string;
  /** For a token that the host keeps alive, if it may. */
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
