/** Rules that involve several keys, for `grants.net`. */
import { isShort, type Mapping, mapping, type Outline } from "../../schema/outline.ts";
import type { Rule } from "../../schema/rule.ts";
import type { Path } from "../../schema/text.ts";
import type { LoginMethod } from "./login/method.ts";
import { METHODS } from "./login/methods.ts";
import { parseLine } from "./request-syntax.ts";

export const RULES: readonly Rule[] = [
  {
    description: "A grant of an `http` origin has no `tls`, which would have no effect.",
    *check(outline) {
      for (const { net, path } of nets(outline)) {
        if (!net.tls || typeof net.origin !== "string" || !net.origin.startsWith("http:")) continue;
        yield outline.document.fault([...path, "tls"], {
          expected: "no tls under an http origin",
          actual: "tls",
          remedy: "remove the key, or write: origin: https://…",
        });
      }
    },
  },
  {
    description:
      "No allowed request returns tokens: none under `/v1/auth/`, also in the credential's namespace, and not the path of `credential.login`.",
    *check(outline) {
      for (const { net, path } of nets(outline)) {
        for (const [i, allowed] of net.allow.entries()) {
          if (!givesTokens(allowed, net)) continue;
          yield outline.document.fault([...path, "allow", i], {
            expected: "a request that gives no token out",
            actual: "one with which the provider could log in",
            remedy: "remove it: the host logs in for the provider",
          });
        }
      }
    },
  },
  {
    description:
      "The header of a credential is neither in `headers`, which the provider may set, nor in a line of `allow`.",
    *check(outline) {
      for (const { net, path } of nets(outline)) {
        for (const [i, allowed] of net.allow.entries()) {
          const fixed = typeof allowed === "string" ? parseLine(allowed)?.headers : undefined;
          if (!net.credentialHeaders.some((name) => Object.hasOwn(fixed ?? {}, String(name)))) continue;
          yield outline.document.fault([...path, "allow", i], {
            expected: "a request without the credential's header",
            actual: "one with the header that carries the token",
            remedy: "remove the header: the host adds it",
          });
        }
        for (const [i, header] of net.headers.entries()) {
          if (typeof header !== "string" || !net.credentialHeaders.includes(header)) continue;
          yield outline.document.fault([...path, "headers", i], {
            expected: "a header that is not the credential's",
            actual: "the header that carries the token",
            remedy: "remove it",
          });
        }
      }
    },
  },
  ...METHODS.flatMap((method: LoginMethod) => method.rules ?? []),
];

/** True if an allowed request can return a token, which would reach the provider in the answer. */
function givesTokens(allowed: unknown, { credential }: NetOutline): boolean {
  const line = typeof allowed === "string" ? parseLine(allowed) : undefined;
  if (line === undefined) return false;
  return METHODS.some((method: LoginMethod) =>
    method.givesTokens?.(line, mapping(credential?.[method.kind])),
  );
}

/** The parts of a grant that the rules use; an unreadable list is empty. */
interface NetOutline {
  readonly origin: unknown;
  readonly tls: boolean;
  readonly headers: readonly unknown[];
  readonly allow: readonly unknown[];
  readonly credential: Mapping | undefined;
  /** The `header` of each credential, valid or not. */
  readonly credentialHeaders: readonly unknown[];
}

function* nets({ providers = [] }: Outline): Iterable<{ net: NetOutline; path: Path }> {
  for (const { name, grants } of providers) {
    if (grants.net !== undefined)
      yield { net: netOutline(grants.net), path: ["providers", name, "grants", "net"] };
  }
}

function netOutline(net: Readonly<Record<string, unknown>>): NetOutline {
  const { origin, headers, allow } = net;
  const credential = mapping(net.credential);
  return {
    origin,
    tls: Object.hasOwn(net, "tls"),
    headers: isShort(headers) ? headers : [],
    allow: isShort(allow) ? allow : [],
    credential,
    credentialHeaders: METHODS.map(({ kind }) => mapping(credential?.[kind])?.header),
  };
}
