/** Guests that abuse host calls: too many, with bad requests, under another provider's grant, past their deadline. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Crypto as SoftwareCrypto } from "@peculiar/webcrypto";
import { Keystore } from "../../host/capabilities/keystore/keystore.ts";
import { answer, type Gate, type HostAnswer } from "../../host/host-call.ts";
import { associatedData } from "../../host/kms/key-id.ts";
import { open, seal } from "../../host/kms/seal.ts";
import { localModule } from "../support/fixture.ts";
import { Arena, both, call, FAILED, plaintext, reportedNumber, until, watchPeak } from "./arena.ts";
import { guest } from "./guest.ts";

const arena = new Arena();
const INVALID = 2;
const LIMIT = 6;

describe("a guest that floods the log", () => {
  test("with ten thousand calls in one writes its budget, and may continue", async () => {
    const sandbox = await arena.enter("log-flood");
    await Promise.all([call(sandbox, "encrypt", 1), arena.honestWork()]);
    assert.deepEqual(sandbox.logLines, Array(64).fill("line"));
    assert.deepEqual(sandbox.ends, []);
  });

  for (const [attack, how] of [
    [2, "endlessly"],
    [3, "endlessly with requests of 64 KiB"],
  ] as const) {
    test(`${how} is stopped at its deadline, and its process has not grown`, async () => {
      const stderr: string[] = [];
      const onStderr = (text: string) => stderr.push(text);
      const sandbox = await arena.enter("log-flood", { deadlineMs: 2000, onStderr });
      await both(sandbox.supervisor);
      const peak = watchPeak(sandbox.supervisor.pids[0]);
      await arena.refused(() => call(sandbox, "encrypt", attack), {
        code: "deadline",
        message: 'Cannot encrypt: provider "hostile" exceeded its deadline and was stopped',
      });
      // Each answer was a block once: the heap filled up, and the process aborted before the deadline.
      assert.ok(peak() < 140 << 10, `at most ${peak()} KiB resident`);
      assert.equal(sandbox.logLines.length, attack === 2 ? 64 : 0);
      await call(sandbox, "encrypt", 0);
      await until(() => sandbox.ends.length > 0);
      assert.deepEqual([sandbox.ends, stderr], [["a call exceeded its deadline"], []]);
    });
  }

  test("over many calls writes its budget per minute", async () => {
    const sandbox = await arena.enter("log-flood", { hostCallsPerMinute: 5 });
    for (let i = 0; i < 3; i++) await call(sandbox, "encrypt", 1);
    assert.equal(sandbox.logLines.length, 5);
    await call(sandbox, "encrypt", 0);
  });
});

describe("a guest over its budget of host calls", () => {
  for (const [attack, what] of [
    [1, "frees"],
    [2, "overwrites"],
  ] as const) {
    test(`that ${what} each refusal reads a refusal the next time too`, async () => {
      const sandbox = await arena.enter("refusals");
      const [code] = await Promise.all([reportedNumber(sandbox, attack), arena.honestWork()]);
      assert.equal(code, LIMIT);
      await call(sandbox, "encrypt", 0);
      assert.deepEqual(sandbox.ends, []);
    });
  }

  test("that frees refusals endlessly is stopped", async () => {
    const sandbox = await arena.enter("refusals");
    await arena.refused(() => call(sandbox, "encrypt", 3), {
      code: "provider-fault",
      message: FAILED,
      cause: "RangeError: it freed or changed the same answer 1025 times",
    });
    await call(sandbox, "encrypt", 0);
    assert.deepEqual(sandbox.ends, []);
  });
});

describe("a guest that writes into the log", () => {
  const LINES: [attack: number, what: string, line: string][] = [
    [1, "60,000 characters", "a".repeat(1024)],
    [2, "a line end and another line", 'good\ufffd{"level":60,"msg":"forged"}\ufffd'],
    [3, "terminal escapes", "\ufffd[2J\ufffd]0;owned\ufffd\ufffdbeep"],
    [4, "line ends and directions of Unicode", "one\ufffdtwo\ufffd eerht"],
  ];
  for (const [attack, what, line] of LINES) {
    test(`${what} writes one escaped line`, async () => {
      const sandbox = await arena.enter("log-lines");
      const [code] = await Promise.all([reportedNumber(sandbox, attack), arena.honestWork()]);
      assert.deepEqual([code, sandbox.logLines], [0, [line]]);
      await call(sandbox, "encrypt", 0);
    });
  }

  test("invalid UTF-8 writes nothing", async () => {
    const sandbox = await arena.enter("log-lines");
    assert.deepEqual([await reportedNumber(sandbox, 5), sandbox.logLines], [INVALID, []]);
    await call(sandbox, "encrypt", 0);
  });
});

describe("a guest that passes to a host call", () => {
  const POINTERS = [
    "",
    "0",
    "-1",
    "its request",
    "a freed block",
    "an address within a block",
    "-2^63",
    "of no block",
  ];
  for (const [attack, what] of POINTERS.entries()) {
    if (attack === 0) continue;
    test(`the address ${what} gets the code "invalid"`, async () => {
      const sandbox = await arena.enter("pointers");
      assert.deepEqual([await reportedNumber(sandbox, attack), sandbox.logLines], [INVALID, []]);
      await call(sandbox, "encrypt", 0);
      assert.deepEqual(sandbox.ends, []);
    });
  }

  const REQUESTS: [attack: number, what: string, code: number][] = [
    [1, "garbage", INVALID],
    [2, "65,537 bytes", INVALID],
    [3, "a field that claims 2 GiB", INVALID],
    [4, "nested groups", INVALID],
    [5, "an unknown level", INVALID],
    [6, "a tag that never ends", INVALID],
    [7, "a message without known fields", 0],
  ];
  for (const [attack, what, code] of REQUESTS) {
    test(`${what} gets the code ${code}`, async () => {
      const sandbox = await arena.enter("requests");
      const [said] = await Promise.all([reportedNumber(sandbox, attack), arena.honestWork()]);
      assert.equal(said, code);
      await call(sandbox, "encrypt", 0);
      assert.deepEqual([sandbox.ends, sandbox.faults], [[], []]);
    });
  }
});

describe("a guest that swallows a denial and replies well", () => {
  const NOT_ITS_OWN = "kleidi:keystore seal in encrypt: this key is not one of 1 granted";
  const DENIALS: [attack: number, what: string, why: string, rpcs?: string[]][] = [
    [1, "of a key that another provider was granted", NOT_ITS_OWN],
    [2, "of a key that does not exist", NOT_ITS_OWN],
    [3, "of a key named __proto__", NOT_ITS_OWN],
    [
      4,
      "in an RPC that the grant excludes",
      "kleidi:keystore seal in encrypt: the configuration grants it in decrypt only",
      ["decrypt"],
    ],
  ];
  for (const [attack, what, why, rpcs] of DENIALS) {
    test(`${what} has its call voided`, async () => {
      const keystore = new Keystore(new SoftwareCrypto());
      await arena.start(localModule, { keys: ["theirs"], keystore }, "other");
      const sandbox = await arena.enter("swallow", { keys: ["mine"], keystore, ...(rpcs && { rpcs }) });
      await arena.refused(() => call(sandbox, "encrypt", attack), {
        code: "capability-denied",
        message: `Cannot grant provider "hostile" ${why}`,
      });
      // eleven calls; after the first denial the gate is not consulted again
      assert.deepEqual(sandbox.denials, [why]);
      await call(sandbox, "encrypt", 0);
      assert.deepEqual(sandbox.ends, []);
    });
  }
});

test("a guest cannot open another provider's ciphertext, even under the same key and associated data", async () => {
  const keystore = new Keystore(new SoftwareCrypto());
  const victim = await arena.start(localModule, { keys: ["shared"], keystore }, "victim");
  const { version } = await victim.provider.status("shared");
  const key = await victim.key("shared", version);
  const sealed = await seal(key, plaintext);
  const request = {
    // the local provider adds the first byte
    ciphertext: sealed.ciphertext.slice(1),
    annotations: [],
    key: "shared",
    version,
    associatedData: associatedData("victim", key.keyId),
  };
  const thief = await arena.start(guest("steal"), { shared: ["shared"], keystore });
  const [said] = await Promise.all([thief.provider.decrypt(request), arena.honestWork()]);
  assert.deepEqual([...said], [4, 0, 0, 0], "not authentic");
  assert.deepEqual(thief.denials, []);
  // the same module in the victim's place can open it: only the provider's name prevented it
  const heir = await arena.start(guest("steal"), { shared: ["shared"], keystore }, "victim");
  assert.deepEqual(await heir.provider.decrypt(request), plaintext);
  assert.deepEqual(await open(key, sealed), plaintext);
});

test("an answer after a call's deadline reaches no later call, and costs no process", async () => {
  const waiting: { signal: AbortSignal; answer: (answer: HostAnswer) => void }[] = [];
  const gate: Gate = ({ signal }) => new Promise((answer) => waiting.push({ signal, answer }));
  const sandbox = await arena.enter("late", { gate, keys: ["mine"] });
  await both(sandbox.supervisor);
  const { pids } = sandbox.supervisor;
  await arena.refused(() => call(sandbox, "encrypt", 1), {
    code: "deadline",
    message: 'Cannot encrypt: provider "hostile" exceeded its deadline while it waited for the host',
  });
  const [late] = waiting;
  assert.ok(late?.signal.aborted, "the host abandoned the work for the call");
  const later = [reportedNumber(sandbox, 1), reportedNumber(sandbox, 1)];
  await until(() => waiting.length === 3);
  late.answer(answer(Uint8Array.of(99)));
  for (const [i, each] of waiting.slice(1).entries()) each.answer(answer(Uint8Array.of(i + 1)));
  assert.deepEqual(await Promise.all(later), [1, 2]);
  await call(sandbox, "encrypt", 0);
  assert.deepEqual([sandbox.supervisor.pids, sandbox.ends], [pids, []]);
});

describe("a guest that looks for traces of an earlier call", () => {
  const PLACES: [attack: number, where: string, own: number][] = [
    [1, "in a global", 0],
    [2, "in its memory", 0],
    [3, "in its table", 0],
    // Extism's block 0 and its own request
    [4, "in blocks, at every address", 2],
  ];
  for (const [attack, where, own] of PLACES) {
    test(`${where} finds nothing`, async () => {
      const sandbox = await arena.enter("replay");
      const found = new Set<number>();
      for (let i = 0; i < 8; i++) found.add(await reportedNumber(sandbox, attack));
      for (const each of await Promise.all(Array.from({ length: 16 }, () => reportedNumber(sandbox, attack))))
        found.add(each);
      assert.deepEqual([...found], [own]);
      await call(sandbox, "encrypt", 0);
      assert.deepEqual(sandbox.ends, []);
    });
  }
});
