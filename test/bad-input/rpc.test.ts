/** Requests that no API server sends, over the real socket: each gets its documented code and message, and the host keeps serving. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect as connectHttp2, constants } from "node:http2";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, type ClientOptions, credentials, type ServiceError } from "@grpc/grpc-js";
import { Grpc } from "../../host/error.ts";
import { KmsClient } from "../../host/grpc/client.ts";
import { Fixture, localConfig, localModule, sha256Of } from "../support/fixture.ts";

const fixture = new Fixture();
const plaintext = randomBytes(32);
let client: KmsClient;
let sealed: { ciphertext: Uint8Array; keyId: string; annotations: Record<string, Uint8Array> };
let otherSealed: typeof sealed;

before(async () => {
  const provider = (keys: string[]) => ({
    module: localModule,
    sha256: sha256Of(localModule),
    grants: { keystore: { keys } },
  });
  const keys = (active: string, decrypt: string) =>
    localConfig(
      [
        { name: active, provider: `p-${active}`, use: "active" },
        { name: decrypt, provider: `p-${decrypt}`, use: "decrypt" },
      ],
      { providers: { "p-one": provider(["one"]), "p-two": provider(["two"]) } },
    );
  // Each key is active once, so that each has a ciphertext.
  fixture.write(keys("two", "one")).keyInit("one").keyInit("two");
  const first = await fixture.serve();
  const earlier = new KmsClient(fixture.socket);
  otherSealed = await earlier.encrypt({ plaintext });
  earlier.close();
  await Fixture.stop(first);
  fixture.write(keys("one", "two"));
  await fixture.serve();
  client = new KmsClient(fixture.socket);
  sealed = await client.encrypt({ plaintext });
});
after(async () => {
  client.close();
  await fixture.close();
});

async function refused(work: Promise<unknown>): Promise<ServiceError> {
  try {
    await work;
  } catch (error) {
    return error as ServiceError;
  }
  return assert.fail("it should have been refused");
}

async function assertServes(): Promise<void> {
  const { ciphertext, keyId, annotations } = await client.encrypt({ plaintext });
  assert.deepEqual(
    Buffer.from((await client.decrypt({ ciphertext, keyId, annotations })).plaintext),
    plaintext,
  );
}

describe("refuses with its own code and message", () => {
  const flipped = () => {
    const ciphertext = new Uint8Array(sealed.ciphertext);
    ciphertext[20] = (ciphertext[20] ?? 0) ^ 1;
    return ciphertext;
  };
  const notMine = /reports that this ciphertext is not its own or was modified$/;
  const cases: [what: string, work: () => Promise<unknown>, code: number, sentence: RegExp][] = [
    [
      "an empty plaintext",
      () => client.encrypt({ plaintext: new Uint8Array() }),
      Grpc.INVALID_ARGUMENT,
      /^Cannot encrypt: the plaintext is empty$/,
    ],
    [
      "a plaintext of 513 bytes",
      () => client.encrypt({ plaintext: new Uint8Array(513) }),
      Grpc.RESOURCE_EXHAUSTED,
      /is 513 bytes, at most 512 are allowed$/,
    ],
    [
      "a message of 5 MiB",
      () => client.encrypt({ plaintext: new Uint8Array(5 << 20) }),
      Grpc.RESOURCE_EXHAUSTED,
      /larger than max/,
    ],
    [
      "an unknown key_id",
      () => client.decrypt({ ...sealed, keyId: "k1.unknown" }),
      Grpc.NOT_FOUND,
      /^Cannot decrypt: none of the 2 configured keys has this key_id$/,
    ],
    [
      "an empty key_id",
      () => client.decrypt({ ...sealed, keyId: "" }),
      Grpc.INVALID_ARGUMENT,
      /key_id is empty$/,
    ],
    [
      "a key_id of 1024 bytes",
      () => client.decrypt({ ...sealed, keyId: "k".repeat(1024) }),
      Grpc.INVALID_ARGUMENT,
      /key_id is 1024 bytes, at most 1023 are allowed$/,
    ],
    [
      "an empty ciphertext",
      () => client.decrypt({ ...sealed, ciphertext: new Uint8Array() }),
      Grpc.INVALID_ARGUMENT,
      /ciphertext is 0 bytes, 1 to 1023 are allowed$/,
    ],
    [
      "a ciphertext of 1024 bytes",
      () => client.decrypt({ ...sealed, ciphertext: new Uint8Array(1024) }),
      Grpc.INVALID_ARGUMENT,
      /ciphertext is 1024 bytes, 1 to 1023 are allowed$/,
    ],
    [
      "a truncated ciphertext",
      () => client.decrypt({ ...sealed, ciphertext: sealed.ciphertext.slice(0, -1) }),
      Grpc.INVALID_ARGUMENT,
      notMine,
    ],
    [
      "a flipped ciphertext",
      () => client.decrypt({ ...sealed, ciphertext: flipped() }),
      Grpc.INVALID_ARGUMENT,
      notMine,
    ],
    [
      "no annotations",
      () => client.decrypt({ ...sealed, annotations: {} }),
      Grpc.INVALID_ARGUMENT,
      /format\.kleidi\.dev must be "1" or "2", it is missing$/,
    ],
    [
      "a wrong annotation",
      () => client.decrypt({ ...sealed, annotations: { "format.kleidi.dev": Buffer.from("3") } }),
      Grpc.INVALID_ARGUMENT,
      /format\.kleidi\.dev must be "1" or "2", it has another value$/,
    ],
    [
      "the annotation of a composed key",
      () => client.decrypt({ ...sealed, annotations: { "format.kleidi.dev": Buffer.from("2") } }),
      Grpc.INVALID_ARGUMENT,
      /the ciphertext of a composed key is malformed/,
    ],
    [
      "an annotation that the provider did not write",
      () =>
        client.decrypt({
          ...sealed,
          annotations: { ...sealed.annotations, "a.example.com": Buffer.from("x") },
        }),
      Grpc.INVALID_ARGUMENT,
      notMine,
    ],
    [
      "another provider's ciphertext under this key_id",
      () => client.decrypt({ ...otherSealed, keyId: sealed.keyId }),
      Grpc.INVALID_ARGUMENT,
      notMine,
    ],
    [
      "this ciphertext under another provider's key_id",
      () => client.decrypt({ ...sealed, keyId: otherSealed.keyId }),
      Grpc.INVALID_ARGUMENT,
      notMine,
    ],
  ];
  for (const [what, work, code, sentence] of cases) {
    test(what, async () => {
      const error = await refused(work());
      assert.equal(error.code, code, error.details);
      assert.match(error.details, sentence);
      await assertServes();
    });
  }
});

describe("a misbehaving caller", () => {
  test("can disconnect in the middle of a call", async () => {
    const encrypts = () => fixture.readLog().split('"rpc":"encrypt"').length;
    const before = encrypts();
    for (let i = 0; i < 20; i++) {
      const leaving = new KmsClient(fixture.socket);
      const call = leaving.encrypt({ plaintext }).catch(() => {});
      leaving.close();
      await call;
      const session = connectHttp2("http://localhost", { createConnection: () => connect(fixture.socket) });
      session.on("error", () => {});
      await once(session, "connect");
      const stream = session.request({
        [constants.HTTP2_HEADER_METHOD]: "POST",
        [constants.HTTP2_HEADER_PATH]: "/v2.KeyManagementService/Encrypt",
        "content-type": "application/grpc",
        te: "trailers",
      });
      stream.on("error", () => {});
      stream.write(Buffer.concat([Buffer.from([0, 0, 0, 0, 34, 10, 32]), plaintext]));
      await sleep(2);
      session.destroy();
    }
    assert.ok(encrypts() > before, "calls reached the host before their caller went away");
    await assertServes();
  });

  test("can send data that is not HTTP/2", async () => {
    const socket = connect(fixture.socket);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => {});
    socket.resume();
    socket.end("GET / HTTP/1.1\r\n\r\n");
    await closed;
    await assertServes();
  });

  test("gets UNIMPLEMENTED for an unknown method", async () => {
    assert.equal((await refused(send("Nothing", Buffer.alloc(0)))).code, 12);
    await assertServes();
  });

  test("with the path of the socket as its :authority is reset, and the log has the reason and the remedy once", async () => {
    const options = { "grpc.default_authority": fixture.socket };
    const ask = async () => assert.equal((await refused(send("Status", Buffer.alloc(0), options))).code, 13);
    const lines = () => fixture.readLog().match(/^.*reset by HTTP\/2.*$/gm) ?? [];
    while (lines().length === 0) await ask();
    await ask();
    const [line = "", ...more] = lines();
    const { level, count, hint, msg } = JSON.parse(line);
    assert.deepEqual([level, count, more], [40, 1, []]);
    assert.match(msg, /its :authority is invalid \(the path of a socket, for example\)/);
    assert.match(hint, /set the authority to "localhost"/);
    await assertServes();
  });

  for (const rpc of ["Status", "Encrypt", "Decrypt"]) {
    test(`gets INVALID_ARGUMENT with the host's text for a ${rpc} request that is not protobuf, and it is logged`, async () => {
      const { code, details } = await refused(send(rpc, Buffer.from([0x0a, 0xff])));
      const sentence = `Cannot ${rpc}: the request is not a valid v2.${rpc}Request message`;
      assert.deepEqual([code, details], [Grpc.INVALID_ARGUMENT, sentence]);
      const lines = fixture
        .readLog()
        .split("\n")
        .filter((line) => line.includes(sentence));
      assert.equal(lines.length, 1);
      assert.match(lines[0] ?? "", new RegExp(`"rpc":"${rpc.toLowerCase()}".*"code":"request-invalid"`));
      await assertServes();
    });
  }
});

/** Sends a request of arbitrary bytes. */
async function send(rpc: string, bytes: Buffer, options: ClientOptions = {}): Promise<unknown> {
  const raw = new Client(`unix:${fixture.socket}`, credentials.createInsecure(), options);
  const same = (bytes: Buffer) => bytes;
  try {
    return await new Promise((resolve, reject) => {
      raw.makeUnaryRequest(`/v2.KeyManagementService/${rpc}`, same, same, bytes, (error, value) =>
        error === null ? resolve(value) : reject(error),
      );
    });
  } finally {
    raw.close();
  }
}

test("the log contains no plaintext, ciphertext or key_id", () => {
  const log = fixture.readLog();
  assert.match(log, /"rpc":"decrypt"/);
  for (const bytes of [plaintext, Buffer.from(sealed.ciphertext)]) {
    for (const encoding of ["hex", "base64", "base64url"] as const)
      assert.ok(!log.includes(bytes.toString(encoding)));
  }
  assert.ok(!log.includes(sealed.keyId));
});
