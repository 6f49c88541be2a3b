/** Calls while processes start, exit and are in quarantine. The processes are fakes that the test controls. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { type Duplex, duplexPair } from "node:stream";
import { describe, type TestContext, test } from "node:test";
import { assertFailure } from "../../test/support/failures.ts";
import { standIn } from "../../test/support/wall.ts";
import { KleidiError } from "../error.ts";
import { HostCode, refusal } from "../host-call.ts";
import { type Quarantine, Supervisor, type SupervisorOptions } from "./supervisor.ts";
import { encodeFrame, Frame, FrameReader, MAX_MESSAGE, RPCS } from "./wire.mjs";

interface ReceivedCall {
  readonly call: number;
  readonly rpc: string;
  readonly input: readonly number[];
}

/** A process that sends STARTED and then waits for the test. */
class FakeProcess extends EventEmitter {
  readonly pid: number;
  readonly stderr = null;
  readonly stdio: readonly (Duplex | null)[];
  readonly calls: ReceivedCall[] = [];
  readonly #link: Duplex;
  #ended = false;

  constructor(pid: number) {
    super();
    this.pid = pid;
    const [host, guest] = duplexPair();
    this.stdio = [null, null, null, host];
    this.#link = guest;
    const reader = new FrameReader(1 << 20, (type, call, payload) => {
      if (type !== Frame.CALL) return;
      this.calls.push({ call, rpc: RPCS[payload[0] ?? 0] ?? "", input: [...payload.subarray(1)] });
      this.emit("call");
    });
    guest.on("data", (chunk: Buffer) => reader.push(chunk));
    this.send(Frame.STARTED);
  }

  /** @param call 1-based number of the call that it received */
  async received(call: number): Promise<ReceivedCall> {
    while (this.calls.length < call) await once(this, "call");
    return this.calls[call - 1] as ReceivedCall;
  }

  send(type: number, call = 0, payload: Uint8Array = new Uint8Array()): void {
    this.#link.write(encodeFrame(type, call, payload));
  }

  load(): void {
    this.send(Frame.LOADED);
  }

  end(how: NodeJS.Signals | number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.emit("exit", typeof how === "number" ? how : null, typeof how === "number" ? null : how);
  }

  /** As with a real process, the exit comes a little later. */
  kill(signal: NodeJS.Signals): boolean {
    setImmediate(() => this.end(signal));
    return true;
  }
}

interface Setting {
  readonly supervisor: Supervisor;
  /** Resolves with the nth process (1-based) when it starts. */
  process(nth: number): Promise<FakeProcess>;
  readonly started: readonly FakeProcess[];
  readonly ends: [how: string, nextInMs: number][];
  readonly quarantines: Quarantine[];
}

function setUp(t: TestContext, changes: Partial<SupervisorOptions> = {}): Setting {
  const started: FakeProcess[] = [];
  const starts = new EventEmitter();
  const ends: Setting["ends"] = [];
  const quarantines: Quarantine[] = [];
  const supervisor = new Supervisor({
    provider: "p",
    module: new Uint8Array(),
    imports: [],
    memory: { initial: 1, maximum: 1 },
    memoryBytes: 16 << 20,
    hostCalls: 3,
    inputBytes: 64,
    outputBytes: MAX_MESSAGE,
    deadlineMs: 60_000,
    concurrentCalls: 2,
    queue: 2,
    standby: true,
    standbyDelayMs: 0,
    gate: async () => refusal(HostCode.DENIED, "no"),
    onStderr: () => {},
    onEnd: (how, nextInMs) => ends.push([how, nextInMs]),
    onQuarantine: (quarantine) => quarantines.push(quarantine),
    processMemoryBytes: 256 << 20,
    wall: standIn(() => {
      const fake = new FakeProcess(1000 + started.length);
      started.push(fake);
      starts.emit("start");
      return fake as unknown as ChildProcess;
    }),
    ...changes,
  });
  t.after(() => supervisor.stop());
  return {
    supervisor,
    started,
    ends,
    quarantines,
    async process(nth) {
      while (started.length < nth) await once(starts, "start");
      return started[nth - 1] as FakeProcess;
    },
  };
}

/** Starts a supervisor and loads both processes. */
async function running(t: TestContext, changes: Partial<SupervisorOptions> = {}) {
  const setting = setUp(t, changes);
  const start = setting.supervisor.start();
  const first = await setting.process(1);
  first.load();
  await start;
  const second = await setting.process(2);
  second.load();
  await until(() => setting.supervisor.state().processes === 2);
  return { ...setting, first, second };
}

/** Waits a number of turns of the event loop. */
async function until(isSo: () => boolean): Promise<void> {
  for (let turn = 0; !isSo(); turn++) {
    assert.ok(turn < 100_000, "the condition does not become true");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const bytes = (...values: number[]) => Uint8Array.from(values);

async function codeOf(call: Promise<unknown>): Promise<string> {
  return await call.then(
    () => "served",
    (error: unknown) => (error instanceof KleidiError ? error.code : String(error)),
  );
}

test("the state is starting until a process is loaded, then ready, and both processes are kept", async (t) => {
  const { supervisor, process, started } = setUp(t);
  const states = () => {
    const { state, processes } = supervisor.state();
    return [state, processes, supervisor.pids.length];
  };
  assert.deepEqual(states(), ["starting", 0, 0]);
  const start = supervisor.start();
  const first = await process(1);
  assert.deepEqual(states(), ["starting", 0, 0]);
  assert.equal(started.length, 1);
  first.load();
  await start;
  assert.deepEqual(states(), ["ready", 1, 1]);
  (await process(2)).load();
  await until(() => supervisor.state().processes === 2);
  assert.deepEqual(supervisor.pids, [1000, 1001]);
  assert.equal(started.length, 2);
});

describe("before the standby process is started", () => {
  const LATER = { standbyDelayMs: 5000 };

  /** A supervisor whose first process is loaded. The time of its timers is the test's. */
  async function first(t: TestContext) {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const setting = setUp(t, LATER);
    const start = setting.supervisor.start();
    const process = await setting.process(1);
    process.load();
    await start;
    return { ...setting, first: process };
  }

  test("one process serves, and the standby is started when its time comes", async (t) => {
    const { supervisor, started } = await first(t);
    t.mock.timers.tick(4999);
    assert.equal(started.length, 1);
    assert.deepEqual([supervisor.state().state, supervisor.state().processes], ["ready", 1]);
    t.mock.timers.tick(1);
    assert.equal(started.length, 2);
  });

  test("an exit of the only process is waited out: a replacement serves its call, a standby is started with it, and none later", async (t) => {
    const { supervisor, first: only, process, started, ends } = await first(t);
    const call = supervisor.call("decrypt", bytes(5));
    await only.received(1);
    only.end("SIGKILL");
    await until(() => ends.length === 1);
    assert.deepEqual(ends, [["SIGKILL", 0]]);
    t.mock.timers.tick(0);
    const second = await process(2);
    second.load();
    const received = await second.received(1);
    assert.deepEqual(received.input, [5]);
    second.send(Frame.RESULT, received.call, bytes(6));
    assert.deepEqual(await call, bytes(6));
    t.mock.timers.tick(5000);
    assert.equal(started.length, 3);
  });

  test("a stop and a quarantine cancel its start", async (t) => {
    const stopped = await first(t);
    const stop = stopped.supervisor.stop();
    stopped.first.end("SIGKILL");
    await stop;
    t.mock.timers.tick(5000);
    assert.equal(stopped.started.length, 1);

    const quarantined = setUp(t, LATER);
    const start = quarantined.supervisor.start();
    const process = await quarantined.process(1);
    process.load();
    await start;
    process.send(99);
    await until(() => quarantined.quarantines.length === 1);
    t.mock.timers.tick(5000);
    assert.equal(quarantined.started.length, 1);
  });
});

test("without a process the state is starting, a call waits, and the next process serves it", async (t) => {
  const { supervisor, process, first, second } = await running(t);
  first.end("SIGKILL");
  second.end("SIGKILL");
  await until(() => supervisor.state().ends === 2);
  assert.equal(supervisor.state().state, "starting");
  const call = supervisor.call("encrypt", bytes(7));
  assert.deepEqual(
    [supervisor.state().state, supervisor.state().inFlight, supervisor.state().ends],
    ["starting", 1, 2],
  );
  const third = await process(3);
  third.load();
  const received = await third.received(1);
  assert.deepEqual(received, { call: 1, rpc: "encrypt", input: [7] });
  assert.equal(supervisor.state().state, "ready");
  third.send(Frame.RESULT, received.call, bytes(8));
  assert.deepEqual(await call, bytes(8));
  assert.equal(supervisor.state().inFlight, 0);
});

test("a process that is being killed gets no call and is not counted; the other one serves", async (t) => {
  const { supervisor, first, second } = await running(t, { deadlineMs: 30 });
  // The call exceeds its deadline: its process is killed, and has not exited yet.
  const late = supervisor.call("encrypt", bytes(1));
  await first.received(1);
  assert.equal(await codeOf(late), "deadline");
  const next = supervisor.call("encrypt", bytes(2));
  const received = await second.received(1);
  assert.deepEqual(received.input, [2]);
  second.send(Frame.RESULT, received.call, bytes(3));
  assert.equal(await codeOf(next), "served");
});

test("a call whose process exits is repeated once", async (t) => {
  const { supervisor, first, second, ends } = await running(t);
  const call = supervisor.call("decrypt", bytes(5));
  await first.received(1);
  first.end(7);
  assert.deepEqual((await second.received(1)).input, [5]);
  second.end("SIGSEGV");
  await assertFailure(t, "provider-unavailable", () => call);
  assert.deepEqual(ends, [
    ["exit code 7", 0],
    ["SIGSEGV", 100],
  ]);
});

test("a call that waits for a process fails at its absolute deadline", async (t) => {
  const { supervisor, first, second } = await running(t, {
    restartPolicy: { firstBackoffMs: 1e9, lastBackoffMs: 1e9 },
  });
  first.end("SIGKILL");
  second.end("SIGKILL");
  await until(() => supervisor.state().processes === 0);
  // Two months of uptime: a relative deadline would pass at once, or never.
  const now = 60 * 24 * 3_600_000;
  t.mock.method(performance, "now", () => now);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let code: string | undefined;
  const call = codeOf(supervisor.call("encrypt", bytes())).then((how) => {
    code = how;
  });
  await until(() => supervisor.state().inFlight === 1);
  t.mock.timers.tick(59_999);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(code, undefined);
  t.mock.timers.tick(1);
  await call;
  assert.equal(code, "provider-unavailable");
});

test("a standby process that never loads does not end the one that serves", async (t) => {
  const policy = {
    failures: 3,
    firstBackoffMs: 1,
    lastBackoffMs: 1,
    firstQuarantineMs: 1,
    lastQuarantineMs: 1,
  };
  const { supervisor, process, quarantines, ends } = setUp(t, { restartPolicy: policy });
  const start = supervisor.start();
  const first = await process(1);
  first.load();
  await start;
  for (let nth = 2; nth <= 8; nth++) (await process(nth)).end("SIGKILL");
  const late = await process(9);
  const { pids } = supervisor;
  assert.deepEqual([quarantines, ends.length, pids], [[], 7, [first.pid]]);
  // Once it has served, its exits count.
  late.load();
  first.end("SIGKILL");
  for (let nth = 10; quarantines.length === 0; nth++) {
    const next = await process(nth);
    next.load();
    await until(() => supervisor.pids.includes(next.pid) || quarantines.length > 0);
    next.end("SIGKILL");
    await until(() => quarantines.length > 0 || !supervisor.pids.includes(next.pid));
  }
  assert.match(quarantines[0]?.reason ?? "", /^its process exited 3 times in a row/);
});

test("each process whose module loads too late doubles the time for the next one, up to 20 s", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const policy = { firstBackoffMs: 0, lastBackoffMs: 0 };
  const { supervisor, process, ends } = setUp(t, { restartPolicy: policy, standby: false });
  const start = assert.rejects(supervisor.start(), { code: "module-invalid" });
  for (const [i, ms] of [5_000, 10_000, 20_000, 20_000].entries()) {
    await process(i + 1);
    t.mock.timers.tick(ms - 1);
    assert.equal(ends.length, i);
    t.mock.timers.tick(1);
    await until(() => ends.length === i + 1);
    t.mock.timers.tick(1);
  }
  await start;
});

test("quarantine rejects all waiting calls at once with its reason and its end", async (t) => {
  const { supervisor, first, second, quarantines, process } = await running(t, {
    restartPolicy: { failures: 3, firstBackoffMs: 0, firstQuarantineMs: 60_000 },
  });
  first.end("SIGKILL");
  second.end("SIGKILL");
  const third = await process(3);
  // Two wait for a process, two in the queue.
  const calls = [1, 2, 3, 4].map((each) => supervisor.call("encrypt", bytes(each)));
  const refused = Promise.allSettled(calls);
  await until(() => supervisor.state().waiting === 2 && supervisor.state().inFlight === 2);
  const before = Date.now();
  third.end("SIGKILL");
  await until(() => quarantines.length > 0);
  const reason = "its process exited 3 times in a row, most recently: SIGKILL";
  const [quarantine] = quarantines;
  assert.equal(quarantine?.reason, reason);
  assert.ok((quarantine.until ?? 0) >= before + 60_000);
  const end = new Date(quarantine.until ?? 0).toISOString();
  for (const each of await refused) {
    assert.equal(each.status, "rejected");
    assert.equal(each.reason.code, "provider-quarantined");
    assert.match(
      each.reason.message,
      new RegExp(
        `^Cannot (encrypt|call the provider): provider "p" is in quarantine, ${reason}; it is tried again at ${end}$`,
      ),
    );
  }
  assert.deepEqual([supervisor.state().waiting, supervisor.state().inFlight], [0, 0]);
  assert.equal(supervisor.state().state, "quarantined");
  assert.deepEqual(supervisor.state().quarantine, quarantine);
  assert.equal(await codeOf(supervisor.call("status", bytes())), "provider-quarantined");
});

test("a call in flight at the start of quarantine fails with provider-quarantined and is not repeated", async (t) => {
  const { supervisor, first, second } = await running(t);
  const calls = [supervisor.call("encrypt", bytes(1)), supervisor.call("encrypt", bytes(2))];
  await first.received(2);
  // kleidi's guest program never sends this.
  first.send(99);
  assert.deepEqual(await Promise.all(calls.map(codeOf)), ["provider-quarantined", "provider-quarantined"]);
  assert.deepEqual(second.calls, []);
  assert.match(
    supervisor.state().quarantine?.reason ?? "",
    /^its process was taken over: it sent a frame of the unexpected type 99$/,
  );
  assert.equal(supervisor.state().quarantine?.until, undefined);
});

test("a provider whose process was taken over is not started again", async (t) => {
  const { supervisor, first, second, started } = await running(t, {
    restartPolicy: { firstQuarantineMs: 1 },
  });
  first.send(99);
  await until(() => supervisor.state().state === "quarantined");
  await once(second, "exit");
  await assert.rejects(supervisor.call("encrypt", bytes()), {
    code: "provider-quarantined",
    message: /; it is not started again until the host restarts$/,
  });
  await until(() => supervisor.state().processes === 0);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(started.length, 2);
});

test("after a quarantine the provider starts and serves again", async (t) => {
  const { supervisor, first, process, started } = await running(t, {
    restartPolicy: { failures: 1, firstQuarantineMs: 20 },
  });
  first.end("SIGKILL");
  await until(() => supervisor.state().state === "quarantined");
  // The timers of the supervisor do not keep the process alive.
  const alive = setInterval(() => {}, 1_000);
  t.after(() => clearInterval(alive));
  const third = await process(3);
  assert.equal(supervisor.state().state, "starting");
  assert.equal(supervisor.state().quarantine, undefined);
  third.load();
  const call = supervisor.call("status", bytes());
  const received = await third.received(1);
  third.send(Frame.RESULT, received.call);
  assert.equal(await codeOf(call), "served");
  assert.equal(started.length, 4);
});

test("start rejects with module-invalid for a module that cannot be loaded, and keeps trying", async (t) => {
  const { supervisor, process, ends } = setUp(t);
  const start = supervisor.start();
  (await process(1)).send(Frame.FAILED, 0, Buffer.from("no such import"));
  await assertFailure(t, "module-invalid", () => start);
  assert.equal(supervisor.state().state, "starting");
  (await process(2)).load();
  await until(() => supervisor.state().state === "ready");
  assert.deepEqual(ends, [["it could not be loaded", 0]]);
});

test("start rejects with provider-unavailable if the process exits before it is loaded", async (t) => {
  const { supervisor, process } = setUp(t);
  const start = supervisor.start();
  (await process(1)).end(1);
  await assert.rejects(start, { code: "provider-unavailable" });
});

test("a call beyond the queue and an input over its limit are rejected at once", async (t) => {
  const { supervisor, first } = await running(t);
  const calls = [1, 2, 3, 4].map((each) => codeOf(supervisor.call("encrypt", bytes(each))));
  await assertFailure(t, "overloaded", () => supervisor.call("encrypt", bytes(5)));
  await assertFailure(t, "request-too-large", () => supervisor.call("encrypt", new Uint8Array(65)));
  for (let each = 1; each <= 4; each++) first.send(Frame.RESULT, (await first.received(each)).call);
  assert.deepEqual(await Promise.all(calls), ["served", "served", "served", "served"]);
  const largest = supervisor.call("encrypt", new Uint8Array(64));
  first.send(Frame.RESULT, (await first.received(5)).call);
  assert.equal(await codeOf(largest), "served");
});

test("stop rejects all calls with stopping, and starts no process", async (t) => {
  const { supervisor, first, second, started } = await running(t);
  const calls = [1, 2, 3].map((each) => codeOf(supervisor.call("encrypt", bytes(each))));
  await first.received(2);
  await supervisor.stop();
  assert.deepEqual(await Promise.all(calls), ["stopping", "stopping", "stopping"]);
  assert.equal(supervisor.state().state, "stopped");
  assert.equal(supervisor.state().processes, 0);
  assert.equal(await codeOf(supervisor.call("encrypt", bytes())), "stopping");
  assert.equal(supervisor.state().ends, 0);
  assert.equal(started.length, 2);
  assert.ok(second.calls.length === 0);
});
