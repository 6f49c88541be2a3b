/** The signer of AWS's SDK for Go is the oracle of ours: the same request, keys and time give the same header, byte by byte. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Signer } from "../../host/capabilities/net/login/aws/signer.ts";
import { Secret } from "../../host/lib/secret.ts";
import { AwsDrive } from "../support/awsdrive.ts";

interface Case {
  readonly method?: string;
  readonly origin?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly token?: string;
  readonly region?: string;
  readonly service?: string;
  readonly date?: number;
}

const ORIGIN = "https://kms.eu-central-1.amazonaws.com";
const ENCRYPT = { "content-type": "application/x-amz-json-1.1", "x-amz-target": "TrentService.Encrypt" };
const POST = { method: "POST", headers: ENCRYPT };

const CASES: Readonly<Record<string, Case>> = {
  "no body": {},
  "a request to KMS": { ...POST, body: '{"KeyId":"alias/kek","Plaintext":"c2VlZA=="}' },
  "a body of 48 KiB": { ...POST, body: "x".repeat(48 * 1024) },
  "a body that is not ASCII": { ...POST, body: '{"a":"κλειδί 🔑 \u0000"}' },
  "a session token": { ...POST, body: "{}", token: "IQoJb3JpZ2luX2VjE+/=".repeat(40) },
  "a path": { path: "/v1/keys/kek" },
  "a path with a slash at its end": { path: "/v1/keys/" },
  "each sign of a path": { path: "/A-z0.9_~!$&'()*+,;=:@/b" },
  "an encoded path": { path: "/a%20b/%C3%A9%2Fc" },
  "a query": { path: "/?b=2&a=1" },
  "a query with equal names": { path: "/?a=2&a=10&a=1&A=3" },
  "names of a query with a common beginning": { path: "/?ab=1&a=2&a-b=3&a%2Bb=4" },
  "a query without values": { path: "/?Action&Version=" },
  "each sign of a query": { path: "/?a=-._~!$'()*,:@/&b=c=d" },
  "a plus sign and escapes in a query": { path: "/?a=b+c&d=%2B%20%C3%A9%2f&e=~%7E" },
  "an empty query": { path: "/?" },
  "headers with spaces": { headers: { "x-amz-meta": "  a   b  c ", "x-empty": "", "x-one": " a" } },
  "headers that nobody signs": {
    headers: { "user-agent": "kleidi", expect: "100-continue", "x-amzn-trace-id": "Root=1" },
  },
  "many headers": { headers: Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`x-h-${i}`, `${i}`])) },
  "another port": { origin: "https://127.0.0.1:8443" },
  "a VPC endpoint": { origin: "https://vpce-0123-abcd.kms.eu-central-1.vpce.amazonaws.com" },
  China: { origin: "https://kms.cn-north-1.amazonaws.com.cn", region: "cn-north-1" },
  "GovCloud with FIPS": { origin: "https://kms-fips.us-gov-west-1.amazonaws.com", region: "us-gov-west-1" },
  STS: {
    method: "POST",
    service: "sts",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: "Action=x",
  },
  "the last second of a year": { date: Date.UTC(2026, 11, 31, 23, 59, 59, 999) },
  "a day with a leading zero": { date: Date.UTC(2027, 0, 2, 3, 4, 5) },
  PUT: { method: "PUT", path: "/latest/api/token", body: "a" },
  DELETE: { method: "DELETE", path: "/a" },
};

const ID = "AKIDEXAMPLE";
const SECRETS = ["wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "short", "s".repeat(200)];

let sdk: AwsDrive;
before(() => {
  sdk = new AwsDrive();
});
after(() => sdk.close());

describe("the SDK signs in the same way", () => {
  for (const [name, given] of Object.entries(CASES)) {
    test(name, async () => {
      const { method = "GET", origin = ORIGIN, path = "/", headers = {}, body = "", token = "" } = given;
      const {
        region = "eu-central-1",
        service = "kms",
        date = Date.UTC(2026, 0, 31, 10, 11, 12, 345),
      } = given;
      for (const secret of SECRETS) {
        const keys = {
          accessKeyId: ID,
          secretAccessKey: Secret.of(secret),
          sessionToken: token === "" ? undefined : Secret.of(token),
        };
        const request = { method, path, headers, body: Buffer.from(body) };
        const own = new Signer(keys, { region, service }).sign(request, new URL(origin).host, date).headers;
        const theirs = await sdk.ask({
          ...{ op: "sign", method, url: origin + path, headers, body: Buffer.from(body).toString("base64") },
          ...{ id: ID, secret, token, region, service, date },
        });
        assert.deepEqual(
          {
            Authorization: own.authorization,
            "X-Amz-Date": own["x-amz-date"],
            ...(token === "" ? {} : { "X-Amz-Security-Token": own["x-amz-security-token"] }),
          },
          theirs.headers,
        );
      }
    });
  }
});
