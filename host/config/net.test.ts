import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { originOf } from "../capabilities/net/grant.ts";
import { ALLOWED_PATH } from "../capabilities/net/words.ts";
import { ConfigError } from "./config-error.ts";
import { parseConfig } from "./parse.ts";

const VALID = `apiVersion: kleidi.dev/v1
listen: { socket: /run/kms.sock }
providers:
  one:
    module: a
    sha256: ${"0123456789abcdef".repeat(4)}
    grants:
      net:
        origin: https://vault.example:8200
        allow: [POST /v1/encrypt/kek]
        # more
keys:
  - { name: kek-1, provider: one, use: active }
`;

function faultsIn(text: string): string {
  try {
    parseConfig(text, "/etc/k.yaml");
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  assert.fail("the configuration was accepted");
}

/** With these lines under net. */
const withLines = (...lines: string[]) =>
  VALID.replace("        # more", `        ${lines.join("\n        ")}`);
const grantIn = (text: string) => parseConfig(text, "/etc/k.yaml").providers[0]?.grants.net;

const NET = "providers.one.grants.net";
const ORIGIN = "https://, a host in lower case and perhaps a port; http:// only with a loopback address";
const REQUEST =
  "GET, POST, PUT, PATCH, DELETE, HEAD, a space, and a path without percent signs and dot segments; then perhaps ?query, and name=value for each header that is fixed";
const HEADER = "a header's name in lower case, and none that HTTP or the host keeps for itself";
const KINDS = "a mapping with one of the keys vault, file and login";
const VAULT =
  "a mapping with auth and exactly the keys that it needs: token: file; approle: roleId, secretId; kubernetes, jwt: role, file; userpass: username, file; cert: role, if any";

function refuses(name: string, text: string, fault: string): void {
  test(`parseConfig refuses ${name}`, () => {
    assert.equal(faultsIn(text), `Cannot use the configuration /etc/k.yaml: 1 fault\n/etc/k.yaml:${fault}`);
  });
}

const ORIGINS: readonly (readonly [origin: string, write: string])[] = [
  ["http://vault.example", "https://vault.example:8200"],
  ["http://localhost:8200", "https://vault.example:8200"],
  ["HTTPS://Vault.Example:8200", "https://vault.example:8200"],
  ["vault.example:8200", "https://vault.example:8200"],
  ["https://vault.example/v1", "https://vault.example"],
  ["https://vault.example?", "https://vault.example"],
  ["https://vault.example#", "https://vault.example"],
  ["https://user:pass@vault.example", "https://vault.example"],
  ["https://vault.example:0", "https://vault.example:8200"],
  ["https://vault.example:65536", "https://vault.example:8200"],
  ["https://vault.example:08200", "https://vault.example:8200"],
  ["https://vault.example.", "https://vault.example:8200"],
  ["https://2130706433", "https://vault.example:8200"],
  ["https://0x7f000001", "https://vault.example:8200"],
  ["https://127.1", "https://vault.example:8200"],
  ["https://vault.0x1", "https://vault.example:8200"],
  ["https://127.000.000.001", "https://vault.example:8200"],
  ["https://[0:0:0:0:0:0:0:1]", "https://vault.example:8200"],
  ["https://[::ffff:127.0.0.1]", "https://vault.example:8200"],
  ["https://[fe80::1%25eth0]", "https://vault.example:8200"],
  ["https://xn--", "https://vault.example:8200"],
  ["https://vault_1.example", "https://vault.example:8200"],
  ["https://-vault.example", "https://vault.example:8200"],
  ["ftp://vault.example", "https://vault.example:8200"],
];
for (const [origin, write] of ORIGINS)
  refuses(
    `the origin ${origin}`,
    VALID.replace("https://vault.example:8200", `"${origin}"`),
    `9:17 ${NET}.origin: expected ${ORIGIN}, found "${origin}"; write: origin: ${write}`,
  );

const REQUESTS: readonly (readonly [request: string, write: string])[] = [
  ["post /v1/a", "POST /v1/a"],
  ["POST v1/a", "POST /v1/a"],
  ["POST  //v1//a", "POST /v1/a"],
  ["GET /v1/a?list=%31", "GET /v1/a"],
  ["GET /v1/a#b", "GET /v1/a"],
  ["GET /v1/../a", "POST /v1/transit/encrypt/kek-2026"],
  ["GET /v1/.", "POST /v1/transit/encrypt/kek-2026"],
  ["GET /v1/..;x/a", "POST /v1/transit/encrypt/kek-2026"],
  ["GET /v1/%61", "POST /v1/transit/encrypt/kek-2026"],
  ["GET /v1/a b", "POST /v1/transit/encrypt/kek-2026"],
  ["GET /v1\\\\a", "POST /v1/transit/encrypt/kek-2026"],
  ["TRACE /v1/a", "POST /v1/transit/encrypt/kek-2026"],
  ["GET https://vault.example/v1/a", "GET /v1/a"],
  ["/v1/a", "POST /v1/transit/encrypt/kek-2026"],
  ["GET", "POST /v1/transit/encrypt/kek-2026"],
];
for (const [request, write] of REQUESTS)
  refuses(
    `the request ${request}`,
    VALID.replace("POST /v1/encrypt/kek", `"${request}"`),
    `10:17 ${NET}.allow[0]: expected ${REQUEST}, found "${request}"; write: - ${write}`,
  );

test("parseConfig reads the query and the headers that a line fixes", () => {
  const line = "POST /keys/kek?api-version=7.4 x-op=wrap";
  const { grants } =
    parseConfig(VALID.replace("POST /v1/encrypt/kek", line), "/etc/k.yaml").providers[0] ?? assert.fail();
  const headers = { "x-op": "wrap" };
  assert.deepEqual(grants.net?.allow, [
    { method: "POST", path: "/keys/kek", query: "api-version=7.4", headers },
  ]);
});

refuses(
  "a line that fixes the credential's header",
  withLines("credential: { file: { file: /t, header: x-token } }").replace(
    "POST /v1/encrypt/kek",
    "POST /v1/encrypt/kek x-token=a",
  ),
  `10:17 ${NET}.allow[0]: expected a request without the credential's header, found one with the header that carries the token; remove the header: the host adds it`,
);

for (const [header, write] of [
  ["Content-Type", "content-type"],
  ["authorization", "content-type"],
  ["Cookie", "content-type"],
  ["host", "content-type"],
  ["transfer-encoding", "content-type"],
  ["x-vault-token", "content-type"],
  ["x-vault-namespace", "content-type"],
  ["x-http-method-override", "content-type"],
  ["x-original-url", "content-type"],
  ["x y", "content-type"],
  ["x_y", "content-type"],
] as const)
  refuses(
    `the header ${header}`,
    withLines(`headers: [${header}]`),
    `11:19 ${NET}.headers[0]: expected ${HEADER}, found "${header}"; write: - ${write}`,
  );

for (const [network, write] of [
  ["10.20.0.0", "10.20.0.0/32"],
  ["fd00::1", "fd00::1/128"],
  ["10.20.0.0/33", "10.20.0.0/16"],
  ["fd00::/129", "10.20.0.0/16"],
  ["10.20/16", "10.20.0.0/16"],
  ["10.20.0.0/016", "10.20.0.0/16"],
  ["fe80::%eth0/10", "10.20.0.0/16"],
  ["vault.example", "10.20.0.0/16"],
] as const)
  refuses(
    `the network ${network}`,
    withLines(`networks: ["${network}"]`),
    `11:20 ${NET}.networks[0]: expected a network as address/bits, found "${network}"; write: - ${write}`,
  );

const FAULTS: readonly (readonly [name: string, line: string, fault: string])[] = [
  [
    "a client certificate without its key",
    "tls: { certificate: c.pem }",
    `11:14 ${NET}.tls: expected a mapping with ca, crl beside it, serverName, minimum, or certificate and key together, found a mapping of 1 key; write: tls: { ca: /etc/kleidi/vault-ca.pem }`,
  ],
  [
    "a server's name that is an address",
    "tls: { serverName: 10.0.0.1 }",
    `11:28 ${NET}.tls.serverName: expected a host name in lower case, found "10.0.0.1"; write: serverName: vault.internal`,
  ],
  [
    "an old version of TLS",
    'tls: { minimum: "1.1" }',
    `11:25 ${NET}.tls.minimum: expected "1.2" or "1.3", found "1.1"; write: minimum: "1.2"`,
  ],
  [
    "a version of TLS without quotes",
    "tls: { minimum: 1.3 }",
    `11:25 ${NET}.tls.minimum: expected "1.2" or "1.3", found the number 1.3; write: minimum: "1.3"`,
  ],
  [
    "a switch that would turn verification off",
    "tls: { insecure: true }",
    `11:16 ${NET}.tls.insecure: expected one of the keys ca, crl, serverName, certificate, key, minimum, found the unknown key "insecure"; remove it`,
  ],
  [
    "a time-out that ends after the API server's",
    "limits: { timeout: 3s }",
    `11:28 ${NET}.limits.timeout: expected a duration from 100ms to 2400ms, found "3s"; write: timeout: 2400ms`,
  ],
  [
    "a response that does not fit",
    "limits: { response: 64KiB }",
    `11:29 ${NET}.limits.response: expected a size from 1KiB to 48KiB, found "64KiB"; write: response: 48KiB`,
  ],
  [
    "no connection at all",
    "limits: { connections: 0 }",
    `11:32 ${NET}.limits.connections: expected a whole number from 1 to 256, found the number 0; write: connections: 1`,
  ],
  [
    "a credential of no kind",
    "credential: {}",
    `11:21 ${NET}.credential: expected ${KINDS}, found an empty mapping; write: credential: { vault: { auth: token, file: /etc/kleidi/vault-token } }`,
  ],
  [
    "a credential of two kinds",
    "credential: { vault: { auth: token, file: t }, file: { file: t, header: authorization } }",
    `11:21 ${NET}.credential: expected ${KINDS}, found a mapping of 2 keys; write: credential: { vault: { auth: token, file: /etc/kleidi/vault-token } }`,
  ],
  ...[
    "{ auth: token }",
    "{ auth: token, file: t, mount: m }",
    "{ auth: token, file: t, roleId: r }",
    "{ auth: approle }",
    "{ auth: approle, roleId: r, file: t }",
    "{ auth: kubernetes, file: t }",
    "{ auth: jwt, role: r }",
    "{ auth: userpass, file: t }",
    "{ auth: cert, file: t }",
  ].map(
    (vault) =>
      [
        `the login ${vault}`,
        `credential: { vault: ${vault} }${vault.includes("cert") ? "\n        tls: { certificate: c, key: k }" : ""}`,
        `11:30 ${NET}.credential.vault: expected ${VAULT}, found a mapping of ${vault.split(",").length} key${vault.includes(",") ? "s" : ""}; write: vault: { auth: approle, roleId: <the role id>, secretId: { file: /etc/kleidi/secret-id } }`,
      ] as const,
  ),
  [
    "a token in a header that frames the request",
    "credential: { file: { file: t, header: content-length } }",
    `11:48 ${NET}.credential.file.header: expected a header's name in lower case, and none that HTTP itself needs, found "content-length"; write: header: x-vault-token`,
  ],
  [
    "a token as a cookie",
    "credential: { file: { file: t, header: cookie } }",
    `11:48 ${NET}.credential.file.header: expected a header's name in lower case, and none that HTTP itself needs, found "cookie"; write: header: x-vault-token`,
  ],
  [
    "a login's field that is both text and file",
    "credential: { login: { path: /l, body: { a: { text: b, file: c } }, token: /t, header: authorization } }",
    `11:53 ${NET}.credential.login.body.a: expected a mapping with either text or file, found a mapping of 2 keys; write: a: { file: /etc/kleidi/password }`,
  ],
  [
    "a login's path that leads elsewhere",
    "credential: { login: { path: /a/../l, body: { a: { text: b } }, token: /t, header: authorization } }",
    `11:38 ${NET}.credential.login.path: expected a path of names with single slashes in between, the first character a slash, found "/a/../l"; write: path: /v1/login`,
  ],
  [
    "a login by certificate without one",
    "credential: { vault: { auth: cert } }",
    `11:38 ${NET}.credential.vault.auth: expected another auth method, or a certificate to log in with, found cert without tls.certificate; write: tls: { certificate: /etc/kleidi/client.pem, key: /etc/kleidi/client-key.pem }`,
  ],
  [
    "a provider that may set the credential's header",
    "headers: [content-type, private-token]\n        credential: { file: { file: t, header: private-token } }",
    `11:33 ${NET}.headers[1]: expected a header that is not the credential's, found the header that carries the token; remove it`,
  ],
];
for (const [name, line, fault] of FAULTS) refuses(name, withLines(line), fault);

refuses(
  "TLS under an origin in the clear",
  withLines("tls: { ca: c.pem }").replace("https://vault.example:8200", "http://127.0.0.1:8200"),
  `11:14 ${NET}.tls: expected no tls under an http origin, found tls; remove the key, or write: origin: https://…`,
);
refuses(
  "a grant without an origin",
  VALID.replace("        origin: https://vault.example:8200\n", ""),
  `8:7 ${NET}.origin: expected ${ORIGIN}, found nothing; write: origin: https://vault.example:8200`,
);
refuses(
  "a grant of no request",
  VALID.replace("[POST /v1/encrypt/kek]", "[]"),
  `10:16 ${NET}.allow: expected a list of 1 to 64 requests, found an empty list; write: allow: [POST /v1/transit/encrypt/kek-2026]`,
);

test("a grant of kleidi:net has tight defaults", () => {
  assert.deepEqual(grantIn(VALID), {
    origin: "https://vault.example:8200",
    allow: [{ method: "POST", path: "/v1/encrypt/kek" }],
    headers: ["content-type"],
    networks: [],
    requestBytes: 49_152,
    responseBytes: 49_152,
    timeoutMs: 1800,
    connections: 64,
    tls: { minimum: "1.2" },
  });
});

test("a grant of kleidi:net is what it says, its files resolved", () => {
  const text = withLines(
    "headers: []",
    'networks: [10.0.0.0/8, "fd00::/8"]',
    "limits: { request: 1KiB, response: 2KiB, timeout: 100ms, connections: 2 }",
    'tls: { ca: ca.pem, serverName: v.internal, certificate: c.pem, key: k.pem, minimum: "1.3" }',
    "credential: { vault: { auth: approle, mount: a/b, namespace: t, roleId: r, secretId: { file: s } } }",
    "rpcs: [encrypt]",
  );
  assert.deepEqual(grantIn(text), {
    origin: "https://vault.example:8200",
    allow: [{ method: "POST", path: "/v1/encrypt/kek" }],
    headers: [],
    networks: ["10.0.0.0/8", "fd00::/8"],
    requestBytes: 1024,
    responseBytes: 2048,
    timeoutMs: 100,
    connections: 2,
    tls: {
      ca: "/etc/ca.pem",
      serverName: "v.internal",
      client: { certificate: "/etc/c.pem", key: "/etc/k.pem" },
      minimum: "1.3",
    },
    credential: {
      kind: "vault",
      auth: "approle",
      mount: "a/b",
      namespace: "t",
      roleId: "r",
      secretId: { file: "/etc/s" },
    },
    rpcs: ["encrypt"],
  });
});

const CREDENTIALS: readonly (readonly [yaml: string, parsed: unknown])[] = [
  ["{ vault: { auth: token, file: t } }", { kind: "vault", auth: "token", file: "/etc/t" }],
  ["{ vault: { auth: jwt, role: r, file: t } }", { kind: "vault", auth: "jwt", role: "r", file: "/etc/t" }],
  [
    "{ vault: { auth: userpass, username: u, file: t } }",
    { kind: "vault", auth: "userpass", username: "u", file: "/etc/t" },
  ],
  ["{ file: { file: t, header: x-vault-token } }", { kind: "file", file: "/etc/t", header: "x-vault-token" }],
  [
    "{ file: { file: t, header: authorization, scheme: Bearer } }",
    { kind: "file", file: "/etc/t", header: "authorization", scheme: "Bearer" },
  ],
  [
    "{ login: { path: /l, body: { a: { text: b }, c: { file: d } }, token: /t/0, header: authorization } }",
    {
      kind: "login",
      method: "POST",
      path: "/l",
      body: { a: "b", c: { file: "/etc/d" } },
      token: "/t/0",
      header: "authorization",
    },
  ],
];
for (const [yaml, parsed] of CREDENTIALS)
  test(`the credential ${yaml} is accepted`, () => {
    assert.deepEqual(grantIn(withLines(`credential: ${yaml}`))?.credential, parsed);
  });

for (const origin of ["http://127.0.0.1:8200", "http://[::1]", "https://10.0.0.1", "https://[fd00::1]:1"])
  test(`the origin ${origin} is accepted`, () => {
    assert.equal(
      originOf(origin),
      /:\d+$/.test(origin) ? origin : `${origin}:${origin[4] === "s" ? 443 : 80}`,
    );
  });

/** Of what a URL is made, right and wrong, so that many a one is nearly right. */
const pieces = (...all: string[]) =>
  fc.array(fc.constantFrom(...all), { maxLength: 8 }).map((some) => some.join(""));
const hosts = fc.oneof(
  pieces(
    "a",
    "vault",
    ".",
    "-",
    "1",
    "0x7f",
    "127",
    "xn--",
    "xn--mnchen-3ya",
    "é",
    "%2e",
    "_",
    "@",
    "\\",
    "..",
    "/",
  ),
  fc.ipV4(),
  fc.ipV4Extended(),
  fc.ipV6().map((address) => `[${address}]`),
  fc.domain(),
);

test("an origin that is accepted is read by others as it is written", () => {
  let accepted = 0;
  const scheme = fc.constantFrom("https://", "http://", "https:", "https:///", "https:\\\\");
  const port = fc.constantFrom("", ":", ":1", ":443", ":80", ":8200", ":65535", ":65536", ":0", ":08", ":1 ");
  const end = fc.constantFrom("", "/", "//", "?", "#", "\t", "\\");
  fc.assert(
    fc.property(scheme, hosts, port, end, (...parts) => {
      const origin = originOf(parts.join(""));
      if (origin === undefined) return;
      accepted += 1;
      const url = new URL(parts.join(""));
      assert.equal(
        origin,
        `${url.protocol}//${url.hostname}:${url.port || (url.protocol === "https:" ? 443 : 80)}`,
      );
      assert.equal(url.href, `${url.origin}/`);
    }),
    { numRuns: 3000 },
  );
  assert.ok(accepted > 30, `only ${accepted} were accepted`);
});

test("a path that may be granted is read by others as it is written", () => {
  let accepted = 0;
  const path = pieces(
    "/",
    "a",
    "v1",
    ".",
    "..",
    "%2e",
    "%2F",
    "\\",
    "?",
    "#",
    ";",
    ":",
    "@",
    "'",
    "*",
    "~",
    "é",
    "\t",
    " ",
  );
  fc.assert(
    fc.property(path, (tail) => {
      if (!ALLOWED_PATH.test(`/${tail}`)) return;
      accepted += 1;
      const url = new URL(`/${tail}`, "https://vault.example");
      assert.equal(url.href, `https://vault.example/${tail}`);
      assert.equal(url.pathname, `/${tail}`);
    }),
    { numRuns: 5000 },
  );
  assert.ok(accepted > 100, `only ${accepted} were accepted`);
});

const GIVES_TOKENS =
  "expected a request that gives no token out, found one with which the provider could log in; remove it: the host logs in for the provider";
for (const allowed of [
  "POST /v1/auth/approle/login",
  "POST /v1/team-a/auth/approle/login",
  "POST /v1/auth/token/create",
  "POST /v1/auth/",
  "GET /v1/",
  "GET /",
]) {
  refuses(
    `an allowed request that gives tokens out: ${allowed}`,
    VALID.replace("POST /v1/encrypt/kek", allowed),
    `10:17 ${NET}.allow[0]: ${GIVES_TOKENS}`,
  );
}

for (const allowed of ["POST /v1/team/", "POST /v1/team/sub/"]) {
  refuses(
    `an allowed request that gives tokens out in the credential's namespace: ${allowed}`,
    withLines("credential: { vault: { auth: token, file: t, namespace: team/sub } }").replace(
      "POST /v1/encrypt/kek",
      allowed,
    ),
    `10:17 ${NET}.allow[0]: ${GIVES_TOKENS}`,
  );
}

refuses(
  "an allowed request that is the host's own login",
  withLines("credential: { login: { path: /v1/encrypt/kek, body: {}, token: /t, header: x-token } }"),
  `10:17 ${NET}.allow[0]: ${GIVES_TOKENS}`,
);
