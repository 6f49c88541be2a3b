/** A way of logging in: one value for each, in a folder of its own. methods.ts lists them. */
import type { z } from "zod";
import type { Finding } from "../../../finding.ts";
import type { Mapping } from "../../../schema/outline.ts";
import type { Rule } from "../../../schema/rule.ts";
import type { Lease, Send } from "../exchange.ts";
import type { AllowedRequest } from "../words.ts";
import type { Recipe } from "./token-recipe.ts";

export interface LoginMethod {
  /** The key under `credential`. */
  readonly kind: string;
  /** Of what stands under that key. */
  readonly schema: z.ZodType;
  /** What crosses keys of the configuration. */
  readonly rules?: readonly Rule[];
  /**
   * The way to the token, as data.
   * @throws Error where the configuration has a pointer or a part of a path that is not valid
   */
  recipe(config: unknown): Recipe;
  /** Where the token comes from, as the end of a sentence: "by approle". */
  source(config: unknown): string;
  /**
   * Whether an allowed request can be one that gives a token out: in the answer, it would reach the provider.
   * @param own what stands under the key, valid or not; undefined where the grant has another credential or none
   */
  givesTokens?(allowed: AllowedRequest, own: Mapping | undefined): boolean;
  /**
   * For `kleidi doctor`: asks the server whether the token may do what is granted.
   * @param what the beginning of each finding
   */
  checkPolicy?(what: string, config: unknown, use: LeaseUse, signal: AbortSignal): Promise<Finding[]>;
}

/** A lease, and what the provider may use it for. */
export interface LeaseUse {
  readonly allow: readonly AllowedRequest[];
  readonly send: Send;
  readonly lease: Lease;
}

/** Whether a line allows a request for this path. */
export function allowsPath({ path }: AllowedRequest, other: string): boolean {
  return path.endsWith("/") ? other.startsWith(path) : path === other;
}
