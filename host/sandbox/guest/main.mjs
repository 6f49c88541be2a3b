/**
 * The program of a provider's process. Its only descriptor is the link to the host. It compiles the module that the host sends,
 * runs each call in a new instance, and forwards host calls. Only ../child.ts starts it.
 */
import { Socket } from "node:net";
import { IdleMemory } from "../idle-memory.mjs";
import { Frame, FrameReader, FrameWriter, MAX_MESSAGE, RPCS, USAGE_BYTES } from "../wire.mjs";
import { encodeReply } from "./codec.mjs";
import { compute, NotAuthentic } from "./crypto.mjs";
import { harden } from "./harden.mjs";
import { createInstance, prepareEngine } from "./instance.mjs";
import { Memories } from "./memories.mjs";

/** @typedef {import("./instance.mjs").Instance & { createdMs: number }} Timed an instance with the time that its creation took */

// Instances that are created in advance. Encrypt with its read-back uses two.
const SPARES = 4;
const MAX_HOST_FRAME = 64 << 20;
// Memory of dropped instances that is not collected yet, in bytes. Without this limit it grows to gigabytes.
const MAX_GARBAGE = 128 << 20;
const NONE = new Uint8Array();
/** The largest number of a report. */
const MAX_U32 = 0xffff_ffff;
// harden() removes it from the globals.
const clock = globalThis.performance;

const link = new Socket({ fd: 3, readable: true, writable: true });
const writer = new FrameWriter(link);
const text = new TextEncoder();
// The host has no --expose-gc, this process has (../guest-arguments.ts).
const idleMemory = new IdleMemory(() => globalThis.gc?.({ type: "major", flavor: "last-resort" }));

/**
 * @type {{
 *   module: WebAssembly.Module,
 *   memories: Memories,
 *   imports: { capability: string, operation: string }[],
 *   hostCalls: number,
 *   outputBytes: number,
 *   forwardsCrypto: boolean,
 *   reportsUsage: boolean,
 * } | undefined}
 */
let guest;
/** @type {Timed[]} */
const spares = [];
let refilling = false;
let garbage = 0;
/**
 * Calls in progress, each with its instance, and with the functions that settle its current host call.
 * @type {Map<number, { instance?: Timed, answer?: (reply: Uint8Array) => void, abandon?: (why: Error) => void, begun: number, waitedMs: number }>}
 */
const calls = new Map();

const reader = new FrameReader(MAX_HOST_FRAME, (type, call, payload) => {
  if (type === Frame.LOAD) void load(payload);
  else if (type === Frame.CALL) void run(call, payload);
  else if (type === Frame.ANSWER) calls.get(call)?.answer?.(new Uint8Array(payload));
  else if (type === Frame.DROP) {
    // The engine keeps a suspended stack, with everything that it refers to, until it resumes: a rejection ends it.
    calls.get(call)?.abandon?.(new Error("the call is over"));
    calls.delete(call);
  }
});
link.on("data", (/** @type {Buffer} */ chunk) => reader.push(chunk));
link.on("end", () => process.exit(0));
link.on("error", () => process.exit(1));

// Before the first byte of the host, and of a guest, is read.
harden();
writer.send(Frame.STARTED, 0);
idleMemory.watch();

// Service managers and terminals signal the whole group. The host ends this process through the link, after its calls are done.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => {});

/** @param {Buffer} payload */
async function load(payload) {
  try {
    const length = payload.readUInt32BE(0);
    /** @type {import("../wire.mjs").LoadOptions} */
    const options = JSON.parse(payload.toString("utf8", 4, 4 + length));
    const module = new WebAssembly.Module(new Uint8Array(payload.subarray(4 + length)));
    const seen = WebAssembly.Module.imports(module);
    // Admission used its own parser: if the engine reads the module differently, the decisions of admission do not hold.
    if (JSON.stringify(seen.map((entry) => [entry.module, entry.name])) !== JSON.stringify(options.imports)) {
      throw new Error("the engine sees other imports in the module than admission did");
    }
    const imports = seen
      .filter((entry) => entry.module.startsWith("kleidi:"))
      .map((entry) => ({ capability: entry.module.slice("kleidi:".length), operation: entry.name }));
    const { hostCalls, outputBytes, forwardsCrypto = false, reportsUsage = false } = options;
    const memories = new Memories(options.memory);
    prepareEngine(module, memories);
    guest = { module, memories, imports, hostCalls, outputBytes, forwardsCrypto, reportsUsage };
    spares.push(await fresh());
    writer.send(Frame.LOADED, 0);
  } catch (error) {
    writer.send(Frame.FAILED, 0, text.encode(reason(error)));
  }
}

async function fresh() {
  if (guest === undefined) throw new Error("no module is loaded");
  const { module, memories, imports, outputBytes, forwardsCrypto } = guest;
  const begun = clock.now();
  const instance = await createInstance(module, memories, imports, outputBytes, forwardsCrypto);
  return Object.assign(instance, { createdMs: clock.now() - begun });
}

/**
 * @param {number} call
 * @param {Buffer} payload
 */
async function run(call, payload) {
  idleMemory.count();
  const rpc = RPCS[payload.readUInt8(0)];
  const input = new Uint8Array(payload.subarray(1));
  /** @type {{ instance?: Timed, begun: number, waitedMs: number }} */
  const state = { begun: clock.now(), waitedMs: 0 };
  calls.set(call, state);
  try {
    if (guest === undefined) throw new Error("no module is loaded");
    const instance = spares.pop() ?? (await fresh());
    state.instance = instance;
    state.begun = clock.now();
    const output = await instance.call(
      `kleidi_${rpc}`,
      input,
      hostCallsOf(call, guest.hostCalls, guest.forwardsCrypto),
    );
    reportUsage(call);
    if (calls.delete(call)) writer.send(Frame.RESULT, call, output);
  } catch (error) {
    reportUsage(call);
    if (calls.delete(call)) writer.send(Frame.FAILED, call, text.encode(reason(error)));
  }
  // When the reply has left.
  setImmediate(() => {
    garbage += state.instance?.end() ?? 0;
    void refill();
  });
}

/**
 * Sends what a call in progress used, if the host asked for it.
 * @param {number} call
 */
function reportUsage(call) {
  const { instance, begun = 0, waitedMs = 0 } = calls.get(call) ?? {};
  if (!guest?.reportsUsage || instance === undefined) return;
  const usage = Buffer.alloc(USAGE_BYTES);
  const { blocks, blockBytes } = instance.blocks();
  const times = [instance.createdMs, clock.now() - begun - waitedMs].map((ms) => Math.round(ms * 1000));
  // a refused block is counted too, and may have any size
  const numbers = [instance.memory.buffer.byteLength, blocks, blockBytes, ...times];
  for (const [index, value] of numbers.entries())
    usage.writeUInt32BE(Math.min(Math.max(value, 0), MAX_U32), 4 * index);
  writer.send(Frame.USAGE, call, usage);
}

/**
 * @param {number} call
 * @param {number} budget
 * @param {boolean} forwardsCrypto
 * @returns {import("./instance.mjs").HostCall}
 */
function hostCallsOf(call, budget, forwardsCrypto) {
  let used = 0;
  const overBudget = encodeReply(6, `at most ${budget} host calls are allowed in a call`, NONE);
  return (capability, operation, request) => {
    used += 1;
    if (used > budget) return overBudget;
    if (request.length > MAX_MESSAGE) {
      return encodeReply(
        2,
        `the request is ${request.length} bytes, at most ${MAX_MESSAGE} are allowed`,
        NONE,
      );
    }
    const computed =
      capability === "crypto" && !forwardsCrypto ? computeReply(operation, request) : undefined;
    if (computed !== undefined) return computed;
    return new Promise((resolve, reject) => {
      const state = calls.get(call);
      if (state === undefined) return reject(new Error("the call is over"));
      const since = clock.now();
      state.answer = (reply) => {
        state.waitedMs += clock.now() - since;
        resolve(reply);
      };
      state.abandon = reject;
      const names = [capability, operation].flatMap((name) => [name.length, ...text.encode(name)]);
      writer.send(Frame.HOST_CALL, call, Uint8Array.from(names), request);
    });
  };
}

/**
 * Computes the reply; undefined if the operation does not exist, which admission rules out.
 * @param {string} operation
 * @param {Uint8Array} request
 */
function computeReply(operation, request) {
  try {
    const body = compute(operation, request);
    return body === undefined ? undefined : encodeReply(0, "", body);
  } catch (error) {
    return encodeReply(error instanceof NotAuthentic ? 4 : 2, reason(error), NONE);
  }
}

async function refill() {
  if (garbage > MAX_GARBAGE) {
    garbage = 0;
    // Available through --expose-gc (../guest-arguments.ts). It takes some milliseconds.
    globalThis.gc?.();
  }
  if (refilling || guest === undefined) return;
  refilling = true;
  try {
    while (spares.length < SPARES) spares.push(await fresh());
  } catch {
    // The next call creates its own instance and reports the failure.
  } finally {
    refilling = false;
  }
}

/**
 * Returns a message for the host's log. It can quote the guest, so the host truncates it and never forwards it.
 * @param {unknown} error
 */
function reason(error) {
  return (
    error instanceof Error ? `${error.name}: ${error.message}` : "it threw a value that is not an Error"
  ).slice(0, 512);
}
