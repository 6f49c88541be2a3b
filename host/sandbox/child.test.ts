/** A real process in the place of a provider's, which says what our own program never would. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { spawn } from "node:child_process";
import { type TestContext, test } from "node:test";
import { standIn } from "../../test/support/wall.ts";
import { type Gate, type HostCall, HostCode, refusal } from "../host-call.ts";
import { Child, ChildGone } from "./child.ts";
import { encodeFrame, Frame, MAX_CHILD_FRAME, MAX_MESSAGE } from "./wire.mjs";

/** Says its first argument at once, its second one at the first call; ends then, if there is a third one. */
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

interface Says {
  readonly first?: Buffer;
  readonly second?: Buffer;
  readonly end?: boolean;
  readonly gate?: Gate;
  /** In place of PROGRAM, with its arguments. */
  readonly program?: readonly string[];
}

function start(t: TestContext, says: Says): Child {
  const {
    first = Buffer.concat([STARTED, LOADED]),
    second = Buffer.alloc(0),
    end = false,
    gate = never,
  } = says;
  const args = [first.toString("base64"), second.toString("base64"), ...(end ? ["end"] : [])];
  const program = says.program ?? [PROGRAM, ...args];
  const child = new Child({
    provider: "p",
    module: new Uint8Array(),
    memoryBytes: 16 << 20,
    imports: IMPORTS,
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
    child.kill("the test is over");
    await child.ended;
  });
  return child;
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
const unfit = "it sent a host call that no guest can make";

const BREACHES: [what: string, said: Buffer, ended: string][] = [
  ["a frame type that there is not", encodeFrame(99, 1), "it sent a frame of type 99"],
  ["a frame that only the host sends", encodeFrame(Frame.CALL, 1), "it sent a frame of type 3"],
  ["STARTED a second time", STARTED, "it reported its start a second time"],
  ["LOADED a second time", LOADED, "it told of its loading a second time"],
  [
    "that the loading failed, after LOADED",
    encodeFrame(Frame.FAILED, 0),
    "it told of its loading a second time",
  ],
  ["LOADED of a call", encodeFrame(Frame.LOADED, 1), "it told of its loading a second time"],
  ["the result of a call that was never made", result(2), "it told of call 2, which was never made"],
  ["the result of the loading", result(0), "it told of call 0, which was never made"],
  [
    "the failure of a call that was never made",
    encodeFrame(Frame.FAILED, 9),
    "it told of call 9, which was never made",
  ],
  [
    "a host call of a call that was never made",
    hostCall("log", "write", new Uint8Array(), 0xffffffff),
    "it told of call 4294967295, which was never made",
  ],
  [
    "a reply of 65537 bytes",
    encodeFrame(Frame.RESULT, 1, new Uint8Array(MAX_MESSAGE + 1)),
    "its reply is 65537 bytes, at most 65536 are allowed",
  ],
  [
    "a host call with a request of 65537 bytes",
    hostCall("log", "write", new Uint8Array(MAX_MESSAGE + 1)),
    unfit,
  ],
  ["a host call of a capability with a garbage name", hostCall("../log", "write"), unfit],
  ["a host call that the module does not import", hostCall("keystore", "seal"), unfit],
  ["a host call of an operation with a garbage name", hostCall("log", "wri\nte"), unfit],
  ["a host call without names", encodeFrame(Frame.HOST_CALL, 1), unfit],
  [
    "a host call while another one waits",
    Buffer.concat([hostCall("log", "write"), hostCall("log", "write")]),
    "it went on with a call that waits for the host",
  ],
  [
    "the result of a call that waits for the host",
    Buffer.concat([hostCall("log", "write"), result(1, 7)]),
    "it went on with a call that waits for the host",
  ],
  [
    "the failure of a call that waits for the host",
    Buffer.concat([hostCall("log", "write"), encodeFrame(Frame.FAILED, 1)]),
    "it went on with a call that waits for the host",
  ],
  [
    "a frame over the limit",
    encodeFrame(Frame.RESULT, 1, new Uint8Array(MAX_CHILD_FRAME + 1)),
    "it sent what is no frame: a frame claims 66566 bytes, 5 to 66565 are allowed",
  ],
];
const EARLY: [what: string, said: Buffer, ended: string][] = [
  ["LOADED before STARTED", LOADED, "it sent a frame of type 2 before its start"],
  ["a result before STARTED", result(1, 7), "it sent a frame of type 4 before its start"],
  ["STARTED of a call", encodeFrame(Frame.STARTED, 1), "it reported its start a second time"],
];
for (const [what, first, ended] of EARLY) {
  test(`a process that sends ${what} is killed, and is sent no module`, async (t) => {
    const child = start(t, { first });
    await assert.rejects(child.loaded, ChildGone);
    assert.deepEqual(await child.ended, { how: ended, taken: true });
  });
}

for (const [what, said, ended] of BREACHES) {
  test(`a process that sends ${what} is killed, and its call fails`, async (t) => {
    const child = start(t, { second: said });
    await child.loaded;
    await assert.rejects(encrypt(child), ChildGone);
    assert.deepEqual(await child.ended, { how: ended, taken: true });
  });
}

test("a process that dies in the middle of a frame takes its call with it", async (t) => {
  const child = start(t, { second: result(1, 1, 2, 3).subarray(0, -1), end: true });
  await child.loaded;
  await assert.rejects(encrypt(child), ChildGone);
  assert.deepEqual(await child.ended, { how: "exit code 7", taken: false });
});

test("what a process says after its breach is not heard", async (t) => {
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
  test(`a process that sends ${what} of a finished call is killed, and the frame reaches nobody`, async (t) => {
    const calls: HostCall[] = [];
    const gate: Gate = async (call) => {
      calls.push(call);
      return refusal(HostCode.DENIED, "no");
    };
    const child = start(t, { second: Buffer.concat([result(1, 7), frame]), gate });
    await child.loaded;
    assert.deepEqual(await encrypt(child), Uint8Array.of(7));
    assert.deepEqual(await child.ended, { how: "it went on with call 1, which is over", taken: true });
    assert.deepEqual(calls, []);
  });
}

test("a host call runs in the async context of the call that makes it, not of the one before", async (t) => {
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

test("whoever inherited a process's stderr does not keep it open here", async (t) => {
  // The shell ends at once; what it started lives on with its descriptors.
  const shell = spawn("sh", ["-c", "sleep 60 & echo $! >&2"], {
    stdio: ["ignore", "ignore", "pipe", "pipe"],
  });
  let said = "";
  const child = new Child({
    provider: "p",
    module: new Uint8Array(),
    memoryBytes: 16 << 20,
    processMemoryBytes: 256 << 20,
    imports: IMPORTS,
    hostCalls: 3,
    outputBytes: MAX_MESSAGE,
    gate: never,
    onStderr: (text) => {
      said += text;
    },
    wall: standIn(() => shell),
  });
  child.loaded.catch(() => {});
  assert.deepEqual(await child.ended, { how: "exit code 0", taken: false });
  await new Promise((resolve) => shell.stderr?.once("close", resolve));
  assert.match(said, /^\d+\n$/, "its last words were read");
  process.kill(Number(said), "SIGKILL");
  t.diagnostic(said);
});

test("a process that closes its link and lives on is killed, and taken for taken over", async () => {
  const says = Buffer.concat([STARTED, LOADED]).toString("base64");
  const program = `
    const link = new (require("node:net").Socket)({ fd: 3 });
    link.end(Buffer.from("${says}", "base64"));
    setInterval(() => {}, 1000);`;
  const child = new Child({
    provider: "p",
    module: new Uint8Array(),
    memoryBytes: 16 << 20,
    processMemoryBytes: 256 << 20,
    imports: IMPORTS,
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
  assert.deepEqual(await child.ended, { how: "it closed its link and lives on", taken: true });
});

/**
 * Asks once for each of so many calls and reads nothing of what it is told, until it gets SIGUSR2; then it ends each call that it has
 * the answer of.
 */
const DEAF = `
  import { Socket } from "node:net";
  import { encodeFrame, Frame, FrameReader } from ${JSON.stringify(new URL("./wire.mjs", import.meta.url).href)};
  const link = new Socket({ fd: 3 });
  const calls = Number(process.argv[1]);
  const ask = Buffer.from(process.argv[2], "base64");
  link.write(Buffer.from(process.argv[3], "base64"));
  // a link that is not read keeps no process alive
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

/** @returns the child, and its calls when as many host calls as there are calls were answered, or it has ended */
async function deaf(t: TestContext, calls: number) {
  let asked = 0;
  const all = Promise.withResolvers<void>();
  const gate: Gate = async () => {
    asked += 1;
    if (asked === calls) setImmediate(all.resolve);
    return LARGEST_ANSWER;
  };
  const args = [`${calls}`, hostCall("net", "request").toString("base64")];
  const says = Buffer.concat([STARTED, LOADED]).toString("base64");
  const child = start(t, { gate, program: [DEAF, ...args, says] });
  await child.loaded;
  const ended = Array.from({ length: calls }, () =>
    child.call("encrypt", new Uint8Array(), performance.now() + 60_000),
  );
  const settled = Promise.allSettled(ended);
  await Promise.race([all.promise, child.ended]);
  return { child, settled };
}

test("a process that asks and does not read is ended when 80 MiB wait for it, also within one turn", async (t) => {
  const { child, settled } = await deaf(t, MAX_UNREAD / MAX_MESSAGE + 40);
  const { how, taken } = await child.ended;
  assert.deepEqual([how, taken], [`it asks and does not read: over ${MAX_UNREAD} bytes wait for it`, true]);
  for (const each of await settled)
    assert.ok(each.status === "rejected" && each.reason instanceof ChildGone, each.status);
});

test("a process that reads late gets up to 80 MiB, and lives", async (t) => {
  const calls = MAX_UNREAD / MAX_MESSAGE - 40;
  const { child, settled } = await deaf(t, calls);
  assert.ok(child.alive);
  process.kill(child.pid ?? 0, "SIGUSR2");
  const good = (await settled).filter(({ status }) => status === "fulfilled");
  assert.equal(good.length, calls);
});
