import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { assertSentence } from "../../../test/support/thrown.ts";
import type { NetGrant } from "./policy.ts";
import { decideRequest, type ParsedRequest } from "./policy.ts";
import { lineText, parseLine } from "./request-syntax.ts";

const GRANT: NetGrant = {
  origin: "https://vault.example:8200",
  allow: [
    { method: "POST", path: "/v1/encrypt/kek" },
    { method: "GET", path: "/v1/keys/" },
    { method: "PUT", path: "/slash/" },
    { method: "DELETE", path: "/v1/encrypt/kek" },
    { method: "HEAD", path: "/v1/encrypt/kek" },
  ],
  headers: ["content-type", "x-request-id"],
  requestBytes: 1024,
};
const ASKED: ParsedRequest = { method: "POST", path: "/v1/encrypt/kek", headers: [], bytes: 10 };
const GET: Partial<ParsedRequest> = { method: "GET", bytes: 0 };

const decide = (asked: Partial<ParsedRequest>) => decideRequest({ ...ASKED, ...asked }, GRANT);
const header = (name: string, value = "1") => ({ headers: [{ name, value }] });

const long = (length: number) => `/v1/keys/${"a".repeat(length - 9)}`;
/** Asserts a denial; the reason is in the snapshot. */
function assertDenied(t: TestContext, verdict: ReturnType<typeof decideRequest>): void {
  assert.ok(!verdict.allowed);
  assertSentence(t, verdict.reason);
}

const DENIED: readonly (readonly [what: string, asked: Partial<ParsedRequest>])[] = [
  ["an empty path", { path: "" }],
  ["a path without a leading slash", { path: "v1/encrypt/kek" }],
  ["an absolute URL", { path: "https://evil.example/v1/encrypt/kek" }],
  ["userinfo", { path: "@evil.example/v1/encrypt/kek" }],
  ["a port after the origin's", { path: ":1@evil.example/" }],
  ["an asterisk", { path: "*" }],
  ["another host after two slashes", { path: "//evil.example/v1/encrypt/kek" }],
  ["two slashes in the middle", { path: "/v1//encrypt/kek" }],
  ["two slashes at the end", { ...GET, path: "/v1/keys/a//" }],
  ["a single dot", { path: "/v1/./encrypt/kek" }],
  ["a step up", { ...GET, path: "/v1/keys/../encrypt/kek" }],
  ["a step up at the end", { ...GET, path: "/v1/keys/a/.." }],
  ["a step up at the end with a slash", { ...GET, path: "/v1/keys/a/../" }],
  ["a step up with a parameter", { ...GET, path: "/v1/keys/..;x=1/sys" }],
  ["a dot with a parameter", { ...GET, path: "/v1/keys/.;/sys" }],
  ["an encoded step up", { ...GET, path: "/v1/keys/%2e%2e/sys" }],
  ["a half encoded step up", { ...GET, path: "/v1/keys/.%2E/sys" }],
  ["a twice encoded step up", { ...GET, path: "/v1/keys/%252e%252e/sys" }],
  ["an encoded slash", { ...GET, path: "/v1/keys/a%2fb" }],
  ["an encoded letter", { path: "/v1/encrypt/%6bek" }],
  ["a backslash", { ...GET, path: "/v1/keys\\..\\sys" }],
  ["a leading backslash", { path: "/\\evil.example/" }],
  ["a query", { path: "/v1/encrypt/kek?x=1" }],
  ["an empty query", { path: "/v1/encrypt/kek?" }],
  ["a fragment", { path: "/v1/encrypt/kek#x" }],
  ["a second request in the path", { path: "/v1/encrypt/kek HTTP/1.1\r\nhost: evil\r\n\r\n" }],
  ["a line feed at the end", { path: "/v1/encrypt/kek\n" }],
  ["a carriage return in the middle", { path: "/v1/enc\rrypt/kek" }],
  ["a tab, which URL would drop", { path: "/v1/.\t./encrypt/kek" }],
  ["a NUL", { path: "/v1/encrypt/kek\0" }],
  ["a space at the end", { path: "/v1/encrypt/kek " }],
  ["a non-ASCII letter", { path: "/v1/encrypt/kék" }],
  ["a full-width full stop", { ...GET, path: "/v1/keys/．．/sys" }],
  ["half of a surrogate pair", { path: "/v1/encrypt/\ud800" }],
  ["a letter whose low byte is a slash", { ...GET, path: "/v1/keys/..\u012f" }],
  ["a path of 1025 characters", { ...GET, path: long(1025) }],
  ["the granted path with a trailing slash", { path: "/v1/encrypt/kek/" }],
  ["the granted folder itself", { ...GET, path: "/v1/keys/" }],
  ["the granted folder without its slash", { ...GET, path: "/v1/keys" }],
  ["a path that begins like the granted one", { path: "/v1/encrypt/kek-2" }],
  ["a path under the granted one", { path: "/v1/encrypt/kek/a" }],
  ["a folder that begins like the granted one", { ...GET, path: "/v1/keys-2/a" }],
  ["the granted path in another case", { path: "/V1/encrypt/kek" }],
  ["the root", { path: "/" }],
  ["another method at a granted path", { method: "PATCH" }],
  ["a method that is granted elsewhere", { ...GET }],
  ["a method in lower case", { method: "post" }],
  ["a method with a space", { method: "POST " }],
  ["no method", { method: "" }],
  ["CONNECT", { method: "CONNECT" }],
  ["a request line in the method", { method: "GET /sys HTTP/1.1\r\n" }],
  ["a GET with a body", { ...GET, path: "/v1/keys/a", bytes: 1 }],
  ["a HEAD with a body", { method: "HEAD" }],
  ["a DELETE with a body", { method: "DELETE" }],
  ["a header that is not granted", header("x-other")],
  ["a granted header in another case", header("Content-Type")],
  ["a granted header with a space", header("content-type ")],
  ["a header without a name", header("")],
  ["a second header in a name", header("content-type: a\r\nx-vault-token")],
  ["the header __proto__", header("__proto__")],
  ["x-vault-request with another value", header("x-vault-request", "s.token")],
  ["x-vault-request without a value", header("x-vault-request", "")],
  ["the header host", header("host")],
  ["the header authorization", header("authorization")],
  ["a second header in a value", header("content-type", "a\r\nx-vault-token: b")],
  ["a line feed at the end of a value", header("content-type", "a\n")],
  ["a NUL in a value", header("content-type", "a\0")],
  ["a non-ASCII value", header("content-type", "\u010d\u010a")],
  ["a value of 1025 characters", header("content-type", "a".repeat(1025))],
  [
    "a duplicate header",
    {
      headers: [
        { name: "content-type", value: "a" },
        { name: "content-type", value: "b" },
      ],
    },
  ],
  ["17 headers", { headers: Array.from({ length: 17 }, () => ({ name: "content-type", value: "a" })) }],
];
for (const [what, asked] of DENIED)
  test(`decideRequest denies ${what}`, (t) => assertDenied(t, decide(asked)));

const ALLOWED: readonly (readonly [what: string, asked: Partial<ParsedRequest>, line: number])[] = [
  ["a granted path", {}, 0],
  ["a path under a granted folder", { ...GET, path: "/v1/keys/a" }, 1],
  ["a path deep under a granted folder", { ...GET, path: "/v1/keys/a/b/c" }, 1],
  ["a folder under a granted folder", { ...GET, path: "/v1/keys/a/" }, 1],
  ["a path of 1024 characters", { ...GET, path: long(1024) }, 1],
  ["a name of three dots", { ...GET, path: "/v1/keys/..." }, 1],
  ["a name that begins with two dots", { ...GET, path: "/v1/keys/..a" }, 1],
  ["every character of a segment", { ...GET, path: "/v1/keys/Az09-._~!$&'()*+,;=:@" }, 1],
  ["another method at the same path", { method: "DELETE", bytes: 0 }, 3],
  ["a body over the limit, which is not a matter of authority", { bytes: 4096 }, 0],
  [
    "granted headers",
    {
      headers: [
        { name: "content-type", value: "a/b" },
        { name: "x-request-id", value: "" },
      ],
    },
    0,
  ],
  ["a value of 1024 characters", header("content-type", "~".repeat(1024)), 0],
  ["x-vault-request: true, which needs no grant", header("x-vault-request", "true"), 0],
];
for (const [what, asked, line] of ALLOWED)
  test(`decideRequest allows ${what}`, () => {
    assert.deepEqual(decide(asked), { allowed: true, line: GRANT.allow[line] });
  });

test("a granted root folder covers the paths under it, but not the root itself", () => {
  const all = { ...GRANT, allow: [{ method: "POST", path: "/" }] };
  assert.equal(decideRequest({ ...ASKED, path: "/a" }, all).allowed, true);
  assert.equal(decideRequest({ ...ASKED, path: "/" }, all).allowed, false);
});

const pieces = (...all: string[]) =>
  fc.array(fc.constantFrom(...all), { maxLength: 6 }).map((some) => some.join(""));
const paths = fc.oneof(
  fc
    .tuple(
      fc.constantFrom("/v1/keys/", "/v1/encrypt/kek", "/v1/", "/", ""),
      pieces(
        "/",
        "a",
        "..",
        ".",
        "%2e",
        "%2f",
        "\\",
        "?",
        "#",
        ";",
        ":",
        "@",
        "\t",
        "\r\n",
        "\0",
        "é",
        "kek",
        "//",
      ),
    )
    .map(([front, tail]) => front + tail),
  fc.string({ unit: "binary", maxLength: 30 }),
);
const methods = fc.constantFrom("GET", "POST", "PUT", "get", "HEAD", "DELETE", "GET\r\n", "CONNECT");

test("a URL parser sees the same origin and path in an allowed request, with a granted line", () => {
  let allowed = 0;
  fc.assert(
    fc.property(methods, paths, (method, path) => {
      const verdict = decideRequest({ method, path, headers: [], bytes: 0 }, GRANT);
      if (!verdict.allowed) return;
      allowed += 1;
      for (const url of [new URL(path, GRANT.origin), new URL(GRANT.origin + path)]) {
        assert.equal(url.href, `https://vault.example:8200${path}`);
        assert.equal(url.origin, GRANT.origin);
        assert.equal(url.pathname, path);
      }
      const under = GRANT.allow.some(
        (line) =>
          line.method === method &&
          (path === line.path || (line.path.endsWith("/") && path.startsWith(line.path))),
      );
      assert.ok(under);
    }),
    { numRuns: 30_000 },
  );
  assert.ok(allowed > 100, `only ${allowed} were allowed`);
});

test("a denial names the nearest granted line", (t) => {
  assertDenied(t, decide({ path: "/v1/encrypt/kek-2" }));
});

test("the reason of a denial quotes no text of the guest: it is recorded, and the guest knows secrets", () => {
  const secret = "a-DEK-seed";
  const pieces = fc.array(fc.constantFrom("/", "/v1/keys/", "..", "%2e", "?", secret, "é"), { maxLength: 6 });
  const texts = pieces.map((some) => `${some.join("")}${secret}`);
  fc.assert(
    fc.property(fc.oneof(methods, texts), fc.oneof(paths, texts), texts, (method, path, name) => {
      const verdict = decideRequest({ method, path, headers: [{ name, value: secret }], bytes: 0 }, GRANT);
      assert.ok(!verdict.allowed);
      assert.ok(!verdict.reason.includes(secret), verdict.reason);
    }),
  );
});

test("the reason of a denial is one short line of printable characters", () => {
  const text = fc.string({ unit: "binary", maxLength: 300 });
  const headers = fc.array(fc.record({ name: text, value: text }), { maxLength: 3 });
  fc.assert(
    fc.property(fc.oneof(text, methods), fc.oneof(text, paths), headers, (method, path, headers) => {
      const verdict = decideRequest({ method, path, headers, bytes: 0 }, GRANT);
      if (verdict.allowed) return;
      assert.match(verdict.reason, /^[\x20-\x7e…]{1,400}$/);
    }),
    { numRuns: 3000 },
  );
});

test("a denial names the nearest granted line of the method, and the length of the common prefix", (t) => {
  const allow = ["/v1/sys/seal", "/v1/transit/encrypt/kek", "/v2/"].map((path) => ({ method: "POST", path }));
  for (const path of ["/v1/transit/encrypt/kex", `/v1/sys/x${"x".repeat(14)}`])
    assertDenied(t, decideRequest({ ...ASKED, path }, { ...GRANT, allow }));
});

const FIXED: NetGrant = {
  ...GRANT,
  allow: [
    { method: "POST", path: "/", headers: { "x-amz-target": "TrentService.Encrypt" } },
    { method: "POST", path: "/", headers: { "x-amz-target": "TrentService.Decrypt" } },
    { method: "POST", path: "/keys/", query: "api-version=7.4" },
    { method: "POST", path: "/keys/kek", query: "a=1", headers: { "x-op": "wrap", "x-id": "1" } },
  ],
};
const target = (value: string, ...more: ParsedRequest["headers"]) => ({
  path: "/",
  headers: [{ name: "x-amz-target", value }, ...more],
});
const OF_FIXED: readonly (readonly [
  what: string,
  asked: Partial<ParsedRequest>,
  outcome: "allowed" | "denied",
])[] = [
  ["the header of a line", target("TrentService.Encrypt"), "allowed"],
  ["the header of another line", target("TrentService.Decrypt"), "allowed"],
  [
    "an additional granted header",
    target("TrentService.Encrypt", { name: "x-request-id", value: "1" }),
    "allowed",
  ],
  ["another value of it", target("TrentService.ScheduleKeyDeletion"), "denied"],
  ["the value in another case", target("trentservice.encrypt"), "denied"],
  ["the value with a trailing space", target("TrentService.Encrypt "), "denied"],
  ["no such header", { path: "/" }, "denied"],
  [
    "the header twice",
    target("TrentService.Encrypt", { name: "x-amz-target", value: "TrentService.Decrypt" }),
    "denied",
  ],
  [
    "a header that only another line fixes",
    target("TrentService.Encrypt", { name: "x-op", value: "wrap" }),
    "denied",
  ],
  ["the query of a line", { path: "/keys/a/wrapkey?api-version=7.4" }, "allowed"],
  ["another query", { path: "/keys/a/wrapkey?api-version=7.5" }, "denied"],
  ["more text after the query", { path: "/keys/a/wrapkey?api-version=7.4&x=1" }, "denied"],
  ["the query twice", { path: "/keys/a/wrapkey?api-version=7.4?api-version=7.4" }, "denied"],
  ["no query", { path: "/keys/a/wrapkey" }, "denied"],
  ["the query encoded", { path: "/keys/a/wrapkey?api%2dversion=7.4" }, "denied"],
  ["a fragment after the query", { path: "/keys/a/wrapkey?api-version=7.4#" }, "denied"],
  ["an encoded question mark in a segment", { path: "/keys/a%3fx/wrapkey?api-version=7.4" }, "denied"],
  [
    "query and headers of a line",
    {
      path: "/keys/kek?a=1",
      headers: [
        { name: "x-id", value: "1" },
        { name: "x-op", value: "wrap" },
      ],
    },
    "allowed",
  ],
];
for (const [what, asked, outcome] of OF_FIXED) {
  test(`a line with a fixed query or headers, and ${what}: ${outcome}`, (t) => {
    const verdict = decideRequest({ ...ASKED, ...asked }, FIXED);
    if (outcome === "denied") assertDenied(t, verdict);
    else assert.ok(verdict.allowed, JSON.stringify(verdict));
  });
}

test("a line is formatted as it was parsed, and a line with a reserved header is not parsed", () => {
  for (const line of [
    "POST /",
    "GET /v1/keys/",
    "POST /keys/kek/wrapkey?api-version=7.4",
    "POST / x-amz-target=TrentService.Encrypt",
    "POST /a?b=c&d x-a=1 x-b=y=z",
  ])
    assert.equal(lineText(parseLine(line) ?? assert.fail(line)), line);
  for (const line of [
    "",
    "POST",
    "POST  /",
    "post /",
    "POST /a ",
    "POST /a?",
    "POST /a?b c",
    "POST /a#b",
    "POST /a?b#c",
    "POST /a?%20",
    "POST /a x-a",
    "POST /a x-a=",
    "POST /a =b",
    "POST /a X-A=b",
    "POST /a x-a=b x-a=c",
    "POST /a authorization=Bearer",
    "POST /a x-vault-token=t",
    "POST /a host=evil.example",
    "POST /a transfer-encoding=chunked",
    "POST /a x-a=é",
    "POST /a x-a=b\r\nhost:evil",
    "POST /../a?b=c",
  ])
    assert.equal(parseLine(line), undefined, line);
});

for (const name of [
  "authorization",
  "connection",
  "content-length",
  "cookie",
  "expect",
  "host",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-http-method",
  "x-http-method-override",
  "x-method-override",
  "x-original-url",
  "x-rewrite-url",
  "x-vault-namespace",
  "x-vault-token",
])
  test(`a line cannot fix the reserved header ${name}`, () =>
    assert.equal(parseLine(`POST /a ${name}=1`), undefined));

test("16 headers are allowed, 17 are not", (t) => {
  const names = Array.from({ length: 17 }, (_, i) => `x-${i}`);
  const grant = { ...GRANT, headers: names };
  const headers = names.map((name) => ({ name, value: "1" }));
  assert.ok(decideRequest({ ...ASKED, headers: headers.slice(0, 16) }, grant).allowed);
  assertDenied(t, decideRequest({ ...ASKED, headers }, grant));
});
