/** A real process in place of a provider's, which sends frames that our guest program never sends. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { spawn } from "node:child_process";
import { type TestContext, test } from "node:test";
import { standIn } from "../../test/support/wall.ts";
import { type Gate, type HostCall, HostCode, refusal } from "../host-call.ts";
import { Child, ChildGone } from "./child.ts";
import { encodeFrame, Frame, MAX_CHILD_FRAME, MAX_MESSAGE } from "./wire.mjs";

/** Writes its first argument at once and its second at the first call; with a third argument it exits then. */
const PROGRAM = `
  import { Socket } from "node:net";
  import { FrameReader, Frame } from ${JSON.stringify(new URL("./wire.mjs", import.meta.url).href)};
  const link = new Socket({ fd: 3 });
  const [, first, second, end] = process.argv;
  link.write(Buffer.from(first, "base64"));
  const reader = new FrameReader(1 << 20, (type) => {
    if (type === Frame.CALL) link.write(Buffer.from(second, "base64"), () => end && process.exit(7));
  });
  link.on("data", (chunk) => reader.push(chunk));
  link.on("error", () => {});
`;
const STARTED = encodeFrame(Frame.STARTED, 0);
const LOADED = encodeFrame(Frame.LOADED, 0);
const never: Gate = () => new Promise(() => {});

interface Script {
  readonly first?: Buffer;
  readonly second?: Buffer;
  readonly end?: boolean;
  readonly gate?: Gate;
  /** A program with its arguments, in place of PROGRAM. */
  readonly program?: readonly string[];
}

function start(t: TestContext, script: Script): Child {
  const {
    first = Buffer.concat([STARTED, LOADED]),
    second = Buffer.alloc(0),
    end = false,
    gate = never,
  } = script;
  const args = [first.toString("base64"), second.toString("base64"), ...(end ? ["end"] : [])];
  const program = script.program ?? [PROGRAM, ...args];
  const child = new Child({
    provider: "p",
    module: new Uint8Array(),
    memoryBytes: 16 << 20,
    imports: IMPORTS,
    memory: { initial: 1, maximum: 1 },
    hostCalls: 3,
    outputBytes: MAX_MESSAGE,
    gate,
    onStderr: (text) => t.diagnostic(text),
    processMemoryBytes: 256 << 20,
    wall: standIn(() =>
      spawn(process.execPath, ["--input-type=module", "-e", ...program], {
        stdio: ["ignore", "ignore", "pipe", "pipe"],
      }),
    ),
  });
  t.after(async () => {
    child.kill("the test has ended");
    await child.ended;
  });
  return child;
}

/** Asserts that the child counts as taken over; the reason is in the snapshot. */
async function assertTakenOver(t: TestContext, child: Child): Promise<void> {
  const { how, takenOver } = await child.ended;
  assert.equal(takenOver, true);
  t.assert.snapshot(how);
}

function encrypt(child: Child): Promise<Uint8Array> {
  return child.call("encrypt", new Uint8Array(), performance.now() + 10_000);
}

const IMPORTS = [
  { module: "kleidi:log", name: "write" },
  { module: "kleidi:net", name: "request" },
];

function hostCall(capability: string, operation: string, request = new Uint8Array(), call = 1): Buffer {
  const names = [capability, operation].flatMap((name) => [name.length, ...Buffer.from(name)]);
  return encodeFrame(Frame.HOST_CALL, call, Uint8Array.from(names), request);
}

const result = (call: number, ...bytes: number[]) => encodeFrame(Frame.RESULT, call, Uint8Array.from(bytes));

const BREACHES: [what: string, frames: Buffer][] = [
  ["a frame of an unknown type", encodeFrame(99, 1)],
  ["a frame that only the host sends", encodeFrame(Frame.CALL, 1)],
  ["STARTED a second time", STARTED],
  ["LOADED a second time", LOADED],
  ["FAILED for the loading after LOADED", encodeFrame(Frame.FAILED, 0)],
  ["LOADED of a call", encodeFrame(Frame.LOADED, 1)],
  ["the result of a call that does not exist", result(2)],
  ["the result of the loading", result(0)],
  ["the failure of a call that does not exist", encodeFrame(Frame.FAILED, 9)],
  ["a host call of a call that does not exist", hostCall("log", "write", new Uint8Array(), 0xffffffff)],
  ["a reply of 65537 bytes", encodeFrame(Frame.RESULT, 1, new Uint8Array(MAX_MESSAGE + 1))],
  ["a host call with a request of 65537 bytes", hostCall("log", "write", new Uint8Array(MAX_MESSAGE + 1))],
  ["a host call of a capability with a garbage name", hostCall("../log", "write")],
  ["a host call that the module does not import", hostCall("keystore", "seal")],
  ["a host call of an operation with a garbage name", hostCall("log", "wri\nte")],
  ["a host call without names", encodeFrame(Frame.HOST_CALL, 1)],
  [
    "a host call while another one waits",
    Buffer.concat([hostCall("log", "write"), hostCall("log", "write")]),
  ],
  ["the result of a call that waits for the host", Buffer.concat([hostCall("log", "write"), result(1, 7)])],
  [
    "the failure of a call that waits for the host",
    Buffer.concat([hostCall("log", "write"), encodeFrame(Frame.FAILED, 1)]),
  ],
  ["a frame over the limit", encodeFrame(Frame.RESULT, 1, new Uint8Array(MAX_CHILD_FRAME + 1))],
];
const EARLY: [what: string, frames: Buffer][] = [
  ["LOADED before STARTED", LOADED],
  ["a result before STARTED", result(1, 7)],
  ["STARTED of a call", encodeFrame(Frame.STARTED, 1)],
];
for (const [what, first] of EARLY) {
  test(`a process that sends ${what} is killed, and gets no module`, async (t) => {
    const child = start(t, { first });
    await assert.rejects(child.loaded, ChildGone);
    await assertTakenOver(t, child);
  });
}

for (const [what, frames] of BREACHES) {
  test(`a process that sends ${what} is killed, and its call fails`, async (t) => {
    const child = start(t, { second: frames });
    await child.loaded;
    await assert.rejects(encrypt(child), ChildGone);
    await assertTakenOver(t, child);
  });
}

test("a process that exits within a frame fails its call", async (t) => {
  const child = start(t, { second: result(1, 1, 2, 3).subarray(0, -1), end: true });
  await child.loaded;
  await assert.rejects(encrypt(child), ChildGone);
  assert.deepEqual(await child.ended, { how: "exit code 7", takenOver: false });
});

test("frames after a breach are ignored", async (t) => {
  const calls: HostCall[] = [];
  const gate: Gate = async (call) => {
    calls.push(call);
    return refusal(HostCode.DENIED, "no");
  };
  const child = start(t, {
    second: Buffer.concat([encodeFrame(99, 1), hostCall("log", "write"), result(1, 7)]),
    gate,
  });
  await child.loaded;
  await assert.rejects(encrypt(child), ChildGone);
  assert.deepEqual(calls, []);
});

for (const [what, frame] of [
  ["a second result", result(1, 8)],
  ["a failure", encodeFrame(Frame.FAILED, 1)],
  ["a host call", hostCall("log", "write")],
] as const) {
  test(`a process that sends ${what} of a finished call is killed, and the frame is discarded`, async (t) => {
    const calls: HostCall[] = [];
    const gate: Gate = async (call) => {
      calls.push(call);
      return refusal(HostCode.DENIED, "no");
    };
    const child = start(t, { second: Buffer.concat([result(1, 7), frame]), gate });
    await child.loaded;
    assert.deepEqual(await encrypt(child), Uint8Array.of(7));
    await assertTakenOver(t, child);
    assert.deepEqual(calls, []);
  });
}

test("a host call runs in the async context of its own call, not of an earlier one", async (t) => {
  const caller = new AsyncLocalStorage<string>();
  const seen = Promise.withResolvers<string | undefined>();
  const gate: Gate = async () => {
    await null;
    seen.resolve(caller.getStore());
    return refusal(HostCode.DENIED, "no");
  };
  const child = await caller.run("the loading", async () =>
    start(t, { second: hostCall("log", "write"), gate }),
  );
  await caller.run("another caller", () => child.loaded);
  void caller.run("the caller", () => encrypt(child)).catch(() => {});
  assert.equal(await seen.promise, "the caller");
});

test("a child process that inherited stderr does not keep it open in the host", async (t) => {
  // The shell exits at once; its child keeps the descriptors.
  const shell = spawn("sh", ["-c", "sleep 60 & echo $! >&2"], {
    stdio: ["ignore", "ignore", "pipe", "pipe"],
  });
  let text = "";
  const child = new Child({
    provider: "p",
    module: new Uint8Array(),
    memoryBytes: 16 << 20,
    processMemoryBytes: 256 << 20,
    imports: IMPORTS,
    memory: { initial: 1, maximum: 1 },
    hostCalls: 3,
    outputBytes: MAX_MESSAGE,
    gate: never,
    onStderr: (chunk) => {
      text += chunk;
    },
    wall: standIn(() => shell),
  });
  child.loaded.catch(() => {});
  assert.deepEqual(await child.ended, { how: "exit code 0", takenOver: false });
  await new Promise((resolve) => shell.stderr?.once("close", resolve));
  assert.match(text, /^\d+\n$/, "the rest of stderr was read");
  process.kill(Number(text), "SIGKILL");
  t.diagnostic(text);
});

test("a process that closes its link but keeps running is killed, and counts as taken over", async (t) => {
  const frames = Buffer.concat([STARTED, LOADED]).toString("base64");
  const program = `
    const link = new (require("node:net").Socket)({ fd: 3 });
    link.end(Buffer.from("${frames}", "base64"));
    setInterval(() => {}, 1000);`;
  const child = new Child({
    provider: "p",
    module: new Uint8Array(),
    memoryBytes: 16 << 20,
    processMemoryBytes: 256 << 20,
    imports: IMPORTS,
    memory: { initial: 1, maximum: 1 },
    hostCalls: 3,
    outputBytes: MAX_MESSAGE,
    gate: never,
    onStderr: () => {},
    wall: standIn(() =>
      spawn(process.execPath, ["-e", program], { stdio: ["ignore", "ignore", "pipe", "pipe"] }),
    ),
  });
  await child.loaded;
  await assert.rejects(encrypt(child), ChildGone);
  await assertTakenOver(t, child);
});

/**
 * Makes one host call for each of a number of calls and reads no answers until it gets SIGUSR2. Then it ends each call with its answer.
 */
const NON_READER = `
  import { Socket } from "node:net";
  import { encodeFrame, Frame, FrameReader } from ${JSON.stringify(new URL("./wire.mjs", import.meta.url).href)};
  const link = new Socket({ fd: 3 });
  const calls = Number(process.argv[1]);
  const ask = Buffer.from(process.argv[2], "base64");
  link.write(Buffer.from(process.argv[3], "base64"));
  // a paused link does not keep the process alive
  const alive = setInterval(() => {}, 1000);
  process.on("SIGUSR2", () => link.resume());
  let asked = false;
  const reader = new FrameReader(1 << 20, (type, call) => {
    if (type === Frame.ANSWER) link.write(encodeFrame(Frame.RESULT, call));
    if (type !== Frame.CALL || asked) return;
    asked = true;
    link.pause();
    const frames = [];
    for (let i = 1; i <= calls; i++) {
      const frame = Buffer.from(ask);
      frame.writeUInt32BE(i, 5);
      frames.push(frame);
    }
    link.write(Buffer.concat(frames));
  });
  link.on("data", (chunk) => reader.push(chunk));
  link.on("error", () => {});
`;
const LARGEST_ANSWER = { code: HostCode.OK, message: "", body: new Uint8Array(MAX_MESSAGE) };
const MAX_UNREAD = 80 << 20;

/** @returns the child with its calls, once all host calls are answered or the child has ended */
async function startNonReader(t: TestContext, calls: number) {
  let asked = 0;
  const all = Promise.withResolvers<void>();
  const gate: Gate = async () => {
    asked += 1;
    if (asked === calls) setImmediate(all.resolve);
    return LARGEST_ANSWER;
  };
  const args = [`${calls}`, hostCall("net", "request").toString("base64")];
  const frames = Buffer.concat([STARTED, LOADED]).toString("base64");
  const child = start(t, { gate, program: [NON_READER, ...args, frames] });
  await child.loaded;
  const ended = Array.from({ length: calls }, () =>
    child.call("encrypt", new Uint8Array(), performance.now() + 60_000),
  );
  const settled = Promise.allSettled(ended);
  await Promise.race([all.promise, child.ended]);
  return { child, settled };
}

test("a process that does not read its answers is killed at 80 MiB, also within one turn of the event loop", async (t) => {
  const { child, settled } = await startNonReader(t, MAX_UNREAD / MAX_MESSAGE + 40);
  await assertTakenOver(t, child);
  for (const each of await settled)
    assert.ok(each.status === "rejected" && each.reason instanceof ChildGone, each.status);
});

test("a process that reads late keeps running below 80 MiB", async (t) => {
  const calls = MAX_UNREAD / MAX_MESSAGE - 40;
  const { child, settled } = await startNonReader(t, calls);
  assert.ok(child.alive);
  process.kill(child.pid ?? 0, "SIGUSR2");
  const good = (await settled).filter(({ status }) => status === "fulfilled");
  assert.equal(good.length, calls);
});
