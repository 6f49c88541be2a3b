/**
 * A provider's process that is not trusted: host/sandbox/child.ts connected to a script in place of a process, so that thousands of
 * processes can be simulated in a second. host/sandbox/child.test.ts does the same with a few real ones.
 */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { EventEmitter } from "node:events";
import { Duplex } from "node:stream";
import { setImmediate as immediate } from "node:timers/promises";
import fc from "fast-check";
import { KleidiError } from "../../host/error.ts";
import { type HostAnswer, type HostCall, HostCode } from "../../host/host-call.ts";
import { Child, ChildGone } from "../../host/sandbox/child.ts";
import { encodeFrame, Frame, FrameReader, MAX_CHILD_FRAME, MAX_MESSAGE } from "../../host/sandbox/wire.mjs";
import { standIn } from "../support/wall.ts";
import type { Target } from "./target.ts";

const HOST_CALLS = 3;
const IMPORTS = [
  { module: "kleidi:log", name: "write" },
  { module: "kleidi:keystore", name: "seal" },
];
const CODES = ["provider-fault", "capability-denied", "deadline"];
const CALLS = 3;

/** Exits one turn after it is killed, like a real process. */
class Played extends EventEmitter {
  readonly link: Duplex;
  readonly stdio: unknown[];
  readonly stderr = null;
  readonly pid = undefined;
  killed = false;
  /** Types of the frames that the host sent, and the calls that it answered. */
  readonly sent: { type: number; call: number }[] = [];
  #ended = false;

  constructor() {
    super();
    const reader = new FrameReader(1 << 20, (type, call) => this.sent.push({ type, call }));
    this.link = new Duplex({
      read() {},
      write: (chunk: Buffer, _encoding, done) => {
        reader.push(chunk);
        done();
      },
    });
    this.stdio = [null, null, null, this.link];
  }

  kill(): boolean {
    this.killed = true;
    setImmediate(() => this.end());
    return true;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.emit("exit", this.killed ? null : 1, this.killed ? "SIGKILL" : null);
  }
}

type Said =
  | { readonly kind: "loaded" | "not loaded"; readonly call: number }
  | { readonly kind: "result" | "failed"; readonly call: number; readonly bytes: Uint8Array }
  | { readonly kind: "host call"; readonly call: number; readonly names: readonly [string, string] }
  | { readonly kind: "long"; readonly type: number; readonly call: number; readonly length: number }
  | { readonly kind: "frame"; readonly type: number; readonly call: number; readonly bytes: Uint8Array }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array };
type Step =
  | { readonly kind: "says"; readonly what: readonly Said[]; readonly cut: number }
  | { readonly kind: "answer"; readonly code: number }
  | { readonly kind: "call" | "turn" };

const call = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: 1, max: CALLS }) },
  { weight: 1, arbitrary: fc.constantFrom(0, CALLS + 1, 99, 0xffff_ffff) },
);
const bytes = fc.uint8Array({ maxLength: 12 });
const name = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("log", "keystore", "seal") },
  { weight: 1, arbitrary: fc.constantFrom("", "../x", "LOG", "a\n", "x".repeat(33), "__proto__", "\u001b") },
);
const constant = <T extends string>(kind: T) => fc.constant(kind);
const said: fc.Arbitrary<Said> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: constant("result"), call, bytes }) },
  { weight: 3, arbitrary: fc.record({ kind: constant("failed"), call, bytes }) },
  { weight: 8, arbitrary: fc.record({ kind: constant("host call"), call, names: fc.tuple(name, name) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("loaded" as const, "not loaded" as const),
      call: fc.constantFrom(0, 0, 1),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: constant("frame"), type: fc.integer({ max: 255, min: 0 }), call, bytes }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: constant("long"),
      type: fc.constantFrom(Frame.RESULT, Frame.HOST_CALL, Frame.FAILED),
      call,
      length: fc.constantFrom(MAX_MESSAGE, MAX_MESSAGE + 1, MAX_CHILD_FRAME, MAX_CHILD_FRAME + 1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: constant("bytes"), bytes }) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: constant("says"),
      what: fc.array(said, { minLength: 1, maxLength: 3 }),
      cut: fc.integer({ min: 1, max: 200 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: constant("answer"), code: fc.integer({ min: 0, max: 6 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("call" as const, "turn" as const) }) },
);
/** The frames of a well-behaved guest, as a prefix of the script. */
const inOrder = fc
  .tuple(fc.integer({ min: 1, max: CALLS }), fc.integer({ min: 0, max: 6 }), bytes)
  .map(([call, code, bytes]): Step[] => [
    { kind: "says", what: [{ kind: "host call", call, names: ["log", "write"] }], cut: 200 },
    { kind: "answer", code },
    { kind: "says", what: [{ kind: "result", call, bytes }], cut: 200 },
  ]);
const script = fc.record({
  loads: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
  steps: fc
    .array(
      fc.oneof(
        {
          weight: 4,
          arbitrary: step.map((step): Step[] => [step]),
        },
        { weight: 1, arbitrary: inOrder },
      ),
      { maxLength: 12 },
    )
    .map((steps) => steps.flat()),
  end: fc.oneof(
    { weight: 6, arbitrary: constant("exit") },
    { weight: 2, arbitrary: constant("half a frame, then exit") },
    { weight: 1, arbitrary: constant("deadline") },
  ),
});

function frameOf(said: Said): Buffer {
  if (said.kind === "bytes") return Buffer.from(said.bytes);
  if (said.kind === "result") return encodeFrame(Frame.RESULT, said.call, said.bytes);
  if (said.kind === "failed") return encodeFrame(Frame.FAILED, said.call, said.bytes);
  if (said.kind === "frame") return encodeFrame(said.type, said.call, said.bytes);
  if (said.kind === "long") return encodeFrame(said.type, said.call, new Uint8Array(said.length));
  if (said.kind === "host call") {
    const names = said.names.flatMap((name) => [Buffer.byteLength(name), ...Buffer.from(name)]);
    return encodeFrame(Frame.HOST_CALL, said.call, Uint8Array.from(names));
  }
  return encodeFrame(said.kind === "loaded" ? Frame.LOADED : Frame.FAILED, said.call);
}

/** A second implementation of the host's rules for a process that follows the protocol. */
class Model {
  breached = false;
  readonly #open = new Set<number>();
  readonly #waiting = new Map<number, { number: number }>();
  readonly #used = new Map<number, number>();
  readonly denied = new Set<number>();
  /** The one reply that may be forwarded, by call. */
  readonly replies = new Map<number, string>();
  /** Host calls that may reach the gate. */
  gateCalls = 0;
  made = 0;
  #started = false;
  #loaded = false;

  made1(): void {
    this.made += 1;
    this.#open.add(this.made);
  }

  hears(type: number, call: number, payload: Buffer): void {
    if (this.breached) return;
    if (type === Frame.STARTED || !this.#started) {
      this.breached = type !== Frame.STARTED || this.#started || call !== 0;
      this.#started = true;
      return;
    }
    if (type === Frame.LOADED || (type === Frame.FAILED && call === 0)) {
      this.breached = this.#loaded || call !== 0;
      this.#loaded = true;
      return;
    }
    const known = type === Frame.RESULT || type === Frame.FAILED || type === Frame.HOST_CALL;
    this.breached = !known || call === 0 || call > this.made || this.#waiting.has(call);
    if (type === Frame.RESULT && payload.length > MAX_MESSAGE) this.breached = true;
    // No call of a script is given up while the process lives, so a finished one has nothing left to send.
    if (!this.#open.has(call)) this.breached = true;
    if (this.breached) return;
    if (type === Frame.HOST_CALL) this.#hostCall(call, payload);
    else {
      this.#open.delete(call);
      if (type === Frame.RESULT && !this.denied.has(call)) this.replies.set(call, payload.toString("hex"));
    }
  }

  #hostCall(call: number, payload: Buffer): void {
    const first = payload[0] ?? 0;
    const second = payload[1 + first] ?? 0;
    const capability = payload.toString("utf8", 1, 1 + first);
    const operation = payload.toString("utf8", 2 + first, 2 + first + second);
    const used = (this.#used.get(call) ?? 0) + 1;
    this.#used.set(call, used);
    const fit = IMPORTS.some(({ module, name }) => module === `kleidi:${capability}` && name === operation);
    this.breached = !fit || used > HOST_CALLS || payload.length - 2 - first - second > MAX_MESSAGE;
    if (this.breached || this.denied.has(call)) return;
    this.gateCalls += 1;
    this.#waiting.set(call, { number: this.gateCalls });
  }

  answers(number: number, code: number): void {
    for (const [call, waiting] of this.#waiting) {
      if (waiting.number !== number) continue;
      this.#waiting.delete(call);
      if (code === HostCode.DENIED) this.denied.add(call);
    }
  }
}

interface Settled {
  readonly value?: Uint8Array;
  readonly error?: unknown;
}

async function play({
  loads,
  steps,
  end,
}: typeof script extends fc.Arbitrary<infer T> ? T : never): Promise<string[]> {
  const process = new Played();
  const model = new Model();
  const gate: { call: HostCall; answer: (answer: HostAnswer) => void; answered: boolean }[] = [];
  const child = new Child({
    provider: "p",
    module: new Uint8Array(),
    imports: IMPORTS,
    memory: { initial: 1, maximum: 1 },
    memoryBytes: 16 << 20,
    hostCalls: HOST_CALLS,
    outputBytes: MAX_MESSAGE,
    gate: (call) => new Promise((answer) => gate.push({ call, answer, answered: false })),
    onStderr: () => {},
    processMemoryBytes: 256 << 20,
    wall: standIn(() => process as unknown as ChildProcess),
  });
  const hears = new FrameReader(MAX_CHILD_FRAME, (type, call, payload) => model.hears(type, call, payload));
  const say = (bytes: Buffer, cut: number) => {
    if (bytes.length === 0) return;
    for (let at = 0; at < bytes.length; at += cut) process.link.push(bytes.subarray(at, at + cut));
    try {
      hears.push(bytes);
    } catch {
      model.breached = true;
    }
  };
  const settled: (Settled | undefined)[] = [];
  const all: Promise<void>[] = [];
  const deadline = end === "deadline" ? 4 : 60_000;
  const make = () => {
    const index = settled.push(undefined) - 1;
    if (child.alive) model.made1();
    all.push(
      child.call("encrypt", new Uint8Array(), performance.now() + deadline).then(
        (value) => {
          settled[index] = { value };
        },
        (error) => {
          settled[index] = { error };
        },
      ),
    );
  };
  const loading = child.loaded.catch((error) => {
    assert.ok(
      error instanceof ChildGone || (error instanceof KleidiError && error.code === "module-invalid"),
    );
  });
  say(encodeFrame(Frame.STARTED, 0), 1000);
  if (loads) say(encodeFrame(Frame.LOADED, 0), 1000);
  for (let i = 0; i < CALLS; i++) make();
  await immediate();
  for (const step of steps) {
    if (step.kind === "says") say(Buffer.concat(step.what.map(frameOf)), step.cut);
    else if (step.kind === "call" && settled.length < 6) make();
    else if (step.kind === "answer") {
      const next = gate.find(({ answered }) => !answered);
      if (next !== undefined) {
        next.answered = true;
        model.answers(gate.indexOf(next) + 1, step.code);
        next.answer({
          code: step.code,
          message: step.code === HostCode.DENIED ? "no" : "",
          body: new Uint8Array(),
        });
      }
    }
    await immediate();
    // A deadline may pass while the script runs; after that the model makes no prediction.
    if (end !== "deadline") assert.equal(process.killed, model.breached, "whether it is killed");
  }
  if (end === "half a frame, then exit")
    say(encodeFrame(Frame.RESULT, 1, new Uint8Array(9)).subarray(0, 11), 5);
  if (end === "deadline") {
    await Promise.all(all);
    child.kill("the script is over");
  } else process.end();
  await Promise.all([...all, child.ended, loading]);
  assert.ok(gate.length <= model.gateCalls, "a host call was performed after the breach");
  const outcomes: string[] = [model.breached ? "killed" : "not killed"];
  settled.forEach((result, i) => {
    assert.ok(result !== undefined);
    if (result.value !== undefined) {
      assert.equal(
        Buffer.from(result.value).toString("hex"),
        model.replies.get(i + 1),
        "another call's reply",
      );
      outcomes.push("result");
    } else if (result.error instanceof ChildGone) outcomes.push("gone");
    else {
      assert.ok(
        result.error instanceof KleidiError && CODES.includes(result.error.code),
        String(result.error),
      );
      outcomes.push(result.error.code);
    }
  });
  for (const { type } of process.sent) {
    assert.ok(
      [Frame.LOAD, Frame.CALL, Frame.ANSWER, Frame.DROP].includes(type as never),
      `the host sent ${type}`,
    );
  }
  if (process.sent.some(({ type }) => type === Frame.ANSWER)) outcomes.push("answered");
  return outcomes;
}

export const child: Target = {
  name: "child",
  async open(seen) {
    const unhandled: unknown[] = [];
    const keep = (error: unknown) => unhandled.push(error);
    process.on("unhandledRejection", keep);
    process.on("uncaughtException", keep);
    return {
      properties: [
        {
          name: "each call ends with its own reply or a failure, and a process that breaks the rules is killed",
          cases: 800,
          reaches: ["killed", "not killed", "result", "gone", "answered", ...CODES],
          timed: true,
          property: fc.asyncProperty(script, async (script) => {
            for (const outcome of await play(script)) seen(outcome);
            assert.deepEqual(unhandled.splice(0), []);
          }),
        },
      ],
      async close() {
        process.off("unhandledRejection", keep);
        process.off("uncaughtException", keep);
      },
    };
  },
};
