/** What becomes of callers while processes start, end and are given up. The processes are fakes that do what the test says, when it says it. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { type Duplex, duplexPair } from "node:stream";
import { type TestContext, test } from "node:test";
import { standIn } from "../../test/support/wall.ts";
import { KleidiError } from "../error.ts";
import { HostCode, refusal } from "../host-call.ts";
import { type Quarantine, Supervisor, type SupervisorOptions } from "./supervisor.ts";
import { encodeFrame, Frame, FrameReader, MAX_MESSAGE, RPCS } from "./wire.mjs";

interface Asked {
  readonly call: number;
  readonly rpc: string;
  readonly input: readonly number[];
}

/** A process that says only that it has started. */
class FakeProcess extends EventEmitter {
  readonly pid: number;
  readonly stderr = null;
  readonly stdio: readonly (Duplex | null)[];
  readonly asked: Asked[] = [];
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
      this.asked.push({ call, rpc: RPCS[payload[0] ?? 0] ?? "", input: [...payload.subarray(1)] });
      this.emit("asked");
    });
    guest.on("data", (chunk: Buffer) => reader.push(chunk));
    this.say(Frame.STARTED);
  }

  /** @param call of the supervisor's, from 1 */
  async asking(call: number): Promise<Asked> {
    while (this.asked.length < call) await once(this, "asked");
    return this.asked[call - 1] as Asked;
  }

  say(type: number, call = 0, payload: Uint8Array = new Uint8Array()): void {
    this.#link.write(encodeFrame(type, call, payload));
  }

  load(): void {
    this.say(Frame.LOADED);
  }

  end(how: NodeJS.Signals | number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.emit("exit", typeof how === "number" ? how : null, typeof how === "number" ? null : how);
  }

  /** As the system does it: the process is gone a little later. */
  kill(signal: NodeJS.Signals): boolean {
    setImmediate(() => this.end(signal));
    return true;
  }
}

interface Setting {
  readonly supervisor: Supervisor;
  /** The nth process that was started, from 1, when it is. */
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
    memoryBytes: 16 << 20,
    hostCalls: 3,
    inputBytes: 64,
    outputBytes: MAX_MESSAGE,
    deadlineMs: 60_000,
    concurrentCalls: 2,
    queue: 2,
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

/** Both processes are loaded. */
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

/** Nothing here waits for anything but turns of the event loop. */
async function until(isSo: () => boolean): Promise<void> {
  for (let turn = 0; !isSo(); turn++) {
    assert.ok(turn < 100_000, "it does not come");
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

test("it is starting until a process is loaded, ready with one, and both are kept", async (t) => {
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

test("while both processes are gone it is starting, a call waits, and the next process serves it", async (t) => {
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
  const asked = await third.asking(1);
  assert.deepEqual(asked, { call: 1, rpc: "encrypt", input: [7] });
  assert.equal(supervisor.state().state, "ready");
  third.say(Frame.RESULT, asked.call, bytes(8));
  assert.deepEqual(await call, bytes(8));
  assert.equal(supervisor.state().inFlight, 0);
});

test("a process that is being killed takes no call: it is not counted, and the other one serves", async (t) => {
  const { supervisor, first, second } = await running(t, { deadlineMs: 30 });
  // It runs into its deadline, so its process is killed, and is not gone yet.
  const late = supervisor.call("encrypt", bytes(1));
  await first.asking(1);
  assert.equal(await codeOf(late), "deadline");
  const next = supervisor.call("encrypt", bytes(2));
  const asked = await second.asking(1);
  assert.deepEqual(asked.input, [2]);
  second.say(Frame.RESULT, asked.call, bytes(3));
  assert.equal(await codeOf(next), "served");
});

test("a call that a process took with it is repeated once, and no more", async (t) => {
  const { supervisor, first, second, ends } = await running(t);
  const call = supervisor.call("decrypt", bytes(5));
  await first.asking(1);
  first.end(7);
  assert.deepEqual((await second.asking(1)).input, [5]);
  second.end("SIGSEGV");
  await assert.rejects(call, {
    code: "provider-unavailable",
    message: 'Cannot use provider "p": its process ended and is being started again',
  });
  assert.deepEqual(ends, [
    ["exit code 7", 0],
    ["SIGSEGV", 100],
  ]);
});

test("a call that waits for a process gives up at its deadline, a time of the clock", async (t) => {
  const { supervisor, first, second } = await running(t, {
    patience: { firstBackoffMs: 1e9, lastBackoffMs: 1e9 },
  });
  first.end("SIGKILL");
  second.end("SIGKILL");
  await until(() => supervisor.state().processes === 0);
  // As on a host that is up for two months: a time from now would be over at once, or never.
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

test("at quarantine every caller that waits is sent away at once, for a turn or for a process, and told why and until when", async (t) => {
  const { supervisor, first, second, quarantines, process } = await running(t, {
    patience: { failures: 3, firstBackoffMs: 0, firstQuarantineMs: 60_000 },
  });
  first.end("SIGKILL");
  second.end("SIGKILL");
  const third = await process(3);
  // Two for a process, two for their turn.
  const calls = [1, 2, 3, 4].map((each) => supervisor.call("encrypt", bytes(each)));
  const refused = Promise.allSettled(calls);
  await until(() => supervisor.state().waiting === 2 && supervisor.state().inFlight === 2);
  const before = Date.now();
  third.end("SIGKILL");
  await until(() => quarantines.length > 0);
  const reason = "its process ended 3 times in a row, at last: SIGKILL";
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

test("a call that a quarantine's kill takes with it is told of the quarantine, and not repeated", async (t) => {
  const { supervisor, first, second } = await running(t);
  const calls = [supervisor.call("encrypt", bytes(1)), supervisor.call("encrypt", bytes(2))];
  await first.asking(2);
  // What no guest can make our program say.
  first.say(99);
  assert.deepEqual(await Promise.all(calls.map(codeOf)), ["provider-quarantined", "provider-quarantined"]);
  assert.deepEqual(second.asked, []);
  assert.match(
    supervisor.state().quarantine?.reason ?? "",
    /^its process was taken over: it sent a frame of type 99$/,
  );
  assert.equal(supervisor.state().quarantine?.until, undefined);
});

test("a process that was taken over is not started again before the host is", async (t) => {
  const { supervisor, first, second, started } = await running(t, { patience: { firstQuarantineMs: 1 } });
  first.say(99);
  await until(() => supervisor.state().state === "quarantined");
  await once(second, "exit");
  await assert.rejects(supervisor.call("encrypt", bytes()), {
    code: "provider-quarantined",
    message: /; it is not run again before the host is restarted$/,
  });
  await until(() => supervisor.state().processes === 0);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(started.length, 2);
});

test("after a quarantine it is starting again, and serves", async (t) => {
  const { supervisor, first, process, started } = await running(t, {
    patience: { failures: 1, firstQuarantineMs: 20 },
  });
  first.end("SIGKILL");
  await until(() => supervisor.state().state === "quarantined");
  // Its own timers do not keep a process up.
  const alive = setInterval(() => {}, 1_000);
  t.after(() => clearInterval(alive));
  const third = await process(3);
  assert.equal(supervisor.state().state, "starting");
  assert.equal(supervisor.state().quarantine, undefined);
  third.load();
  const call = supervisor.call("status", bytes());
  const asked = await third.asking(1);
  third.say(Frame.RESULT, asked.call);
  assert.equal(await codeOf(call), "served");
  assert.equal(started.length, 4);
});

test("a module that cannot be loaded is told as that by start, and it goes on trying", async (t) => {
  const { supervisor, process, ends } = setUp(t);
  const start = supervisor.start();
  (await process(1)).say(Frame.FAILED, 0, Buffer.from("no such import"));
  await assert.rejects(start, {
    code: "module-invalid",
    message: 'Cannot load provider "p": its module cannot be compiled or made ready',
  });
  assert.equal(supervisor.state().state, "starting");
  (await process(2)).load();
  await until(() => supervisor.state().state === "ready");
  assert.deepEqual(ends, [["it could not be loaded", 0]]);
});

test("a process that ends before it is loaded is told as that by start", async (t) => {
  const { supervisor, process } = setUp(t);
  const start = supervisor.start();
  (await process(1)).end(1);
  await assert.rejects(start, { code: "provider-unavailable" });
});

test("more callers than may wait are sent away at once, and an input over its limit too", async (t) => {
  const { supervisor, first } = await running(t);
  const calls = [1, 2, 3, 4].map((each) => codeOf(supervisor.call("encrypt", bytes(each))));
  await assert.rejects(supervisor.call("encrypt", bytes(5)), {
    code: "overloaded",
    message: 'Cannot encrypt: provider "p" has 2 calls in flight and 2 waiting, at most 2 and 2 are allowed',
  });
  await assert.rejects(supervisor.call("encrypt", new Uint8Array(65)), {
    code: "request-too-large",
    message: 'Cannot encrypt: the message for provider "p" is 65 bytes, at most 64 are allowed',
  });
  for (let each = 1; each <= 4; each++) first.say(Frame.RESULT, (await first.asking(each)).call);
  assert.deepEqual(await Promise.all(calls), ["served", "served", "served", "served"]);
  const largest = supervisor.call("encrypt", new Uint8Array(64));
  first.say(Frame.RESULT, (await first.asking(5)).call);
  assert.equal(await codeOf(largest), "served");
});

test("at the stop all who wait and all who are served are told, and nothing is started again", async (t) => {
  const { supervisor, first, second, started } = await running(t);
  const calls = [1, 2, 3].map((each) => codeOf(supervisor.call("encrypt", bytes(each))));
  await first.asking(2);
  await supervisor.stop();
  assert.deepEqual(await Promise.all(calls), ["stopping", "stopping", "stopping"]);
  assert.equal(supervisor.state().state, "stopped");
  assert.equal(supervisor.state().processes, 0);
  assert.equal(await codeOf(supervisor.call("encrypt", bytes())), "stopping");
  assert.equal(supervisor.state().ends, 0);
  assert.equal(started.length, 2);
  assert.ok(second.asked.length === 0);
});
