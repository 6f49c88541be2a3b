import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { deriveKeyId } from "../kms/key-id.ts";
import { KmsClient } from "./client.ts";
import { serve } from "./server.ts";

test("a call that does not end is answered DEADLINE_EXCEEDED with our sentence, and the server goes on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-server-"));
  const socket = join(folder, "kms.sock");
  const keyId = await deriveKeyId("k", "1");
  const never = new Promise<never>(() => {});
  const service = { status: () => keyId, encrypt: () => never, decrypt: () => never };
  const server = await serve({ listen: { socket, mode: 0o600 }, service, onRpc: () => {} });
  const client = new KmsClient(socket);
  try {
    await assert.rejects(client.encrypt({ plaintext: new Uint8Array(32) }, 10_000), {
      code: 4,
      details: "Cannot Encrypt: it took longer than 2400 ms",
    });
    // A caller whose own deadline is shorter hears it from its own side.
    await assert.rejects(client.encrypt({ plaintext: new Uint8Array(32) }, 50), { code: 4 });
    assert.equal((await client.status()).keyId, keyId);
  } finally {
    client.close();
    await server.stop(100);
    rmSync(folder, { recursive: true });
  }
});

test("metadata that is none leaves nothing on stderr", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-server-"));
  const socket = join(folder, "kms.sock");
  const keyId = await deriveKeyId("k", "1");
  const never = new Promise<never>(() => {});
  const service = { status: () => keyId, encrypt: () => never, decrypt: () => never };
  const server = await serve({ listen: { socket, mode: 0o600 }, service, onRpc: () => {} });
  const written = t.mock.method(console, "error", () => {});
  const session = connectHttp2("http://localhost", { createConnection: () => connect(socket) });
  try {
    const stream = session.request({
      ":method": "POST",
      ":path": "/v2.KeyManagementService/Status",
      "content-type": "application/grpc",
      te: "trailers",
      "x-caller": "\u00ff",
    });
    stream.resume().end(Buffer.alloc(5));
    await once(stream, "close");
    assert.deepEqual(
      written.mock.calls.map((call) => call.arguments),
      [],
    );
  } finally {
    session.destroy();
    await server.stop(100);
    rmSync(folder, { recursive: true });
  }
});

test("each RPC, its work and its outcome run inside of what is set around it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-server-"));
  const socket = join(folder, "kms.sock");
  const keyId = await deriveKeyId("k", "1");
  const rpc = new AsyncLocalStorage<number>();
  const seen: (number | undefined)[][] = [];
  let begun = 0;
  const echo = async (bytes: Uint8Array) => {
    seen.push([rpc.getStore()]);
    await new Promise((resolve) => setImmediate(resolve));
    return { ciphertext: bytes, keyId, annotations: {} };
  };
  const service = { status: () => keyId, encrypt: echo, decrypt: () => Promise.reject(new Error("unused")) };
  const server = await serve({
    listen: { socket, mode: 0o600 },
    service,
    onRpc: () => seen[(rpc.getStore() ?? 0) - 1]?.push(rpc.getStore()),
    around: (work) => rpc.run(++begun, work),
  });
  const client = new KmsClient(socket);
  try {
    const plaintext = new Uint8Array(32);
    await Promise.all([client.encrypt({ plaintext }), client.encrypt({ plaintext })]);
    assert.deepEqual(seen, [
      [1, 1],
      [2, 2],
    ]);
  } finally {
    client.close();
    await server.stop(100);
    rmSync(folder, { recursive: true });
  }
});
