/**
 * The type of a login method: one value for each, in a separate folder. methods.ts lists them. A method either describes the way to a token
 * as data, or makes a credential of its own, which signs each request.
 */
import type * as z from "zod";
import type { Finding } from "../../../finding.ts";
import type { Mapping } from "../../../schema/outline.ts";
import type { Rule } from "../../../schema/rule.ts";
import type { Connect, Lease, Send } from "../exchange.ts";
import type { AllowedRequest } from "../request-syntax.ts";
import type { Clock } from "./clock.ts";
import type { CredentialOptions, LimitedCredential } from "./limited-credential.ts";
import type { CredentialLimit } from "./limits.ts";
import type { SecretPath } from "./secret-file.ts";
import type { Recipe } from "./token-recipe.ts";

export type LoginMethod = TokenMethod | SigningMethod;

/** The host sends a token in a header. */
export interface TokenMethod extends MethodBase {
  /**
   * The way to get the token, as data.
   * @throws Error a JSON pointer or a part of a path in the configuration is not valid
   */
  recipe(config: unknown): Recipe;
}

/** The host signs each request. */
export interface SigningMethod extends MethodBase {
  /** Creates a credential, which sends and reads nothing before the first lease. */
  create(config: unknown, options: SigningOptions): LimitedCredential;
  /** The secret files that it reads, for `kleidi check` and `kleidi render`. */
  secrets(config: unknown): SecretUse[];
  /** The URLs of the servers that it contacts beside the origin. */
  servers(config: unknown): string[];
}

/** A credential that signs needs the clock, and connections to other servers. */
export type SigningOptions = CredentialOptions & { readonly clock: Clock; readonly connect: Connect };

/** A secret file, and the check of its text. */
export interface SecretUse extends SecretPath {
  faultOf(text: string): string | undefined;
}

interface MethodBase {
  /** The key under `credential`. */
  readonly kind: string;
  /** The schema of the value under that key. */
  readonly schema: z.ZodType;
  /** Rules that involve several keys of the configuration. */
  readonly rules?: readonly Rule[];
  /**
   * True if a request may be sent with this credential: a line that ends in a slash covers more than the rules allow as lines. Absent: every
   * request that a line covers.
   * @param request "POST /path?query"
   */
  fits?(request: string): boolean;
  /** The source of the token, as the end of a sentence: "by approle". */
  source(config: unknown): string;
  /**
   * True if an allowed request can return a token: in the answer, it would reach the provider.
   * @param own the value under the key, valid or not; undefined if the grant has another credential or none
   */
  givesTokens?(allowed: AllowedRequest, own: Mapping | undefined): boolean;
  /**
   * For `kleidi doctor`: asks the server whether the token allows the granted requests.
   * @param subject the beginning of each finding
   */
  checkPolicy?(subject: string, config: unknown, use: LeaseUse, signal: AbortSignal): Promise<Finding[]>;
  /**
   * For `kleidi doctor`: reports on the limits of the credential.
   * @param subject the beginning of each finding
   */
  checkLimits?(subject: string, config: unknown, limits: readonly CredentialLimit[]): Promise<Finding[]>;
}

/** A lease, and the requests that the provider may use it for. */
export interface LeaseUse {
  readonly allow: readonly AllowedRequest[];
  readonly send: Send;
  readonly lease: Lease;
}

/** True if an allowed request covers this path. A line with fixed headers covers its own path alone (policy.ts). */
export function allowsPath({ path, headers }: AllowedRequest, other: string): boolean {
  return path.endsWith("/") && headers === undefined ? other.startsWith(path) : path === other;
}
