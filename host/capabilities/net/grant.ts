/** The schema of `grants.net`: one origin, the allowed requests, and the connection. rules.ts has the rules across keys. */
import { isIP } from "node:net";
import * as z from "zod";
import { count, field, nearestOf, path, quantity } from "../../schema/field.ts";
import { rpcs } from "../../schema/rpcs.ts";
import { duration, memory } from "../../schema/units.ts";
import { credential } from "./login/grant.ts";
import { isName, originOf, suggestOrigin } from "./origin.ts";
import { HEADER, METHODS, parseLine, RESERVED_HEADERS } from "./request-syntax.ts";

function isNetwork(text: string): boolean {
  const [, address = "", bits] = /^([0-9a-fA-F.:]+)\/(0|[1-9][0-9]{0,2})$/.exec(text) ?? [];
  const kind = isIP(address);
  return kind !== 0 && Number(bits) <= (kind === 4 ? 32 : 128);
}

const allowed = field(
  z.string().transform((text, context) => {
    const line = parseLine(text);
    if (line !== undefined) return line;
    context.issues.push({ code: "custom", input: text });
    return z.NEVER;
  }),
  {
    expected: `${METHODS.join(", ")}, a space, and a path without percent signs and dot segments; then perhaps ?query, and name=value for each header that is fixed`,
    meaning:
      "One request. A path that ends in a slash allows everything under it. A query after the path, and headers after that (`POST / x-amz-target=TrentService.Encrypt`), are compared as written: a request must have them, and no other query.",
    example: "POST /v1/transit/encrypt/kek-2026",
    suggest: (source) => {
      const [, method = "", path = ""] =
        /^\s*([A-Za-z]+)\s+(?:https?:\/\/[^/]*)?\/*(\S*)\s*$/.exec(source) ?? [];
      const [, plain = "", query = ""] = /^([^?#]*)(\?[^#]*)?/.exec(path) ?? [];
      const line = `${method.toUpperCase()} /${plain.replaceAll(/\/{2,}/g, "/")}`;
      return parseLine(line + query) === undefined ? line : line + query;
    },
  },
);

const header = field(
  z.string().refine((name) => HEADER.test(name) && !RESERVED_HEADERS.has(name)),
  {
    expected: "a header's name in lower case, and none that HTTP or the host keeps for itself",
    meaning: "A header.",
    example: "content-type",
    suggest: (source) => source.toLowerCase(),
  },
);

/** Absolute paths of PEM files, read again when they change. */
interface ClientCertificate {
  certificate: string;
  key: string;
}

const tls = field(
  z
    .strictObject({
      ca: field(path().exactOptional(), {
        expected: "the path of a PEM file",
        meaning: "The certificates that the server's must be by. No other one counts then.",
        example: "/etc/kleidi/vault-ca.pem",
        absent: "those that Node comes with",
      }),
      crl: field(path().exactOptional(), {
        expected: "the path of a PEM file",
        meaning:
          "The revocation lists of the CAs in `ca`, one for every CA of the server's chain, read again when it changes. Needs `ca`. With an expired list, every connection is refused; `check`, `doctor` and the alert `KleidiExpires` warn before.",
        example: "/etc/kleidi/vault-crl.pem",
        absent: "nothing is looked up as revoked",
      }),
      serverName: field(z.string().refine(isName).exactOptional(), {
        expected: "a host name in lower case",
        meaning: "The name that the server's certificate must have.",
        example: "vault.internal",
        absent: "the origin's host",
        suggest: (source) => source.toLowerCase().replace(/\.$/, ""),
      }),
      certificate: field(path().exactOptional(), {
        expected: "the path of a PEM file",
        meaning: "The host's own certificate, and those that lead to the CA's. Needs `key`.",
        example: "/etc/kleidi/client.pem",
        absent: "no client certificate",
      }),
      key: field(path().exactOptional(), {
        expected: "the path of a PEM file",
        meaning: "The key of `certificate`, of mode 0600 or, for a group, 0640.",
        example: "/etc/kleidi/client-key.pem",
        absent: "no client certificate",
      }),
      minimum: field(z.enum(["1.2", "1.3"]).prefault("1.2"), {
        expected: '"1.2" or "1.3"',
        meaning: "The lowest version of TLS. Quoted: without quotes, YAML reads a number.",
        example: '"1.3"',
        suggest: nearestOf(["1.2", "1.3"]),
      }),
    })
    .refine(({ certificate, key }) => (certificate === undefined) === (key === undefined))
    .refine(({ ca, crl }) => crl === undefined || ca !== undefined)
    .transform(({ certificate, key, ...tls }): typeof tls & { client?: ClientCertificate } =>
      certificate === undefined || key === undefined ? tls : { ...tls, client: { certificate, key } },
    )
    .prefault({}),
  {
    expected: "a mapping with ca, crl beside it, serverName, minimum, or certificate and key together",
    meaning: "The server's required identity, and the host's own certificate.",
    example: "{ ca: /etc/kleidi/vault-ca.pem }",
    absent: "every setting at its default",
    keywords: { dependencies: { certificate: ["key"], key: ["certificate"], crl: ["ca"] } },
  },
);

const limits = field(
  z
    .strictObject({
      request: quantity(memory(1024, 48 * 1024, 1), "48KiB", {
        expected: "a size from 1KiB to 48KiB",
        meaning: "The largest body of a request. Units: KiB, MiB.",
        example: "48KiB",
      }),
      response: quantity(memory(1024, 48 * 1024, 1), "48KiB", {
        expected: "a size from 1KiB to 48KiB",
        meaning: "The largest body of a response. Units: KiB, MiB.",
        example: "48KiB",
      }),
      timeout: quantity(duration(100, 2400), "1800ms", {
        expected: "a duration from 100ms to 2400ms",
        meaning:
          "How long a request may take, a login and a second try in it. If it is below the provider's deadline, an error names the slow server and not the provider. Units: ms, s.",
        example: "1800ms",
      }),
      connections: count(1, 256, 64, "Connections at once. More requests wait."),
    })
    .transform(({ request, response, timeout, connections }) => ({
      requestBytes: request,
      responseBytes: response,
      timeoutMs: timeout,
      connections,
    }))
    .prefault({}),
  {
    expected: "a mapping of limits",
    meaning: "Limits of the requests.",
    example: "{ timeout: 1s }",
    absent: "every limit at its default",
  },
);

export const GRANT = field(
  z
    .strictObject({
      origin: field(
        z.string().transform((text, context) => {
          const origin = originOf(text);
          if (origin !== undefined) return origin;
          context.issues.push({ code: "custom", input: text });
          return z.NEVER;
        }),
        {
          expected: "https://, a host in lower case and perhaps a port; http:// only with a loopback address",
          meaning: "The one server that the provider may ask.",
          example: "https://vault.example:8200",
          suggest: suggestOrigin,
        },
      ),
      allow: field(z.array(allowed).min(1).max(64), {
        expected: "a list of 1 to 64 requests",
        meaning: "The requests that are allowed. Everything else is denied.",
        example: "[POST /v1/transit/encrypt/kek-2026]",
      }),
      headers: field(z.array(header).max(16).exactOptional(), {
        expected: "a list of at most 16 headers",
        meaning:
          "The headers that the provider may set, and see in responses beside content-type, date and retry-after.",
        example: "[content-type]",
        absent: "`[content-type]`",
      }),
      networks: field(
        z
          .array(
            field(z.string().refine(isNetwork), {
              expected: "a network as address/bits",
              meaning: "A network.",
              example: "10.20.0.0/16",
              suggest: (source) => {
                const [address = "", bits] = source.replaceAll(/[[\]]/g, "").split("/");
                return `${address}/${bits ?? (isIP(address) === 4 ? 32 : 128)}`;
              },
            }),
          )
          .max(64)
          .exactOptional(),
        {
          expected: "a list of at most 64 networks",
          meaning:
            "The private, loopback and link-local networks that the origin's address may be in. A loopback address in the origin itself needs none.",
          example: "[10.20.0.0/16]",
          absent: "public addresses only",
        },
      ),
      limits,
      tls,
      credential,
      rpcs: rpcs(),
    })
    .transform(({ headers = ["content-type"], networks = [], limits, ...net }) => ({
      ...net,
      headers,
      networks,
      ...limits,
    }))
    .exactOptional(),
  {
    expected: "a mapping with the keys origin and allow",
    meaning: "Lets the provider ask one server over HTTP.",
    example: "{ origin: https://vault.example:8200, allow: [POST /v1/transit/encrypt/kek-2026] }",
    absent: "no network",
  },
);

/** A validated grant. */
export type NetConfig = NonNullable<z.output<typeof GRANT>>;

/** Connections for logins, which are rare, in addition to those of the grant. */
export const LOGIN_CONNECTIONS = 2;
