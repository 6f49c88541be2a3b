/** What crosses keys of `grants.net`. */
import { isShort, mapping, type Outline } from "../../schema/outline.ts";
import type { Rule } from "../../schema/rule.ts";
import type { Path } from "../../schema/text.ts";
import { parseLine } from "./words.ts";

export const RULES: readonly Rule[] = [
  {
    says: "A grant of an `http` origin has no `tls`: nothing there would look at it.",
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
    says: "`auth: cert` needs the host's own certificate, `tls.certificate`.",
    *check(outline) {
      for (const { net, path } of nets(outline)) {
        if (net.auth !== "cert" || net.certificate) continue;
        yield outline.document.fault([...path, "credential", "vault", "auth"], {
          expected: "another auth method, or a certificate to log in with",
          actual: "cert without tls.certificate",
          remedy: "write: tls: { certificate: /etc/kleidi/client.pem, key: /etc/kleidi/client-key.pem }",
        });
      }
    },
  },
  {
    says: "No allowed request gives tokens out: none under `/v1/auth/`, in the credential's namespace neither, and not the path of `credential.login`.",
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
    says: "The header of a credential is not among the `headers` that the provider may set, nor in a line of `allow`.",
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
];

/** Where Vault and OpenBao give tokens out, in any namespace. */
const TOKENS = /(^|\/)v1\/([^/]+\/)*auth\//;

/** Whether an allowed request can be one that gives a token out: a token in an answer would reach the provider. */
function givesTokens(allowed: unknown, { loginPath, namespace }: NetOutline): boolean {
  const line = typeof allowed === "string" ? parseLine(allowed) : undefined;
  if (line === undefined) return false;
  const { path } = line;
  const covers = (other: string) => (path.endsWith("/") ? other.startsWith(path) : path === other);
  // A folder that is a namespace does not look like one: only the credential says which are.
  const space = typeof namespace === "string" ? `${namespace.replaceAll(/^\/+|\/+$/g, "")}/` : "";
  const others = typeof loginPath === "string" ? [loginPath] : [];
  return TOKENS.test(path) || ["/v1/auth/", `/v1/${space}auth/`, ...others].some(covers);
}

/** What the rules look at in a grant; a list is empty where it cannot be read. */
interface NetOutline {
  readonly origin: unknown;
  /** Whether it has the key tls, and in it the key certificate. */
  readonly tls: boolean;
  readonly certificate: boolean;
  readonly headers: readonly unknown[];
  readonly allow: readonly unknown[];
  /** Of credential.login. */
  readonly loginPath: unknown;
  /** Of credential.vault. */
  readonly auth: unknown;
  readonly namespace: unknown;
  /** What stands as header in any credential. */
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
    certificate: Object.hasOwn(mapping(net.tls) ?? {}, "certificate"),
    headers: isShort(headers) ? headers : [],
    allow: isShort(allow) ? allow : [],
    loginPath: mapping(credential?.login)?.path,
    auth: mapping(credential?.vault)?.auth,
    namespace: mapping(credential?.vault)?.namespace,
    credentialHeaders: [mapping(credential?.file)?.header, mapping(credential?.login)?.header],
  };
}
