/** One device in front of a real swtpm, with a proxy between them. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { assertError } from "../../../test/support/failures.ts";
import { Swtpm } from "../../../test/support/swtpm.ts";
import { assertLines } from "../../../test/support/thrown.ts";
import * as tpm from "../../../test/support/tpm-commands.ts";
import { TpmProxy } from "../../../test/support/tpm-proxy.ts";
import { untilWell } from "../../../test/support/until-well.ts";
import { CC } from "./commands.ts";
import { Device } from "./device.ts";
import { parseTpmDevice } from "./parse-device.ts";
import { TransportError } from "./transport-error.ts";

const LISTS = ["objects", "loaded sessions", "saved sessions"];
const plain = tpm.join(tpm.u16(0x8001), tpm.u32(10), tpm.u32(0));

interface Setting {
  readonly device: Device;
  readonly proxy: TpmProxy;
  readonly swtpm: Swtpm;
  readonly lost: string[];
}

async function setUp(t: TestContext, timeoutMs = 2000): Promise<Setting> {
  const swtpm = await Swtpm.start();
  const path = join(swtpm.folder, "proxy.sock");
  const proxy = await TpmProxy.start(path, swtpm.socket);
  const lost: string[] = [];
  const device = new Device({
    endpoint: parseTpmDevice(`swtpm:${path}`),
    timeoutMs,
    onLost: (why) => lost.push(why),
  });
  t.after(async () => {
    await device.close();
    await proxy.close();
    await swtpm.stop();
  });
  return { device, proxy, swtpm, lost };
}

async function works(device: Device): Promise<void> {
  const response = await device.exchange(tpm.getRandom(8));
  // Header, size, random bytes.
  assert.equal(response.length, 10 + 2 + 8);
}

/** The other side sees the end of a connection a moment later. */
async function untilConnections(proxy: TpmProxy, wanted: number): Promise<void> {
  await untilWell(async () => assert.equal(proxy.connections, wanted));
}

/** A list of these handles, instead of the TPM's own. */
const list = (capability: number, count: number, handles: readonly number[], more = 0) => {
  const body = tpm.join(tpm.u8(more), tpm.u32(capability), tpm.u32(count), ...handles.map(tpm.u32));
  return Buffer.from(tpm.join(tpm.u16(0x8001), tpm.u32(10 + body.length), tpm.u32(0), body));
};
const cut = (bytes: number) => (response: Buffer) => {
  const short = Buffer.from(response.subarray(0, response.length - bytes));
  short.writeUInt32BE(short.length, 2);
  return short;
};

const GARBLED: [what: string, change: (response: Buffer) => Buffer][] = [
  ["a larger count than its handles", () => list(1, 3, [0x80000000])],
  ["a count of 2^32 - 1", () => list(1, 0xffffffff, [])],
  ["65 handles", () => list(1, 65, Array(65).fill(0x80000000))],
  ["nothing after the header", cut(9)],
  ["half a count", cut(2)],
  ["another capability", () => list(6, 0, [])],
  ["bytes after its last handle", () => list(1, 0, [0x80000000])],
  ["a persistent handle", () => list(1, 1, [0x81000001])],
  ["the owner's hierarchy", () => list(1, 1, [0x40000001])],
];
for (const [what, change] of GARBLED)
  for (const [i, which] of LISTS.entries())
    test(`a list of ${which} at take-over with ${what} closes the connection, and other calls continue`, async (t) => {
      const { device, proxy } = await setUp(t);
      const tampering = proxy.next(CC.GetCapability, change, i + 1);
      await assertError(t, TransportError, () => works(device));
      assert.ok(tampering.done);
      await untilConnections(proxy, 0);
      assert.equal(device.isConnected, false);
      await works(device);
      await untilConnections(proxy, 1);
    });

test("a garbled list during eviction closes the connection, and no provider keeps a handle", async (t) => {
  const { device, proxy, lost } = await setUp(t);
  await works(device);
  proxy.next(CC.GetCapability, () => list(1, 3, []));
  await assert.rejects(
    device.sweep(() => true),
    TransportError,
  );
  assertLines(t, lost);
  await untilConnections(proxy, 0);
  await works(device);
});

test("a thousand garbled lists leave no connection open", async (t) => {
  const { device, proxy } = await setUp(t);
  proxy.tamper = (code, response) => (code === CC.GetCapability ? list(1, 3, []) : response);
  for (let i = 0; i < 1000; i++) await assert.rejects(works(device), TransportError);
  await untilConnections(proxy, 0);
  proxy.honest();
  await works(device);
});

for (const [what, code, nth] of [
  ["Startup", 0x144, 1],
  ...LISTS.map((which, i) => [`the list of ${which}`, CC.GetCapability, i + 1] as const),
  ["FlushContext", CC.FlushContext, 1],
] as const)
  test(`a TPM that never answers ${what} at take-over: the call ends, the connection is closed, the next one works`, async (t) => {
    const { device, proxy } = await setUp(t, 300);
    // An object that an earlier connection left, so that there is something to flush.
    await device.exchange(tpm.createPrimary());
    await proxy.cut();
    await untilWell(async () => assert.equal(device.isConnected, false));
    const held = proxy.next(code, () => Buffer.alloc(0), nth);
    await assertError(t, Error, () => works(device));
    assert.ok(held.done);
    await untilConnections(proxy, 0);
    await untilWell(() => works(device));
  });

test("a take-over of many slow steps times out, although each step is in time", async (t) => {
  const STEP_MS = 20;
  let flushed = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (command: Buffer) => {
      const code = command.readUInt32BE(6);
      if (code === CC.FlushContext) flushed += 1;
      const of = code === CC.GetCapability ? command.readUInt32BE(14) : 0;
      const answer = code === CC.GetCapability ? list(1, 64, Array(64).fill(of)) : Buffer.from(plain);
      setTimeout(() => socket.write(answer), STEP_MS);
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close());
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  const device = new Device({
    endpoint: parseTpmDevice(`swtpm:127.0.0.1:${port}`),
    timeoutMs: 100,
    onLost: () => {},
  });
  await assert.rejects(works(device), TransportError);
  assert.ok(flushed < LISTS.length * 64, `${flushed} were flushed`);
  await untilWell(async () => assert.equal(sockets.size, 0));
});
test("a TPM that accepts no connection: the attempt times out and is cancelled", async (t) => {
  const taken: AbortSignal[] = [];
  const device = new Device({
    endpoint: {
      name: "one that never opens",
      managed: false,
      open: (_onClosed, givenUp) => {
        taken.push(givenUp);
        return new Promise(() => {});
      },
    },
    timeoutMs: 50,
    onLost: () => {},
  });
  await assertError(t, Error, () => works(device));
  assert.deepEqual(
    taken.map(({ aborted }) => aborted),
    [true],
  );
});
