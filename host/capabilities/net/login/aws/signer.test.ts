/** Signatures that AWS publishes: its test suite for Signature Version 4, and the example of the IAM User Guide. test/aws/signature.test.ts has more. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { Secret } from "../../../../lib/secret.ts";
import { Signer } from "./signer.ts";

const KEYS = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: Secret.of("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
};
const DATE = Date.UTC(2015, 7, 30, 12, 36);
const HOST = "example.amazonaws.com";

interface Case {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
}

const signed = ({ method = "GET", path = "/", headers = {} }: Case, host = HOST, service = "service") =>
  new Signer(KEYS, { region: "us-east-1", service }).sign(
    { method, path, headers, body: new Uint8Array() },
    host,
    DATE,
  ).headers;

const signature = (...request: Parameters<typeof signed>) =>
  /Signature=(\w+)$/.exec(signed(...request).authorization ?? "")?.[1];

const PUBLISHED: readonly (readonly [name: string, request: Case, signature: string])[] = [
  ["get-vanilla", {}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"],
  [
    "get-vanilla-query-order-key-case",
    { path: "/?Param2=value2&Param1=value1" },
    "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
  ],
  [
    "get-vanilla-empty-query-key",
    { path: "/?Param1=value1" },
    "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
  ],
  ["post-vanilla", { method: "POST" }, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"],
];

describe("AWS's test suite", () => {
  for (const [name, request, expected] of PUBLISHED)
    test(name, () => assert.equal(signature(request), expected));
});

test("the example of the IAM User Guide", () => {
  const headers = { "content-type": "application/x-www-form-urlencoded; charset=utf-8" };
  const path = "/?Action=ListUsers&Version=2010-05-08";
  assert.equal(
    signed({ path, headers }, "iam.amazonaws.com", "iam").authorization,
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
  );
});

test("the key of a day is not used on the next day", () => {
  const signer = new Signer(KEYS, { region: "us-east-1", service: "service" });
  const request = { method: "GET", path: "/", headers: {}, body: new Uint8Array() };
  const first = signer.sign(request, HOST, DATE).headers.authorization;
  const next = signer.sign(request, HOST, DATE + 86_400_000).headers.authorization;
  assert.match(String(next), /20150831\/us-east-1/);
  assert.notEqual(next?.slice(-64), first?.slice(-64));
  assert.equal(signer.sign(request, HOST, DATE).headers.authorization, first);
});

test("the headers of the credential replace those of the request", () => {
  const request = {
    method: "GET",
    path: "/",
    headers: { authorization: "x", "x-amz-date": "x", "x-amz-security-token": "x" },
    body: new Uint8Array(),
  };
  const { headers } = new Signer(KEYS, { region: "us-east-1", service: "service" }).sign(request, HOST, DATE);
  assert.deepEqual(Object.keys(headers).sort(), ["authorization", "x-amz-date"]);
  assert.equal(headers.authorization?.slice(-64), PUBLISHED[0]?.[2]);
});

test("a signer prints no key", () => {
  assert.equal(inspect(new Signer(KEYS, { region: "a", service: "b" }), { showHidden: true }), "[signer]");
});
