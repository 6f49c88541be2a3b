import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type RefusedText, testRefusals } from "../../test/support/config-faults.ts";
import { originOf } from "../capabilities/net/origin.ts";
import { ALLOWED_PATH } from "../capabilities/net/request-syntax.ts";
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

/** VALID with these lines under net. */
const withLines = (...lines: string[]) =>
  VALID.replace("        # more", `        ${lines.join("\n        ")}`);
const grantIn = (text: string) => parseConfig(text, "/etc/k.yaml").providers[0]?.grants.net;

const NET = "providers.one.grants.net";

const refused: RefusedText[] = [];
function refuses(name: string, text: string, place: string): void {
  refused.push({ name, text, place });
}

const ORIGINS = [
  "http://vault.example",
  "http://localhost:8200",
  "HTTPS://Vault.Example:8200",
  "vault.example:8200",
  "https://vault.example/v1",
  "https://vault.example?",
  "https://vault.example#",
  "https://user:pass@vault.example",
  "https://vault.example:0",
  "https://vault.example:65536",
  "https://vault.example:08200",
  "https://vault.example.",
  "https://2130706433",
  "https://0x7f000001",
  "https://127.1",
  "https://vault.0x1",
  "https://127.000.000.001",
  "https://[0:0:0:0:0:0:0:1]",
  "https://[::ffff:127.0.0.1]",
  "https://[fe80::1%25eth0]",
  "https://xn--",
  "https://vault_1.example",
  "https://-vault.example",
  "ftp://vault.example",
];
for (const origin of ORIGINS)
  refuses(
    `the origin ${origin}`,
    VALID.replace("https://vault.example:8200", `"${origin}"`),
    `9:17 ${NET}.origin`,
  );

const REQUESTS = [
  "post /v1/a",
  "POST v1/a",
  "POST  //v1//a",
  "GET /v1/a?list=%31",
  "GET /v1/a#b",
  "GET /v1/../a",
  "GET /v1/.",
  "GET /v1/..;x/a",
  "GET /v1/%61",
  "GET /v1/a b",
  "GET /v1\\\\a",
  "TRACE /v1/a",
  "GET https://vault.example/v1/a",
  "/v1/a",
  "GET",
];
for (const request of REQUESTS)
  refuses(
    `the request ${request}`,
    VALID.replace("POST /v1/encrypt/kek", `"${request}"`),
    `10:17 ${NET}.allow[0]`,
  );

test("parseConfig reads the fixed query and headers of a line", () => {
  const line = "POST /keys/kek?api-version=7.4 x-op=wrap";
  const { grants } =
    parseConfig(VALID.replace("POST /v1/encrypt/kek", line), "/etc/k.yaml").providers[0] ?? assert.fail();
  const headers = { "x-op": "wrap" };
  assert.deepEqual(grants.net?.allow, [
    { method: "POST", path: "/keys/kek", query: "api-version=7.4", headers },
  ]);
});

refuses(
  "a line with the credential's header as a fixed header",
  withLines("credential: { file: { file: /t, header: x-token } }").replace(
    "POST /v1/encrypt/kek",
    "POST /v1/encrypt/kek x-token=a",
  ),
  `10:17 ${NET}.allow[0]`,
);

for (const header of [
  "Content-Type",
  "authorization",
  "Cookie",
  "host",
  "transfer-encoding",
  "x-vault-token",
  "x-vault-namespace",
  "x-http-method-override",
  "x-original-url",
  "x y",
  "x_y",
] as const)
  refuses(`the header ${header}`, withLines(`headers: [${header}]`), `11:19 ${NET}.headers[0]`);

for (const network of [
  "10.20.0.0",
  "fd00::1",
  "10.20.0.0/33",
  "fd00::/129",
  "10.20/16",
  "10.20.0.0/016",
  "fe80::%eth0/10",
  "vault.example",
] as const)
  refuses(`the network ${network}`, withLines(`networks: ["${network}"]`), `11:20 ${NET}.networks[0]`);

const FAULTS: readonly (readonly [name: string, line: string, place: string])[] = [
  ["a client certificate without its key", "tls: { certificate: c.pem }", `11:14 ${NET}.tls`],
  ["an address as the server's name", "tls: { serverName: 10.0.0.1 }", `11:28 ${NET}.tls.serverName`],
  ["an old version of TLS", 'tls: { minimum: "1.1" }', `11:25 ${NET}.tls.minimum`],
  ["a version of TLS without quotes", "tls: { minimum: 1.3 }", `11:25 ${NET}.tls.minimum`],
  ["a key that would turn verification off", "tls: { insecure: true }", `11:16 ${NET}.tls.insecure`],
  ["a time-out that ends after the API server's", "limits: { timeout: 3s }", `11:28 ${NET}.limits.timeout`],
  ["a response limit above the buffer", "limits: { response: 64KiB }", `11:29 ${NET}.limits.response`],
  ["a limit of no connections", "limits: { connections: 0 }", `11:32 ${NET}.limits.connections`],
  ["a credential without a kind", "credential: {}", `11:21 ${NET}.credential`],
  [
    "a credential of two kinds",
    "credential: { vault: { auth: token, file: t }, file: { file: t, header: authorization } }",
    `11:21 ${NET}.credential`,
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
        `11:30 ${NET}.credential.vault`,
      ] as const,
  ),
  [
    "a token in a header that affects the framing of the request",
    "credential: { file: { file: t, header: content-length } }",
    `11:48 ${NET}.credential.file.header`,
  ],
  [
    "a token as a cookie",
    "credential: { file: { file: t, header: cookie } }",
    `11:48 ${NET}.credential.file.header`,
  ],
  [
    "a login field that is both text and file",
    "credential: { login: { path: /l, body: { a: { text: b, file: c } }, token: /t, header: authorization } }",
    `11:53 ${NET}.credential.login.body.a`,
  ],
  [
    "a login path with dot segments",
    "credential: { login: { path: /a/../l, body: { a: { text: b } }, token: /t, header: authorization } }",
    `11:38 ${NET}.credential.login.path`,
  ],
  [
    "a login by certificate without a certificate",
    "credential: { vault: { auth: cert } }",
    `11:38 ${NET}.credential.vault.auth`,
  ],
  [
    "a provider that may set the credential's header",
    "headers: [content-type, private-token]\n        credential: { file: { file: t, header: private-token } }",
    `11:33 ${NET}.headers[1]`,
  ],
];
for (const [name, line, place] of FAULTS) refuses(name, withLines(line), place);

refuses(
  "TLS settings for an origin in the clear",
  withLines("tls: { ca: c.pem }").replace("https://vault.example:8200", "http://127.0.0.1:8200"),
  `11:14 ${NET}.tls`,
);
refuses(
  "a grant without an origin",
  VALID.replace("        origin: https://vault.example:8200\n", ""),
  `8:7 ${NET}.origin`,
);
refuses("a grant without a request", VALID.replace("[POST /v1/encrypt/kek]", "[]"), `10:16 ${NET}.allow`);

test("a grant of kleidi:net has restrictive defaults", () => {
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

test("a grant of kleidi:net has the configured values and absolute paths", () => {
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

const SUGGESTED: readonly (readonly [source: string, origin: string])[] = [
  ["::1", "https://[::1]"],
  ["fd00::1", "https://[fd00::1]"],
  ["https://fd00::1", "https://[fd00::1]"],
  ["https://::1:8200", "https://[::1]:8200"],
  ["fd00::1:8200", "https://[fd00::1]:8200"],
  ["[fd00::1]:8200", "https://[fd00::1]:8200"],
  ["https://[FD00::1]:8200/v1", "https://[fd00::1]:8200"],
  ["https://[0:0:0:0:0:0:0:1]:8200", "https://[::1]:8200"],
  ["https://[fd00:0::1]:8200", "https://[fd00::1]:8200"],
  ["http://[fd00::1]:8200", "https://[fd00::1]:8200"],
  ["http://[0::1]:8200", "http://[::1]:8200"],
  ["http://localhost:8100", "http://127.0.0.1:8100"],
  ["http://vault.example:8200", "https://vault.example:8200"],
  ["HTTPS://me@Vault.Example:8200/v1", "https://vault.example:8200"],
];
for (const [source, origin] of SUGGESTED)
  test(`the suggestion for the origin ${source} is ${origin}`, () => {
    const text = VALID.replace("https://vault.example:8200", JSON.stringify(source));
    assert.throws(
      () => parseConfig(text, "/etc/k.yaml"),
      (error: Error) => {
        assert.ok(error.message.includes(`; write: origin: ${origin}`), error.message);
        return true;
      },
    );
    assert.ok(originOf(origin) !== undefined);
  });

for (const [source, network] of [
  ["[fd00::1]", "fd00::1/128"],
  ["[fd00::]/8", "fd00::/8"],
] as const)
  test(`the suggestion for the network ${source} is ${network}`, () => {
    assert.throws(
      () => parseConfig(withLines(`networks: ["${source}"]`), "/etc/k.yaml"),
      (error: Error) => {
        assert.ok(error.message.includes(`; write: - ${network}`), error.message);
        return true;
      },
    );
  });

for (const origin of ["http://127.0.0.1:8200", "http://[::1]", "https://10.0.0.1", "https://[fd00::1]:1"])
  test(`the origin ${origin} is accepted`, () => {
    assert.equal(
      originOf(origin),
      /:\d+$/.test(origin) ? origin : `${origin}:${origin[4] === "s" ? 443 : 80}`,
    );
  });

/** Parts of URLs, valid and invalid, so that many texts are nearly valid. */
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

test("URL parses an accepted origin unchanged", () => {
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
    { numRuns: 8000 },
  );
  assert.ok(accepted > 30, `only ${accepted} were accepted`);
});

test("URL parses a path that may be granted unchanged", () => {
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

for (const allowed of [
  "POST /v1/auth/approle/login",
  "POST /v1/team-a/auth/approle/login",
  "POST /v1/auth/token/create",
  "POST /v1/auth/",
  "GET /v1/",
  "GET /",
]) {
  refuses(
    `an allowed request that returns tokens: ${allowed}`,
    VALID.replace("POST /v1/encrypt/kek", allowed),
    `10:17 ${NET}.allow[0]`,
  );
}

for (const allowed of ["POST /v1/team/", "POST /v1/team/sub/"]) {
  refuses(
    `an allowed request that returns tokens in the credential's namespace: ${allowed}`,
    withLines("credential: { vault: { auth: token, file: t, namespace: team/sub } }").replace(
      "POST /v1/encrypt/kek",
      allowed,
    ),
    `10:17 ${NET}.allow[0]`,
  );
}

refuses(
  "the host's own login as an allowed request",
  withLines("credential: { login: { path: /v1/encrypt/kek, body: {}, token: /t, header: x-token } }"),
  `10:17 ${NET}.allow[0]`,
);

testRefusals("grants of kleidi:net", refused);
