/**
 * End-to-end: a provider that makes requests without a grant. Its call is void, the server receives nothing, and the token stays in the
 * host.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { KmsClient } from "../../host/grpc/client.ts";
import {
  NetRequestSchema,
  type NetResponse,
  NetResponseSchema,
} from "../../proto/provider/v1/provider_pb.ts";
import { buildGuests } from "../guests/build.ts";
import { freePort } from "../support/admin.ts";
import { Fixture, sha256Of } from "../support/fixture.ts";
import { Front } from "../support/vault-front.ts";
import { vaultConfig } from "../support/vault-node.ts";

const TOKEN = "s.canary-token-that-no-guest-may-see";
const [INVALID, UNAVAILABLE] = [2, 5];
const PERMISSION_DENIED = 7;

let front: Front;
let fixture: Fixture;
let client: KmsClient;
let keyId: string;
let admin = "";

before(async () => {
  front = await Front.start("http://127.0.0.1:1");
  fixture = new Fixture();
  writeFileSync(join(fixture.folder, "token"), TOKEN, { mode: 0o600 });
  const module = (await buildGuests())["net-raw"];
  admin = `127.0.0.1:${await freePort()}`;
  const config = vaultConfig({
    origin: front.origin,
    net: {
      allow: ["GET /v1/here", "POST /v1/under/"],
      headers: ["content-type", "x-mine"],
      limits: { request: "1KiB", response: "1KiB" },
      credential: { file: { file: "token", header: "x-vault-token" } },
    },
    provider: { module, sha256: sha256Of(module) },
    interval: "60s",
    rest: { audit: { file: "audit.jsonl" }, admin: { listen: admin } },
  });
  fixture.write(JSON.stringify(config));
  client = new KmsClient(fixture.socket);
  await fixture.serve();
  ({ keyId } = await client.status());
});

beforeEach(() => {
  front.heard.length = 0;
  front.interfere = (request, response) => {
    request.resume();
    response
      .writeHead(200, { "content-type": "text/plain", "set-cookie": "a=b", "x-other": "no" })
      .end("hello");
    return true;
  };
});

after(async () => {
  client.close();
  await fixture.close();
  await front.stop();
});

interface Said {
  readonly code: number;
  readonly response: NetResponse;
}

/** The answer that the guest got; rejects where its call was void. */
async function send(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body = new Uint8Array(),
): Promise<Said> {
  const named = Object.entries(headers).map(([name, value]) => ({ name, value }));
  return await raw(
    toBinary(NetRequestSchema, create(NetRequestSchema, { method, path, headers: named, body })),
  );
}

async function raw(request: Uint8Array): Promise<Said> {
  const annotations = { "format.kleidi.dev": Uint8Array.of(49) };
  const { plaintext } = await client.decrypt({
    ciphertext: Uint8Array.of(1, ...request),
    keyId,
    annotations,
  });
  const [code = -1, ...rest] = plaintext;
  return { code, response: fromBinary(NetResponseSchema, Uint8Array.from(rest)) };
}

async function isVoid(work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error: { code?: number }) => error.code === PERMISSION_DENIED);
  assert.deepEqual(front.heard, []);
}

describe("a granted request", () => {
  test("reaches the server with the credential; the guest gets the response without cookies and unlisted headers", async () => {
    const { code, response } = await send("POST", "/v1/under/a/b", { "x-mine": "1" }, Buffer.from("{}"));
    assert.equal(code, 0);
    assert.equal(response.status, 200);
    assert.equal(Buffer.from(response.body).toString(), "hello");
    const names = response.headers.map(({ name }) => name).sort();
    assert.deepEqual(names, ["content-type", "date"]);
    assert.equal(front.heard.length, 1);
    assert.equal(front.heard[0]?.path, "/v1/under/a/b");
    assert.equal(front.heard[0]?.headers["x-vault-token"], TOKEN);
    assert.equal(front.heard[0]?.headers["x-mine"], "1");
  });
});

describe("a request without a grant voids the call, and nothing is sent", () => {
  for (const [method, path] of [
    ["DELETE", "/v1/here"],
    ["get", "/v1/here"],
    ["GET /v1/here HTTP/1.1\r\nx: y", "/v1/here"],
    ["GET", "/v1/here/"],
    ["GET", "/v1/here2"],
    ["GET", "/v1/under/"],
    ["POST", "/v1/under"],
    ["POST", "/v1/underground"],
    ["POST", "/v1/under/../here"],
    ["POST", "/v1/under/./a"],
    ["POST", "/v1/under/%2e%2e/sys/seal"],
    ["POST", "/v1/under/%2E./sys/seal"],
    ["POST", "/v1/under//a"],
    ["POST", "//v1/under/a"],
    ["POST", "/v1/under/a\\..\\b"],
    ["POST", "/v1/under/a\r\nHost: other"],
    ["POST", "/v1/under/a HTTP/1.1\r\n\r\nGET /v1/sys/seal"],
    ["POST", "/v1/under/a?x=1"],
    ["POST", "/v1/under/a#x"],
    ["POST", "/v1/under/ä"],
    ["POST", "/v1/under/a\0b"],
    ["POST", "http://127.0.0.1:1/v1/under/a"],
    ["POST", "//127.0.0.1:1/v1/under/a"],
    ["POST", "@127.0.0.1:1/v1/under/a"],
    ["POST", "v1/under/a"],
    ["POST", ""],
  ] as const) {
    test(`${JSON.stringify(method)} ${JSON.stringify(path.slice(0, 50))}`, () => isVoid(send(method, path)));
  }

  for (const [name, value] of [
    ["x-vault-token", "root"],
    ["X-Vault-Token", "root"],
    ["authorization", "Bearer x"],
    ["cookie", "a=b"],
    ["host", "other"],
    ["content-length", "5"],
    ["transfer-encoding", "chunked"],
    ["connection", "upgrade"],
    ["x-other", "1"],
    ["x-mine\r\nx-vault-token", "root"],
    ["x-mine", "1\r\nx-vault-token: root"],
    ["x-mine", "1\nx-vault-token: root"],
    ["", "1"],
  ] as const) {
    test(`the header ${JSON.stringify(name)}: ${JSON.stringify(value)}`, () =>
      isVoid(send("POST", "/v1/under/a", { [name]: value })));
  }

  test("the same header twice", async () => {
    const headers = [
      { name: "x-mine", value: "1" },
      { name: "x-mine", value: "2" },
    ];
    const request = create(NetRequestSchema, { method: "POST", path: "/v1/under/a", headers });
    await isVoid(raw(toBinary(NetRequestSchema, request)));
  });

  test("the denials are in the log, without the guest's control characters", () => {
    const lines = fixture
      .readLog()
      .split("\n")
      .filter((line) => line.includes("denied: "));
    assert.ok(lines.length > 30);
    for (const line of lines) {
      const { msg } = JSON.parse(line) as { msg: string };
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
      assert.doesNotMatch(msg, /[\x00-\x1f\x7f]/);
      assert.ok(msg.length < 400, msg);
    }
  });
});

describe("limits", () => {
  test("a malformed message is refused, and nothing is sent", async () => {
    const { code } = await raw(Uint8Array.of(0x0a, 0xff));
    assert.equal(code, INVALID);
    assert.deepEqual(front.heard, []);
  });

  test("a response over the grant's limit is cut off", async () => {
    front.interfere = (_, response) => {
      response.end(Buffer.alloc(1025, 0x61));
      return true;
    };
    assert.equal((await send("GET", "/v1/here")).code, UNAVAILABLE);
  });
});

describe("the token", () => {
  const echoes = {
    "in the body": (token: string) => ({ body: `{"id":"${token}"}`, headers: {} }),
    "in the body, among other bytes": (token: string) => ({
      body: `${"\0".repeat(100)}${token}${"\xff".repeat(100)}`,
      headers: {},
    }),
    "in a header": (token: string) => ({ body: "", headers: { "content-type": `text/${token}` } }),
    "in a header that is not forwarded": (token: string) => ({ body: "x", headers: { "x-other": token } }),
  };
  for (const [where, echo] of Object.entries(echoes)) {
    test(`sent back ${where} does not reach the guest`, async () => {
      front.interfere = (request, response) => {
        const { body, headers } = echo(String(request.headers["x-vault-token"]));
        response.writeHead(200, headers).end(body);
        return true;
      };
      const { code, response } = await send("GET", "/v1/here");
      const said = Buffer.from(toBinary(NetResponseSchema, response)).toString("latin1");
      assert.ok(!said.includes(TOKEN));
      if (!where.includes("not forwarded")) assert.equal(code, UNAVAILABLE);
    });
  }

  test("is in no line of the log", () => {
    assert.ok(!fixture.readLog().includes(TOKEN));
  });

  test("is in no record of the audit log, which records the origin and granted path of each request", () => {
    const text = readFileSync(join(fixture.folder, "audit.jsonl"), "utf8");
    assert.ok(!text.includes(TOKEN));
    assert.ok(text.includes(`"target":"GET ${front.origin}/v1/here","decision":"allowed"`));
    // The part that the guest chose, under a granted folder, is a hash.
    assert.match(
      text,
      /"target":"POST http:[^"]*\/v1\/under\/\* \(path sha256 [0-9a-f]{16}\)","decision":"allowed"/,
    );
    assert.match(
      text,
      /"operation":"request","decision":"denied","rule":"[^"]*is none of 2 granted requests/,
    );
  });

  test("is in no response of the admin listener", async () => {
    for (const path of ["/", "/state", "/metrics", "/readyz"])
      assert.ok(!(await (await fetch(`http://${admin}${path}`)).text()).includes(TOKEN));
  });
});
