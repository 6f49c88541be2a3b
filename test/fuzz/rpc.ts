/**
 * Requests that no API server sends, from a plain HTTP/2 client over a real Unix socket, to the server of host/grpc with the protocol's
 * rules behind it and a provider in this process.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  constants,
  type OutgoingHttpHeaders,
} from "node:http2";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { ERRORS } from "../../host/error.ts";
import { KmsClient } from "../../host/grpc/client.ts";
import { observeReplies, type RpcContext, type RpcReply } from "../../host/grpc/interceptor.ts";
import { KmsServer } from "../../host/grpc/server.ts";
import { Keyset } from "../../host/kms/keyset.ts";
import { Prober } from "../../host/kms/prober.ts";
import type { Provider } from "../../host/kms/provider.ts";
import { KmsService } from "../../host/kms/service.ts";
import {
  DecryptRequestSchema,
  EncryptRequestSchema,
  StatusRequestSchema,
} from "../../proto/kms/v2/kms_pb.ts";
import { mutated } from "./bytes.ts";
import type { Target } from "./target.ts";

const ANSWER_MS = 5_000;
/** The errors of grpc-js: a caller that left, an unknown method or encoding, a size, a broken frame. */
const OF_THE_LIBRARY = [1, 4, 8, 12, 13];
const OF_THE_TABLE = Object.values(ERRORS).flatMap((row) => ("grpc" in row ? [row.grpc as number] : []));
const CODES = new Set([0, ...OF_THE_TABLE, ...OF_THE_LIBRARY]);

/** Inverts bytes; refuses ciphertexts that it did not make. */
const provider: Provider = {
  name: "p",
  status: async () => ({ version: "1", olderVersions: [] }),
  encrypt: async ({ plaintext }) => ({
    ciphertext: Uint8Array.from(plaintext, (byte) => byte ^ 0x55),
    annotations: [],
  }),
  decrypt: async ({ ciphertext }) => Uint8Array.from(ciphertext, (byte) => byte ^ 0x55),
};

const text = fc.string({ unit: "binary", maxLength: 70 });
const message = (keyId: string, format: Record<string, Uint8Array>) =>
  fc.oneof(
    fc.record({ plaintext: fc.uint8Array({ maxLength: 40 }), uid: text }).map((fields) => ({
      rpc: "Encrypt",
      bytes: toBinary(EncryptRequestSchema, create(EncryptRequestSchema, fields)) as Uint8Array,
    })),
    fc
      .record({
        ciphertext: fc.uint8Array({ maxLength: 40 }),
        uid: text,
        keyId: fc.oneof({ weight: 1, arbitrary: fc.constant(keyId) }, { weight: 1, arbitrary: text }),
        annotations: fc
          .dictionary(
            fc.oneof(fc.constantFrom("__proto__", "a.example.com"), text),
            fc.uint8Array({ maxLength: 5 }),
            {
              maxKeys: 2,
            },
          )
          .chain((more) => fc.boolean().map((with_) => (with_ ? { ...format } : { ...more, ...format }))),
      })
      .map((fields) => ({
        rpc: "Decrypt",
        bytes: toBinary(DecryptRequestSchema, create(DecryptRequestSchema, fields)) as Uint8Array,
      })),
    fc.constant({
      rpc: "Status",
      bytes: toBinary(StatusRequestSchema, create(StatusRequestSchema)) as Uint8Array,
    }),
  );

/** A message after its gRPC prefix: a flag and a length, either of which may be wrong. */
interface Part {
  readonly flag: number;
  readonly off: number;
  readonly bytes: Uint8Array;
}

interface Request {
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly parts: readonly Part[];
  readonly trailing: Uint8Array;
}

function body({ parts, trailing }: Request): Buffer {
  const framed = parts.flatMap(({ flag, off, bytes }) => {
    const prefix = Buffer.alloc(5);
    prefix.writeUInt8(flag, 0);
    prefix.writeUInt32BE(Math.min(0xffff_ffff, Math.max(0, bytes.length + off)), 1);
    return [prefix, bytes];
  });
  return Buffer.concat([...framed, trailing]);
}

function requests(keyId: string, format: Record<string, Uint8Array>): fc.Arbitrary<Request> {
  const valid = message(keyId, format);
  const whole = (bytes: Uint8Array): Part => ({ flag: 0, off: 0, bytes });
  const part = fc.record({
    flag: fc.constantFrom(0, 0, 0, 1, 2, 255),
    off: fc.constantFrom(0, 0, 0, 1, -1, 70_000, 0x7fff_ffff),
    bytes: fc.uint8Array({ maxLength: 60 }),
  });
  const headers = fc.oneof(
    { weight: 6, arbitrary: fc.constant<OutgoingHttpHeaders>({}) },
    {
      weight: 3,
      arbitrary: fc.constantFrom<OutgoingHttpHeaders>(
        { "content-type": "application/json" },
        { "content-type": "" },
        { "content-type": "application/grpc+json" },
        { ":method": "GET" },
        { "grpc-timeout": "99999999999H" },
        { "grpc-timeout": "1n" },
        { "grpc-timeout": "x" },
        { "grpc-encoding": "gzip" },
        { "grpc-encoding": "nothing" },
        { "grpc-accept-encoding": "\u00ff" },
        { "a-bin": "!!!" },
        { "x-long": "x".repeat(6000) },
        { "x-long": "x".repeat(60_000) },
        Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`x-${i}`, "y"])),
      ),
    },
  );
  const path = fc.oneof(
    { weight: 4, arbitrary: fc.constant("") },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        "/",
        "/v2.KeyManagementService/Nothing",
        "/__proto__",
        "/v2.KeyManagementService/__proto__",
        "//",
      ),
    },
  );
  const call = (source: fc.Arbitrary<{ rpc: string; bytes: Uint8Array }>) =>
    fc.record({ source, path, headers }).map(({ source: { rpc, bytes }, path, headers }) => ({
      path: path === "" ? `/v2.KeyManagementService/${rpc}` : path,
      headers,
      parts: [whole(bytes)],
      trailing: new Uint8Array(),
    }));
  const changed = valid.chain(({ rpc, bytes }) =>
    mutated(fc.constant(bytes), 4).map((bytes) => ({ rpc, bytes })),
  );
  const nested = fc
    .integer({ min: 1, max: 60_000 })
    .map((depth) => ({ rpc: "Encrypt", bytes: new Uint8Array(depth).fill(0x0b) }));
  return fc.oneof(
    { weight: 2, arbitrary: call(valid) },
    { weight: 6, arbitrary: call(changed) },
    { weight: 1, arbitrary: call(nested) },
    {
      weight: 3,
      arbitrary: fc.record({
        path: fc.constantFrom("Status", "Encrypt", "Decrypt").map((rpc) => `/v2.KeyManagementService/${rpc}`),
        headers,
        parts: fc.array(part, { maxLength: 3 }),
        trailing: fc.uint8Array({ maxLength: 8 }),
      }),
    },
  );
}

interface Answer {
  readonly http?: number | undefined;
  readonly code?: number | undefined;
  readonly sentence?: string | undefined;
  readonly reset?: string;
}

function send(session: ClientHttp2Session, request: Request): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const answer: { http?: number; code?: number; sentence?: string } = {};
    const read = (headers: Record<string, unknown>) => {
      if (headers[":status"] !== undefined) answer.http = Number(headers[":status"]);
      if (headers["grpc-status"] !== undefined) answer.code = Number(headers["grpc-status"]);
      if (headers["grpc-message"] !== undefined) answer.sentence = decodeURI(String(headers["grpc-message"]));
    };
    const get = request.headers[":method"] === "GET";
    const stream = session.request(
      {
        [constants.HTTP2_HEADER_METHOD]: "POST",
        [constants.HTTP2_HEADER_PATH]: request.path,
        "content-type": "application/grpc",
        te: "trailers",
        ...request.headers,
      },
      { endStream: get },
    );
    const timer = setTimeout(() => {
      stream.close(constants.NGHTTP2_CANCEL);
      reject(new Error(`no answer within ${ANSWER_MS} ms`));
    }, ANSWER_MS);
    stream.on("response", read);
    stream.on("trailers", read);
    stream.on("error", (error) => {
      clearTimeout(timer);
      resolve({ ...answer, reset: error.message });
    });
    stream.on("close", () => {
      clearTimeout(timer);
      resolve(answer);
    });
    stream.resume();
    if (!get) stream.end(body(request));
  });
}

export const rpc: Target = {
  name: "rpc",
  async open(seen) {
    const folder = mkdtempSync(join(tmpdir(), "kleidi-fuzz-"));
    const socket = join(folder, "kms.sock");
    const keyset = new Keyset([{ name: "k", provider, use: "active" }]);
    const prober = new Prober(keyset, { intervalMs: 60_000, onChange: () => {} });
    const service = new KmsService(keyset, prober);
    const told: (RpcContext & RpcReply)[] = [];
    const server = new KmsServer({
      service,
      interceptors: [observeReplies((call, reply) => told.push({ ...call, ...reply }))],
    });
    await server.listen({ socket, mode: 0o600 });
    await prober.start();
    const client = new KmsClient(socket);
    const sealed = await client.encrypt({ plaintext: Uint8Array.of(1, 2, 3) });
    const unhandled: unknown[] = [];
    const keep = (error: unknown) => unhandled.push(error);
    process.on("unhandledRejection", keep);
    process.on("uncaughtException", keep);
    let session: ClientHttp2Session | undefined;
    const connected = () => {
      if (session === undefined || session.closed || session.destroyed) {
        session = connectHttp2("http://localhost", { createConnection: () => connect(socket) });
        session.on("error", () => {});
      }
      return session;
    };
    return {
      properties: [
        {
          name: "each request gets one of the host's codes, and a valid request after it succeeds",
          cases: 400,
          reaches: ["code 0", "code 3", "code 5", "code 12", "http 415", "the host's own message"],
          timed: true,
          property: fc.asyncProperty(requests(sealed.keyId, sealed.annotations), async (request) => {
            told.length = 0;
            const { http, code, sentence, reset } = await send(connected(), request);
            if (code !== undefined) {
              assert.ok(CODES.has(code), `code ${code}: ${sentence}`);
              seen(`code ${code}`);
            } else if (http !== undefined && http !== 200) seen(`http ${http}`);
            else {
              assert.ok(reset !== undefined, "neither a code nor an HTTP error nor a reset");
              seen("reset");
            }
            const failure = told.find(({ failure }) => failure !== undefined)?.failure;
            if (failure !== undefined && code !== undefined && code !== 1) {
              assert.notEqual(failure.code, "host-fault", String(failure.cause));
              assert.equal(sentence, failure.message);
              seen("the host's own message");
            }
            for (const { uid } of told) assert.match(uid, /^[!-~]{0,64}$/);
            assert.equal((await client.status()).keyId, sealed.keyId);
            assert.deepEqual(unhandled.splice(0), []);
          }),
        },
      ],
      async close() {
        process.off("unhandledRejection", keep);
        process.off("uncaughtException", keep);
        session?.destroy();
        client.close();
        prober.stop();
        await server.stop(100);
        rmSync(folder, { recursive: true });
      },
    };
  },
};
