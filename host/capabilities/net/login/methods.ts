/** All login methods. To add one, write its folder and add it here. */
import { aws } from "./aws/method.ts";
import { azure } from "./azure/method.ts";
import { file } from "./file/method.ts";
import { gcp } from "./gcp/method.ts";
import type { LoginMethod } from "./method.ts";
import { login } from "./recipe/method.ts";
import { vault } from "./vault/method.ts";

export const METHODS = [vault, aws, gcp, azure, file, login] as const satisfies readonly LoginMethod[];

type Known = (typeof METHODS)[number];

/** The schema of each, by the key under `credential`. */
export const SCHEMAS = Object.fromEntries(METHODS.map(({ kind, schema }) => [kind, schema])) as {
  readonly [Kind in Known["kind"]]: Extract<Known, { kind: Kind }>["schema"];
};

/** The login method of a credential. */
export function methodOf({ kind }: { readonly kind: Known["kind"] }): LoginMethod {
  const method = METHODS.find((each) => each.kind === kind);
  if (method === undefined) throw new TypeError(`there is no login method named ${kind}`);
  return method;
}
