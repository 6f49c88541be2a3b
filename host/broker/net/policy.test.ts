import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { NetGrant } from "../policy.ts";
import { type Asked, decideRequest } from "./policy.ts";

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
const ASKED: Asked = { method: "POST", path: "/v1/encrypt/kek", headers: [], bytes: 10 };
const GET: Partial<Asked> = { method: "GET", bytes: 0 };

const decide = (asked: Partial<Asked>) => decideRequest({ ...ASKED, ...asked }, GRANT);
const header = (name: string, value = "1") => ({ headers: [{ name, value }] });

const long = (length: number) => `/v1/keys/${"a".repeat(length - 9)}`;
const DOT = "a path with a dot segment: ";
const CHARACTER = "a path with a character that is not allowed in it: ";
const NONE = "is none of 5 granted requests";
const NO_HEADER = "is none of 2 granted ones";

const DENIED: readonly (readonly [what: string, asked: Partial<Asked>, reason: string])[] = [
  ["an empty path", { path: "" }, 'a path that does not begin with a slash: ""'],
  [
    "a path without a slash in front",
    { path: "v1/encrypt/kek" },
    'a path that does not begin with a slash: "v1/encrypt/kek"',
  ],
  [
    "an absolute URL",
    { path: "https://evil.example/v1/encrypt/kek" },
    'a path that does not begin with a slash: "https://evil.example/v1/encrypt/kek"',
  ],
  [
    "userinfo",
    { path: "@evil.example/v1/encrypt/kek" },
    'a path that does not begin with a slash: "@evil.example/v1/encrypt/kek"',
  ],
  [
    "a port behind the origin's",
    { path: ":1@evil.example/" },
    'a path that does not begin with a slash: ":1@evil.example/"',
  ],
  ["an asterisk", { path: "*" }, 'a path that does not begin with a slash: "*"'],
  [
    "another host behind two slashes",
    { path: "//evil.example/v1/encrypt/kek" },
    'a path with two slashes in a row: "//evil.example/v1/encrypt/kek"',
  ],
  [
    "two slashes in the middle",
    { path: "/v1//encrypt/kek" },
    'a path with two slashes in a row: "/v1//encrypt/kek"',
  ],
  [
    "two slashes at the end",
    { ...GET, path: "/v1/keys/a//" },
    'a path with two slashes in a row: "/v1/keys/a//"',
  ],
  ["a single dot", { path: "/v1/./encrypt/kek" }, `${DOT}"/v1/./encrypt/kek"`],
  ["a step up", { ...GET, path: "/v1/keys/../encrypt/kek" }, `${DOT}"/v1/keys/../encrypt/kek"`],
  ["a step up at the end", { ...GET, path: "/v1/keys/a/.." }, `${DOT}"/v1/keys/a/.."`],
  ["a step up at the end with a slash", { ...GET, path: "/v1/keys/a/../" }, `${DOT}"/v1/keys/a/../"`],
  ["a step up with a parameter", { ...GET, path: "/v1/keys/..;x=1/sys" }, `${DOT}"/v1/keys/..;x=1/sys"`],
  ["a dot with a parameter", { ...GET, path: "/v1/keys/.;/sys" }, `${DOT}"/v1/keys/.;/sys"`],
  ["a step up that is encoded", { ...GET, path: "/v1/keys/%2e%2e/sys" }, `${CHARACTER}"/v1/keys/%2e%2e/sys"`],
  [
    "a step up that is half encoded",
    { ...GET, path: "/v1/keys/.%2E/sys" },
    `${CHARACTER}"/v1/keys/.%2E/sys"`,
  ],
  [
    "a step up that is encoded twice",
    { ...GET, path: "/v1/keys/%252e%252e/sys" },
    `${CHARACTER}"/v1/keys/%252e%252e/sys"`,
  ],
  ["a slash that is encoded", { ...GET, path: "/v1/keys/a%2fb" }, `${CHARACTER}"/v1/keys/a%2fb"`],
  ["a letter that is encoded", { path: "/v1/encrypt/%6bek" }, `${CHARACTER}"/v1/encrypt/%6bek"`],
  ["a backslash", { ...GET, path: "/v1/keys\\..\\sys" }, `${CHARACTER}"/v1/keys\\\\..\\\\sys"`],
  ["a backslash in front", { path: "/\\evil.example/" }, `${CHARACTER}"/\\\\evil.example/"`],
  ["a query", { path: "/v1/encrypt/kek?x=1" }, `${CHARACTER}"/v1/encrypt/kek?x=1"`],
  ["an empty query", { path: "/v1/encrypt/kek?" }, `${CHARACTER}"/v1/encrypt/kek?"`],
  ["a fragment", { path: "/v1/encrypt/kek#x" }, `${CHARACTER}"/v1/encrypt/kek#x"`],
  [
    "a second request in the path",
    { path: "/v1/encrypt/kek HTTP/1.1\r\nhost: evil\r\n\r\n" },
    `${CHARACTER}"/v1/encrypt/kek HTTP/1.1??host: evil????"`,
  ],
  ["a line feed at the end", { path: "/v1/encrypt/kek\n" }, `${CHARACTER}"/v1/encrypt/kek?"`],
  ["a carriage return in the middle", { path: "/v1/enc\rrypt/kek" }, `${CHARACTER}"/v1/enc?rypt/kek"`],
  ["a tab, which URL would drop", { path: "/v1/.\t./encrypt/kek" }, `${CHARACTER}"/v1/.?./encrypt/kek"`],
  ["a NUL", { path: "/v1/encrypt/kek\0" }, `${CHARACTER}"/v1/encrypt/kek?"`],
  ["a space at the end", { path: "/v1/encrypt/kek " }, `${CHARACTER}"/v1/encrypt/kek "`],
  ["a letter beyond ASCII", { path: "/v1/encrypt/kék" }, `${CHARACTER}"/v1/encrypt/k?k"`],
  ["a full-width full stop", { ...GET, path: "/v1/keys/．．/sys" }, `${CHARACTER}"/v1/keys/??/sys"`],
  ["half of a surrogate pair", { path: "/v1/encrypt/\ud800" }, `${CHARACTER}"/v1/encrypt/?"`],
  ["a letter whose low byte is a slash", { ...GET, path: "/v1/keys/..\u012f" }, `${CHARACTER}"/v1/keys/..?"`],
  [
    "a path of 1025 characters",
    { ...GET, path: long(1025) },
    "a path of 1025 characters, at most 1024 are allowed",
  ],
  [
    "the granted path with a slash at its end",
    { path: "/v1/encrypt/kek/" },
    `"POST" "/v1/encrypt/kek/" ${NONE}`,
  ],
  ["the granted folder itself", { ...GET, path: "/v1/keys/" }, `"GET" "/v1/keys/" ${NONE}`],
  ["the granted folder without its slash", { ...GET, path: "/v1/keys" }, `"GET" "/v1/keys" ${NONE}`],
  [
    "a path that begins like the granted one",
    { path: "/v1/encrypt/kek-2" },
    `"POST" "/v1/encrypt/kek-2" ${NONE}`,
  ],
  ["a path under the granted one", { path: "/v1/encrypt/kek/a" }, `"POST" "/v1/encrypt/kek/a" ${NONE}`],
  [
    "a folder that begins like the granted one",
    { ...GET, path: "/v1/keys-2/a" },
    `"GET" "/v1/keys-2/a" ${NONE}`,
  ],
  ["the granted path in another case", { path: "/V1/encrypt/kek" }, `"POST" "/V1/encrypt/kek" ${NONE}`],
  ["the root", { path: "/" }, `"POST" "/" ${NONE}`],
  ["another method at a granted path", { method: "PATCH" }, `"PATCH" "/v1/encrypt/kek" ${NONE}`],
  ["a method that is granted elsewhere", { ...GET }, `"GET" "/v1/encrypt/kek" ${NONE}`],
  ["a method in lower case", { method: "post" }, `"post" "/v1/encrypt/kek" ${NONE}`],
  ["a method with a space", { method: "POST " }, `"POST " "/v1/encrypt/kek" ${NONE}`],
  ["no method", { method: "" }, `"" "/v1/encrypt/kek" ${NONE}`],
  ["CONNECT", { method: "CONNECT" }, `"CONNECT" "/v1/encrypt/kek" ${NONE}`],
  [
    "a request line in the method",
    { method: "GET /sys HTTP/1.1\r\n" },
    `"GET /sys HTTP/1.1??" "/v1/encrypt/kek" ${NONE}`,
  ],
  ["a GET with a body", { ...GET, path: "/v1/keys/a", bytes: 1 }, "GET with a body of 1 bytes"],
  ["a HEAD with a body", { method: "HEAD" }, "HEAD with a body of 10 bytes"],
  ["a DELETE with a body", { method: "DELETE" }, "DELETE with a body of 10 bytes"],
  ["a header that is not granted", header("x-other"), `the header "x-other" ${NO_HEADER}`],
  ["a granted header in another case", header("Content-Type"), `the header "Content-Type" ${NO_HEADER}`],
  ["a granted header with a space", header("content-type "), `the header "content-type " ${NO_HEADER}`],
  ["a header without a name", header(""), `the header "" ${NO_HEADER}`],
  [
    "a second header in a name",
    header("content-type: a\r\nx-vault-token"),
    `the header "content-type: a??x-vault-token" ${NO_HEADER}`,
  ],
  ["the header __proto__", header("__proto__"), `the header "__proto__" ${NO_HEADER}`],
  ["the header host", header("host"), `the header "host" ${NO_HEADER}`],
  ["the header authorization", header("authorization"), `the header "authorization" ${NO_HEADER}`],
  [
    "a second header in a value",
    header("content-type", "a\r\nx-vault-token: b"),
    'the value of the header "content-type" is not 0 to 1024 printable ASCII characters',
  ],
  [
    "a line feed at the end of a value",
    header("content-type", "a\n"),
    'the value of the header "content-type" is not 0 to 1024 printable ASCII characters',
  ],
  [
    "a NUL in a value",
    header("content-type", "a\0"),
    'the value of the header "content-type" is not 0 to 1024 printable ASCII characters',
  ],
  [
    "a value beyond ASCII",
    header("content-type", "\u010d\u010a"),
    'the value of the header "content-type" is not 0 to 1024 printable ASCII characters',
  ],
  [
    "a value of 1025 characters",
    header("content-type", "a".repeat(1025)),
    'the value of the header "content-type" is not 0 to 1024 printable ASCII characters',
  ],
  [
    "a header that is there twice",
    {
      headers: [
        { name: "content-type", value: "a" },
        { name: "content-type", value: "b" },
      ],
    },
    'the header "content-type" is there twice',
  ],
  [
    "17 headers",
    { headers: Array.from({ length: 17 }, () => ({ name: "content-type", value: "a" })) },
    "17 headers, at most 16 are allowed",
  ],
];
for (const [what, asked, reason] of DENIED)
  test(`decideRequest denies ${what}`, () => {
    assert.deepEqual(decide(asked), { allowed: false, reason });
  });

const ALLOWED: readonly (readonly [what: string, asked: Partial<Asked>, line: number])[] = [
  ["a granted path", {}, 0],
  ["a path under a granted folder", { ...GET, path: "/v1/keys/a" }, 1],
  ["a path deep under a granted folder", { ...GET, path: "/v1/keys/a/b/c" }, 1],
  ["a folder under a granted folder", { ...GET, path: "/v1/keys/a/" }, 1],
  ["a path of 1024 characters", { ...GET, path: long(1024) }, 1],
  ["a name of three dots", { ...GET, path: "/v1/keys/..." }, 1],
  ["a name that begins with two dots", { ...GET, path: "/v1/keys/..a" }, 1],
  ["every character of a segment", { ...GET, path: "/v1/keys/Az09-._~!$&'()*+,;=:@" }, 1],
  ["another method at the same path", { method: "DELETE", bytes: 0 }, 3],
  ["a body that is too long: that is no question of authority", { bytes: 4096 }, 0],
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
];
for (const [what, asked, line] of ALLOWED)
  test(`decideRequest allows ${what}`, () => {
    assert.deepEqual(decide(asked), { allowed: true, line: GRANT.allow[line] });
  });

test("a folder as the root grants what is under it, and not the root itself", () => {
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

test("what is allowed is, to who reads URLs, at the same origin, at the same path and under a granted line", () => {
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

test("why a request is denied is one short line of printable characters", () => {
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
