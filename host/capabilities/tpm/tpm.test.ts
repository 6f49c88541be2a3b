import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertRefused } from "../../../test/support/failures.ts";
import { Swtpm } from "../../../test/support/swtpm.ts";
import { assertLines } from "../../../test/support/thrown.ts";
import { setUp } from "../../../test/support/tpm-calls.ts";
import * as tpm from "../../../test/support/tpm-commands.ts";
import { TpmProxy } from "../../../test/support/tpm-proxy.ts";
import { HostCode } from "../../host-call.ts";
import { CC } from "./commands.ts";

const NONE = new Uint8Array();
/** For tests of time-outs; far more than a virtual TPM takes on a busy machine. */
const TIMEOUT_MS = 400;
const NO_ANSWER = `no answer in ${TIMEOUT_MS} ms`;
async function swtpm(t: TestContext, kind: "unix" | "tcp" = "unix"): Promise<Swtpm> {
  const running = await Swtpm.start(kind);
  t.after(() => running.stop());
  return running;
}

const primary = async (call: { done(command: Uint8Array): Promise<Uint8Array> }) =>
  tpm.handleIn(await call.done(tpm.createPrimary()));
const session = async (call: { done(command: Uint8Array): Promise<Uint8Array> }) =>
  tpm.handleIn(await call.done(tpm.startSession()));

for (const kind of ["unix", "tcp"] as const) {
  test(`over ${kind}: a key is created, loaded and used, and the result is a correct HMAC`, async (t) => {
    const device = await swtpm(t, kind);
    const { Call, capability } = setUp(t, device.device);
    const key = randomBytes(32);
    const userAuth = randomBytes(32);
    const init = new Call("a", "provision");
    await init.enter();
    const parent = await primary(init);
    const made = await init.done(
      tpm.create(parent, { template: tpm.keyedHash(0x00040452), userAuth, data: key }),
    );
    const [privatePart = NONE, publicPart = NONE] = tpm.sizedAt(made, 14, 2);
    await init.leave();

    const call = new Call("a");
    await call.enter();
    const loaded = tpm.handleIn(await call.done(tpm.load(await primary(call), privatePart, publicPart)));
    const message = randomBytes(100);
    const response = await call.done(tpm.hmac(loaded, message, tpm.auth(userAuth)));
    const [mac] = tpm.sizedAt(response, 14, 1);
    assert.deepEqual(mac, Uint8Array.from(createHmac("sha256", key).update(message).digest()));
    assert.equal((await call.leave()).code, 0);
    await capability.close();
    assert.equal(await device.loaded(), "");
  });
}

test("the storage primary equals the one that tpm2_createprimary creates", async (t) => {
  const device = await swtpm(t);
  const { Call, capability } = setUp(t, device.device);
  const call = new Call("a");
  await call.enter();
  const response = await call.done(tpm.readPublic(await primary(call)));
  const [, name = NONE] = tpm.sizedAt(response, 10, 2);
  await capability.close();
  const attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt";
  const args = ["-C", "o", "-g", "sha256", "-G", "ecc256:aes128cfb", "-a", attributes, "-c", "primary.ctx"];
  await device.tool("tpm2_createprimary", ...args);
  const shown = await device.tool("tpm2_readpublic", "-c", "primary.ctx");
  assert.match(shown, new RegExp(`name: ${Buffer.from(name).toString("hex")}\\b`));
});

test("a provider cannot name another provider's handles, neither by the provider's number nor by the TPM's", async (t) => {
  const device = await swtpm(t);
  const { Call } = setUp(t, device.device);
  const a = new Call("a");
  const b = new Call("b");
  await a.enter();
  await b.enter();
  const object = await primary(a);
  const sessionOfA = await session(a);
  for (const handle of [object, 0x80000000, 0x80000001]) {
    assert.equal(tpm.rc(await b.send(tpm.readPublic(handle))), 0xb0910);
    assert.equal(tpm.rc(await b.send(tpm.flushContext(handle))), 0xb01c4);
  }
  const mine = await primary(b);
  assert.equal(tpm.rc(await b.send(tpm.hmac(mine, NONE, { handle: sessionOfA, attributes: 1 }))), 0xb0918);
  assert.equal(tpm.rc(await b.send(tpm.hmac(mine, NONE, { handle: 0x02000000, attributes: 1 }))), 0xb0918);
  await a.done(tpm.readPublic(object));
});

test("the gate denies a denied command, and the decision names the command", async (t) => {
  const { Call, decisions } = setUp(t, (await swtpm(t)).device);
  const call = new Call("a");
  await call.enter();
  assertRefused(t, await call.transmit(tpm.command(0x126, [0x4000000c], [tpm.EMPTY_AUTH])), HostCode.DENIED);
  await call.done(tpm.getRandom(8));
  assert.deepEqual(
    decisions.map(({ verdict, target }) => [verdict, target]),
    [
      ["allowed", "turn"],
      ["denied", undefined],
      ["allowed", "TPM2_GetRandom"],
    ],
  );
});

test("transmit and leave without enter are invalid, and so is a second enter", async (t) => {
  const { Call } = setUp(t, (await swtpm(t)).device);
  const call = new Call("a");
  assert.equal((await call.transmit(tpm.getRandom(8))).code, HostCode.INVALID);
  assert.equal((await call.leave()).code, HostCode.INVALID);
  await call.enter();
  assert.equal((await call.ask("enter", NONE)).code, HostCode.INVALID);
  await call.leave();
  assert.equal((await call.transmit(tpm.getRandom(8))).code, HostCode.INVALID);
});

test("two commands of one call at once: the second is invalid", async (t) => {
  const { Call } = setUp(t, (await swtpm(t)).device);
  const call = new Call("a");
  await call.enter();
  const answers = await Promise.all([call.transmit(tpm.createPrimary()), call.transmit(tpm.createPrimary())]);
  assert.deepEqual(
    answers.map(({ code }) => code),
    [HostCode.OK, HostCode.INVALID],
  );
});

test("calls enter in the order of their requests, and each gets the memory of the call before", async (t) => {
  const { Call } = setUp(t, (await swtpm(t)).device);
  const order: number[] = [];
  await Promise.all(
    [1, 2, 3, 4].map(async (number) => {
      const call = new Call("a");
      const memory = await call.enter();
      order.push(number);
      assert.deepEqual([...memory], number === 1 ? [] : [number - 1]);
      await call.done(tpm.getRandom(8));
      await call.leave(Uint8Array.of(number));
      call.end();
    }),
  );
  assert.deepEqual(order, [1, 2, 3, 4]);
});

test("a call finds the objects of the call before through the memory", async (t) => {
  const { Call } = setUp(t, (await swtpm(t)).device);
  const first = new Call("a");
  await first.enter();
  const object = await primary(first);
  await first.leave(tpm.u32(object));
  first.end();
  const second = new Call("a");
  const handle = Buffer.from(await second.enter()).readUInt32BE(0);
  assert.equal(handle, object);
  await second.done(tpm.readPublic(handle));
});

test("a memory of 1,024 bytes is kept, one of 1,025 is invalid", async (t) => {
  const { Call } = setUp(t, (await swtpm(t)).device);
  const call = new Call("a");
  await call.enter();
  assert.equal((await call.leave(new Uint8Array(1025))).code, HostCode.INVALID);
  assert.equal((await call.leave(new Uint8Array(1024).fill(7))).code, HostCode.OK);
  assert.deepEqual(await new Call("a").enter(), new Uint8Array(1024).fill(7));
});

test("a call that ends without leave leaves nothing in the TPM, and the next one starts empty", async (t) => {
  const device = await swtpm(t);
  const { Call, capability } = setUp(t, device.device);
  const first = new Call("a");
  await first.enter();
  await first.leave(Uint8Array.of(1));
  const second = new Call("a");
  await second.enter();
  const object = await primary(second);
  await session(second);
  second.end();
  const third = new Call("a");
  assert.deepEqual(await third.enter(), NONE);
  assert.equal(tpm.rc(await third.send(tpm.readPublic(object))), 0xb0910);
  // The host's own flush at the end would hide a leak: the TPM's three slots reveal it.
  for (let i = 0; i < 3; i++) await primary(third);
  await capability.close();
  assert.equal(await device.loaded(), "");
});

test("a call that ends while its command runs: the object that the command creates is flushed too", async (t) => {
  const { Call } = setUp(t, (await swtpm(t)).device);
  for (let i = 0; i < 5; i++) {
    const call = new Call("a");
    await call.enter();
    const answer = call.transmit(tpm.createPrimary());
    call.end();
    assert.equal((await answer).code, HostCode.UNAVAILABLE);
  }
  const call = new Call("a");
  await call.enter();
  for (let i = 0; i < 3; i++) await primary(call);
});

test("a call that ends while it waits does not delay the others", async (t) => {
  const { Call } = setUp(t, (await swtpm(t)).device);
  const [first, second, third] = [new Call("a"), new Call("a"), new Call("a")];
  await first.enter();
  const waiting = second.ask("enter", NONE);
  const next = third.enter();
  second.end();
  assert.equal((await waiting).code, HostCode.UNAVAILABLE);
  await first.leave(Uint8Array.of(9));
  assert.deepEqual(await next, Uint8Array.of(9));
});

test("a provider may have three objects and two sessions; the host itself answers a fourth object and a third session", async (t) => {
  const { Call } = setUp(t, (await swtpm(t)).device);
  const call = new Call("a");
  await call.enter();
  const objects = [await primary(call), await primary(call), await primary(call)];
  assert.equal(tpm.rc(await call.send(tpm.createPrimary())), 0xb0902);
  await session(call);
  await session(call);
  assert.equal(tpm.rc(await call.send(tpm.startSession())), 0xb0903);
  await call.done(tpm.flushContext(objects[0] ?? 0));
  assert.notEqual(await primary(call), objects[0], "a number is never reused");
  assert.equal(tpm.rc(await call.send(tpm.readPublic(objects[0] ?? 0))), 0xb0910);
});

test("a session that ends with its command makes room for another", async (t) => {
  const { Call } = setUp(t, (await swtpm(t)).device);
  const call = new Call("a");
  await call.enter();
  for (let i = 0; i < 5; i++) {
    const started = await call.done(tpm.startSession());
    const [nonceTpm = NONE] = tpm.sizedAt(started, 14, 1);
    const ending = tpm.createPrimaryBySession(tpm.handleIn(started), nonceTpm);
    await call.done(tpm.flushContext(tpm.handleIn(await call.done(ending))));
  }
});

test("a full TPM evicts an idle provider, which starts again", async (t) => {
  const { Call } = setUp(t, (await swtpm(t)).device);
  const a = new Call("a");
  await a.enter();
  const object = await primary(a);
  await primary(a);
  await session(a);
  await a.leave(tpm.u32(object));
  const b = new Call("b");
  await b.enter();
  for (let i = 0; i < 3; i++) await primary(b);
  const again = new Call("a");
  assert.deepEqual(await again.enter(), NONE);
  assert.equal(tpm.rc(await again.send(tpm.readPublic(object))), 0xb0910);
});

test("two providers with two sessions each share the three session slots of a TPM", async (t) => {
  const { Call } = setUp(t, (await swtpm(t)).device);
  const a = new Call("a");
  await a.enter();
  await session(a);
  await session(a);
  await a.leave(Uint8Array.of(1));
  const b = new Call("b");
  await b.enter();
  await session(b);
  await session(b);
  assert.deepEqual(await new Call("a").enter(), NONE);
});

test("no active provider of a full TPM is evicted: the TPM's own answer is returned", async (t) => {
  const { Call } = setUp(t, (await swtpm(t)).device);
  const a = new Call("a");
  await a.enter();
  const object = await primary(a);
  const b = new Call("b");
  await b.enter();
  await primary(b);
  await primary(b);
  assert.equal(tpm.rc(await b.send(tpm.createPrimary())), 0x902);
  await a.done(tpm.readPublic(object));
});

test("a command waits for a full TPM until the active provider leaves", async (t) => {
  const { Call } = setUp(t, (await swtpm(t)).device);
  const [a, b] = [new Call("a"), new Call("b")];
  await a.enter();
  await b.enter();
  await primary(a);
  const object = await primary(a);
  const own = await primary(b);
  const waiting = b.done(tpm.createPrimary());
  await a.done(tpm.flushContext(object));
  await waiting;
  const again = b.done(tpm.createPrimary());
  await a.leave(Uint8Array.of(1));
  await again;
  await b.done(tpm.readPublic(own));
});

test("a full TPM loses the objects without an owner that a garbled answer left, and keeps every provider's object", async (t) => {
  const device = await swtpm(t);
  const path = join(device.folder, "proxy.sock");
  const proxy = await TpmProxy.start(path, device.socket);
  t.after(() => proxy.close());
  const { Call } = setUp(t, `swtpm:${path}`);
  const [a, b] = [new Call("a"), new Call("b")];
  await a.enter();
  await b.enter();
  const kept = tpm.handleIn(await a.done(tpm.createPrimary()));
  const session = tpm.handleIn(await a.done(tpm.startSession()));
  for (let i = 0; i < 2; i++) {
    // The lowest byte of the handle: the TPM never assigned this number.
    proxy.next(CC.CreatePrimary, (response) => Buffer.from(response).fill(0x77, 13, 14));
    const lost = tpm.handleIn(await b.done(tpm.createPrimary()));
    assert.notEqual(tpm.rc(await b.send(tpm.readPublic(lost))), 0);
  }
  // Three slots: one object of a, two without an owner.
  const made = tpm.handleIn(await b.done(tpm.createPrimary()));
  await b.done(tpm.readPublic(made));
  await a.done(tpm.readPublic(kept));
  await a.done(tpm.flushContext(session));
});

test("a command during which the TPM is killed is unavailable, and providers start again when the TPM is back", async (t) => {
  const device = await swtpm(t);
  const { Call, warnings } = setUp(t, device.device);
  const call = new Call("a");
  await call.enter();
  const object = await primary(call);
  device.signal("SIGSTOP");
  const answer = call.transmit(tpm.createPrimary());
  await sleep(50);
  await device.kill("SIGKILL");
  assert.equal((await answer).code, HostCode.UNAVAILABLE);
  assert.equal((await call.transmit(tpm.getRandom(8))).code, HostCode.UNAVAILABLE);
  await device.start();
  assert.equal(tpm.rc(await call.send(tpm.readPublic(object))), 0xb0910);
  await call.done(tpm.readPublic(await primary(call)));
  assert.equal(warnings.length, 2);
});

test("after a TPM restarts between two calls, the memory is empty and no command fails", async (t) => {
  const device = await swtpm(t);
  const { Call } = setUp(t, device.device);
  const call = new Call("a");
  await call.enter();
  const object = await primary(call);
  await call.leave(tpm.u32(object));
  await device.kill("SIGKILL");
  await device.start();
  const next = new Call("a");
  assert.deepEqual(await next.enter(), NONE);
  await primary(next);
});

test("a command to a hanging TPM times out, and its late objects are flushed", async (t) => {
  const device = await swtpm(t);
  const { Call, capability, warnings } = setUp(t, device.device, { timeoutMs: TIMEOUT_MS });
  const a = new Call("a");
  const b = new Call("b");
  await a.enter();
  await b.enter();
  const object = await primary(b);
  device.signal("SIGSTOP");
  assert.equal((await a.transmit(tpm.createPrimary())).code, HostCode.UNAVAILABLE);
  assert.equal((await a.transmit(tpm.getRandom(8))).code, HostCode.UNAVAILABLE);
  assert.deepEqual(warnings, [NO_ANSWER, NO_ANSWER]);
  device.signal("SIGCONT");
  // The late object of the lost connection and b's are gone: all three slots are free.
  for (let i = 0; i < 3; i++) await primary(a);
  assert.equal(tpm.rc(await b.send(tpm.readPublic(object))), 0xb0910);
  await capability.close();
  assert.equal(await device.loaded(), "");
});

test("a waiting command is not sent after all handles were lost, because its handles may be another provider's", async (t) => {
  const device = await swtpm(t);
  const { Call } = setUp(t, device.device, { timeoutMs: TIMEOUT_MS });
  const a = new Call("a");
  const b = new Call("b");
  await a.enter();
  await b.enter();
  const object = await primary(b);
  device.signal("SIGSTOP");
  const lost = a.transmit(tpm.getRandom(8));
  const waiting = b.send(tpm.flushContext(object));
  assert.equal((await lost).code, HostCode.UNAVAILABLE);
  // At once, from the host: the TPM is stopped.
  assert.equal(tpm.rc(await waiting), 0xb0910);
});

test("a waiting command is not sent if its call has ended", async (t) => {
  let sent = 0;
  const held = Promise.withResolvers<void>();
  const port = await scripted(t, async (command) => {
    if (codeIn(command) !== GET_RANDOM) return connecting(command);
    sent += 1;
    await held.promise;
    return plain(0);
  });
  const { Call } = setUp(t, `swtpm:127.0.0.1:${port}`);
  const a = new Call("a");
  const b = new Call("b");
  await a.enter();
  await b.enter();
  const first = a.done(tpm.getRandom(8));
  const second = b.transmit(tpm.getRandom(8));
  b.end();
  held.resolve();
  await first;
  assert.equal((await second).code, HostCode.UNAVAILABLE);
  await a.done(tpm.getRandom(8));
  assert.equal(sent, 2);
});

test("objects of a lost connection are flushed when the host stops", async (t) => {
  const device = await swtpm(t);
  const { Call, capability } = setUp(t, device.device, { timeoutMs: TIMEOUT_MS });
  const call = new Call("a");
  await call.enter();
  await primary(call);
  device.signal("SIGSTOP");
  assert.equal((await call.transmit(tpm.createPrimary())).code, HostCode.UNAVAILABLE);
  device.signal("SIGCONT");
  await capability.close();
  assert.equal(await device.loaded(), "");
});

test("objects that a killed host left are flushed before the first command", async (t) => {
  const device = await swtpm(t);
  const raw = connect(device.socket);
  for (const command of [tpm.createPrimary(), tpm.createPrimary(), tpm.startSession()]) {
    raw.write(command);
    await once(raw, "data");
  }
  raw.destroy();
  const { Call } = setUp(t, device.device);
  const call = new Call("a");
  await call.enter();
  for (let i = 0; i < 3; i++) await primary(call);
});

test("after close no command is sent", async (t) => {
  const { Call, capability } = setUp(t, (await swtpm(t)).device);
  const call = new Call("a");
  await call.enter();
  await primary(call);
  await capability.close();
  assert.equal((await call.transmit(tpm.getRandom(8))).code, HostCode.UNAVAILABLE);
});

// ---- a scripted TPM ----

type Answering = (
  command: Buffer,
  socket: Socket,
) => Promise<Uint8Array | undefined> | Uint8Array | undefined;

/** A server that answers each command as scripted. @returns its port */
async function scripted(t: TestContext, answering: Answering): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", async (command: Buffer) => {
      const answer = await answering(command, socket);
      if (answer !== undefined) socket.write(answer);
    });
    t.after(() => socket.destroy());
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close());
  const address = server.address();
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

/** A response without parameters. */
const plain = (code: number) => tpm.join(tpm.u16(0x8001), tpm.u32(10), tpm.u32(code));
const codeIn = (command: Buffer) => command.readUInt32BE(6);
const GET_RANDOM = 0x17b;
/** Answers that let the host connect: Startup, and lists of no handles. */
const connecting = (command: Buffer) =>
  codeIn(command) === 0x17a
    ? tpm.join(tpm.u16(0x8001), tpm.u32(19), tpm.u32(0), tpm.u8(0), tpm.u32(1), tpm.u32(0))
    : plain(0);

const RUBBISH: [string, Uint8Array][] = [
  ["a tag that TPM 2.0 does not have", tpm.join(tpm.u16(0x00c4), tpm.u32(10), tpm.u32(0))],
  ["a size below a header's", tpm.join(tpm.u16(0x8001), tpm.u32(9), tpm.u32(0))],
  ["a size above all limits", tpm.join(tpm.u16(0x8001), tpm.u32(0xffffffff), tpm.u32(0))],
  ["two responses", tpm.join(plain(0), plain(0))],
  ["half a response", plain(0).slice(0, 9)],
  ["text", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
];
for (const [what, bytes] of RUBBISH) {
  test(`a command to a TPM that answers ${what} is unavailable, and the connection is closed`, async (t) => {
    let connections = 0;
    const port = await scripted(t, (command) => {
      if (codeIn(command) === 0x144) connections += 1;
      return codeIn(command) === GET_RANDOM && connections === 1 ? bytes : connecting(command);
    });
    const { Call, warnings } = setUp(t, `swtpm:127.0.0.1:${port}`, { timeoutMs: TIMEOUT_MS });
    const call = new Call("a");
    await call.enter();
    assert.equal((await call.transmit(tpm.getRandom(8))).code, HostCode.UNAVAILABLE);
    assertLines(t, warnings);
    await call.done(tpm.getRandom(8));
    assert.equal(connections, 2);
  });
}

for (const response of [plain(0), tpm.join(tpm.u16(0x8001), tpm.u32(14), tpm.u32(0), tpm.u32(0x81000001))]) {
  test(`a success of CreatePrimary without an object's handle, ${response.length} bytes, is unavailable`, async (t) => {
    let connections = 0;
    const port = await scripted(t, (command) => {
      if (codeIn(command) === 0x144) connections += 1;
      return codeIn(command) === 0x131 ? response : connecting(command);
    });
    const { Call, warnings } = setUp(t, `swtpm:127.0.0.1:${port}`);
    const call = new Call("a");
    await call.enter();
    assert.equal((await call.transmit(tpm.createPrimary())).code, HostCode.UNAVAILABLE);
    assertLines(t, warnings);
    await call.done(tpm.getRandom(8));
    assert.equal(connections, 2);
  });
}

for (const [rc, sent] of [
  [0x922, 6],
  [0x90a, 6],
  [0x908, 6],
  [0x921, 1],
  [0x101, 1],
  [0x98e, 1],
  [0x9a2, 1],
  [0x902, 1],
] as const) {
  test(`a TPM that always answers ${rc.toString(16)} gets the command ${sent} times`, async (t) => {
    let asked = 0;
    const port = await scripted(t, (command) => {
      if (codeIn(command) !== GET_RANDOM) return connecting(command);
      asked += 1;
      return plain(rc);
    });
    const { Call } = setUp(t, `swtpm:127.0.0.1:${port}`);
    const call = new Call("a");
    await call.enter();
    assert.equal(tpm.rc(await call.send(tpm.getRandom(8))), rc);
    assert.equal(asked, sent);
  });
}

test("a TPM that is busy twice answers the third attempt", async (t) => {
  let asked = 0;
  const port = await scripted(t, (command) => {
    if (codeIn(command) !== GET_RANDOM) return connecting(command);
    asked += 1;
    return plain(asked < 3 ? 0x922 : 0);
  });
  const { Call } = setUp(t, `swtpm:127.0.0.1:${port}`);
  const call = new Call("a");
  await call.enter();
  await call.done(tpm.getRandom(8));
  assert.equal(asked, 3);
});

test("a command is one write", async (t) => {
  const sizes: boolean[] = [];
  const port = await scripted(t, (command) => {
    sizes.push(command.length === command.readUInt32BE(2));
    return connecting(command);
  });
  const { Call } = setUp(t, `swtpm:127.0.0.1:${port}`);
  const call = new Call("a");
  await call.enter();
  await call.done(tpm.getRandom(8));
  assert.deepEqual(
    sizes,
    Array.from({ length: 5 }, () => true),
  );
});

test("after an unnoticed reset of the TPM, providers with handles start again", async (t) => {
  const device = await swtpm(t);
  const { Call } = setUp(t, device.device);
  const a = new Call("a");
  await a.enter();
  const object = await primary(a);
  await device.tool("swtpm_ioctl", "--unix", join(device.folder, "tpm.sock.ctrl"), "-i");
  // After swtpm's reset the TPM needs Startup: it reports that once, and the host starts it.
  assert.equal(tpm.rc(await a.send(tpm.readPublic(object))), 0x100);
  assert.equal(tpm.rc(await a.send(tpm.readPublic(object))), 0xb0910);
  await primary(a);
});

test("if the TPM assigns a handle that another provider has, that provider lost its handles in a reset", async (t) => {
  const created = tpm.join(tpm.u16(0x8002), tpm.u32(14), tpm.u32(0), tpm.u32(0x80000000));
  const port = await scripted(t, (command) => (codeIn(command) === 0x131 ? created : connecting(command)));
  const { Call } = setUp(t, `swtpm:127.0.0.1:${port}`);
  const a = new Call("a");
  const b = new Call("b");
  await a.enter();
  const object = await primary(a);
  await a.done(tpm.readPublic(object));
  await b.enter();
  const mine = await primary(b);
  assert.equal(tpm.rc(await a.send(tpm.readPublic(object))), 0xb0910);
  await b.done(tpm.readPublic(mine));
});

for (const rc of [0x910, 0x18b]) {
  test(`${rc.toString(16)} for an object of the provider makes it start again`, async (t) => {
    const created = tpm.join(tpm.u16(0x8002), tpm.u32(14), tpm.u32(0), tpm.u32(0x80000000));
    const port = await scripted(t, (command) => {
      if (codeIn(command) === 0x173) return plain(rc);
      return codeIn(command) === 0x131 ? created : connecting(command);
    });
    const { Call } = setUp(t, `swtpm:127.0.0.1:${port}`);
    const call = new Call("a");
    await call.enter();
    const object = await primary(call);
    assert.equal(tpm.rc(await call.send(tpm.readPublic(object))), rc);
    assert.equal(tpm.rc(await call.send(tpm.readPublic(object))), 0xb0910);
    await call.leave(tpm.u32(object));
    assert.deepEqual(await new Call("a").enter(), NONE);
  });
}

test("1cb for the flush of an object of the provider makes it start again", async (t) => {
  const created = tpm.join(tpm.u16(0x8002), tpm.u32(14), tpm.u32(0), tpm.u32(0x80000000));
  const port = await scripted(t, (command) => {
    if (codeIn(command) === 0x165) return plain(0x1cb);
    return codeIn(command) === 0x131 ? created : connecting(command);
  });
  const { Call } = setUp(t, `swtpm:127.0.0.1:${port}`);
  const call = new Call("a");
  await call.enter();
  const object = await primary(call);
  assert.equal(tpm.rc(await call.send(tpm.flushContext(object))), 0x1cb);
  assert.equal(tpm.rc(await call.send(tpm.readPublic(object))), 0xb0910);
});

test("over mssim commands are framed for the TPM", async (t) => {
  const device = await swtpm(t);
  const behind = connect(device.socket);
  t.after(() => behind.destroy());
  const port = await scripted(t, async (frame) => {
    assert.equal(frame.readUInt32BE(0), 8);
    assert.equal(frame.readUInt8(4), 0);
    assert.equal(frame.readUInt32BE(5), frame.length - 9);
    behind.write(frame.subarray(9));
    const [response] = await once(behind, "data");
    return tpm.join(tpm.u32(response.length), response, tpm.u32(0));
  });
  const { Call, capability } = setUp(t, `mssim:127.0.0.1:${port}`);
  const call = new Call("a");
  await call.enter();
  await call.done(tpm.readPublic(await primary(call)));
  await capability.close();
  behind.destroy();
  assert.equal(await device.loaded(), "");
});

for (const device of [
  "",
  "/dev/tpm0",
  "/dev/tpmrm0/../sda",
  "swtpm:relative",
  "swtpm:10.0.0.1:2321",
  "swtpm:localhost:2321",
  "swtpm:127.0.0.1:65536",
  "swtpm:127.0.0.1:0",
  "swtpm:127.999.0.1:2321",
  "swtpm:[::2]:2321",
  "mssim:/path",
  "tcp:127.0.0.1:1",
]) {
  test(`"${device}" is not a valid device`, (t) => {
    assert.throws(() => setUp(t, device), RangeError);
  });
}
