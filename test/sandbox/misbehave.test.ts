/** Guests that break the contract, one fault at a time: the call fails with its code, the next works, others are not affected. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type ErrorCode, KleidiError } from "../../host/error.ts";
import { answer } from "../../host/host-call.ts";
import { checkStatusReply } from "../../host/kms/check-reply.ts";
import { open, seal } from "../../host/kms/seal.ts";
import { buildGuests } from "../guests/build.ts";
import { localModule } from "../support/fixture.ts";
import { type Sandbox, startSandbox } from "../support/sandbox.ts";
import { nodePid } from "../support/wall.ts";

const DEADLINE_MS = 2000;
const FAILED = 'Cannot get a reply from provider "bad": its guest failed';
const REPLY = 'Cannot accept the reply of provider "bad"';
const plaintext = new Uint8Array(32).fill(0x5a);

let bad: Sandbox;
/** The same, with more time for a busy machine. */
let patient: Sandbox;
let honest: Sandbox;

before(async () => {
  const guests = await buildGuests();
  bad = await startSandbox("bad", guests.misbehave, {
    deadlineMs: DEADLINE_MS,
    keys: ["other"],
    rpcs: ["decrypt"],
  });
  patient = await startSandbox("patient", guests.misbehave, {
    deadlineMs: 60_000,
    keys: ["other"],
    rpcs: ["decrypt"],
  });
  honest = await startSandbox("honest", localModule, { keys: ["kek"] });
});
after(async () => {
  await bad.stop();
  await patient.stop();
  await honest.stop();
});

/** Both providers still work, the bad one with a key that it serves correctly. */
async function assertLives(): Promise<void> {
  await seal(await bad.key("good", "v1"), plaintext);
  const { version } = await honest.provider.status("kek");
  await seal(await honest.key("kek", version), plaintext);
}

async function failure(work: () => Promise<unknown>): Promise<KleidiError> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof KleidiError, `a KleidiError, not ${error}`);
    return error;
  }
  return assert.fail("it should have been refused");
}

const encrypts: [key: string, code: ErrorCode, message: string][] = [
  ["trap", "provider-fault", FAILED],
  ["loop", "deadline", 'Cannot encrypt: provider "bad" exceeded its deadline and was stopped'],
  ["grow", "provider-fault", FAILED],
  ["blocks", "provider-fault", FAILED],
  ["nothing", "provider-fault", FAILED],
  ["garbage", "provider-fault", `${REPLY}: it is not a message of kleidi.provider.v1.EncryptReply`],
  ["empty-reply", "provider-fault", FAILED],
  ["trailing", "provider-fault", FAILED],
  ["error-set", "provider-fault", FAILED],
  ["huge-output", "provider-fault", FAILED],
  ["empty-ciphertext", "provider-fault", `${REPLY}: its ciphertext is empty`],
  ["big-ciphertext", "provider-fault", `${REPLY}: its ciphertext is 1024 bytes, at most 1023 are allowed`],
  [
    "bad-annotation",
    "provider-fault",
    `${REPLY}: an annotation's name is not a domain name of at least two labels`,
  ],
  [
    "own-annotation",
    "provider-fault",
    `${REPLY}: an annotation's name is at or under kleidi.dev, which is reserved for the host`,
  ],
  ["twice-annotation", "provider-fault", `${REPLY}: an annotation is listed twice`],
  [
    "wrong-readback",
    "read-back-failed",
    'Cannot encrypt: provider "bad" decrypted its new ciphertext to a different plaintext',
  ],
  [
    "failing-readback",
    "read-back-failed",
    'Cannot encrypt: provider "bad" cannot decrypt its new ciphertext',
  ],
  [
    "undeclared",
    "capability-denied",
    'Cannot grant provider "bad" kleidi:keystore seal in encrypt: the configuration grants it in decrypt only',
  ],
  [
    "fail-1",
    "ciphertext-invalid",
    'Cannot encrypt: provider "bad" reports that this ciphertext is not its own or was modified',
  ],
  [
    "fail-2",
    "key-not-ready",
    'Cannot encrypt: provider "bad" reports that the key is missing, disabled or not usable',
  ],
  ["fail-3", "backend-unreachable", 'Cannot encrypt: provider "bad" reports that its KMS does not answer'],
  [
    "fail-4",
    "credential-refused",
    'Cannot encrypt: provider "bad" reports that its KMS refused the credential',
  ],
  ["fail-5", "provider-fault", 'Cannot encrypt: provider "bad" reports that it failed internally'],
  ["decrypt-trap", "read-back-failed", 'Cannot encrypt: provider "bad" cannot decrypt its new ciphertext'],
  ["decrypt-loop", "deadline", 'Cannot decrypt: provider "bad" exceeded its deadline and was stopped'],
  ["decrypt-empty", "read-back-failed", 'Cannot encrypt: provider "bad" cannot decrypt its new ciphertext'],
  ["decrypt-big", "read-back-failed", 'Cannot encrypt: provider "bad" cannot decrypt its new ciphertext'],
];

describe("a guest that misbehaves in Encrypt or its read-back", () => {
  for (const [name, code, message] of encrypts) {
    test(name, async () => {
      const key = await bad.key(name, "v1");
      const error = await failure(() => seal(key, plaintext));
      assert.equal(error.message, message);
      assert.equal(error.code, code);
      await assertLives();
    });
  }

  test("many-annotations", async () => {
    const key = await bad.key("many-annotations", "v1");
    const error = await failure(() => seal(key, plaintext));
    assert.match(error.message, /its annotations are \d+ bytes, at most 31999 are allowed$/);
    await assertLives();
  });

  test("backend text goes to the cause, not to the message", async () => {
    const key = await bad.key("fail-3", "v1");
    const error = await failure(() => seal(key, plaintext));
    assert.equal(error.cause, "CANARY-backend-text");
    assert.ok(!error.message.includes("CANARY"));
  });
});

describe("a guest that misbehaves in Status", () => {
  const cases: [key: string, code: ErrorCode, message: string][] = [
    ["status-trap", "provider-fault", FAILED],
    ["status-loop", "deadline", 'Cannot status: provider "bad" exceeded its deadline and was stopped'],
    ["status-no-reply", "provider-fault", FAILED],
    [
      "status-empty-version",
      "provider-fault",
      'Cannot accept the status of provider "bad": a version is empty',
    ],
    [
      "status-long-version",
      "provider-fault",
      'Cannot accept the status of provider "bad": a version is 129 bytes, at most 128 are allowed',
    ],
  ];
  for (const [name, code, message] of cases) {
    test(name, async () => {
      const error = await failure(async () => checkStatusReply("bad", await bad.provider.status(name)));
      assert.equal(error.message, message);
      assert.equal(error.code, code);
      await assertLives();
    });
  }
});

describe("behaviour that the contract allows", () => {
  for (const name of ["max-ciphertext", "annotated", "bad-pointer", "nonzero", "slow", "calls"]) {
    test(name, async () => {
      const key = await patient.key(name, "v1");
      assert.deepEqual(await open(key, await seal(key, plaintext)), plaintext);
    });
  }

  test("a flood of log lines is cut off at the call's budget", async () => {
    bad.logLines.length = 0;
    await seal(await bad.key("logs", "v1"), plaintext);
    // 64 host calls, two of which made the ciphertext
    assert.equal(bad.logLines.length, 62);
  });

  test("a denial is logged and names the operation", () => {
    assert.deepEqual(
      new Set(bad.denials),
      new Set(["kleidi:keystore seal in encrypt: the configuration grants it in decrypt only"]),
    );
  });
});

describe("isolation of calls", () => {
  test("an instance sees nothing of earlier calls", async () => {
    const key = await bad.key("leak", "v1");
    const request = { key: "leak", version: "v1", plaintext, associatedData: new Uint8Array() };
    const seen = [];
    for (let i = 0; i < 8; i++) seen.push((await key.key.provider.encrypt(request)).ciphertext[0]);
    assert.equal(new Set(seen).size, 1, `the counter in the guest's memory: ${seen}`);
  });

  test("calls that follow a looping one are repeated on the standby and succeed", async () => {
    const good = await bad.key("good", "v1");
    const looping = failure(async () => seal(await bad.key("loop", "v1"), plaintext));
    // A call keeps its own deadline: one that arrived with the looping one has no time left.
    await sleep(DEADLINE_MS / 2);
    const others = Array.from({ length: 20 }, () => seal(good, plaintext));
    assert.equal((await looping).code, "deadline");
    assert.equal((await Promise.all(others)).length, 20);
  });

  test("a process that is killed from outside fails no call", async () => {
    const good = await bad.key("good", "v1");
    const [serving] = bad.supervisor.pids;
    const calls = Array.from({ length: 20 }, () => seal(good, plaintext));
    process.kill(serving ?? 0, "SIGKILL");
    assert.equal((await Promise.all(calls)).length, 20);
    assert.ok(bad.ends.includes("SIGKILL"));
  });

  test("another key's ciphertext is refused", async () => {
    const { version } = await honest.provider.status("kek");
    const key = await honest.key("kek", version);
    const sealed = await seal(key, plaintext);
    const other = { ...key, keyId: (await honest.key("kek-2", version)).keyId };
    assert.equal((await failure(() => open(other, sealed))).code, "ciphertext-invalid");
  });

  test("every flipped bit and every truncation of a ciphertext is refused", async () => {
    const { version } = await honest.provider.status("kek");
    const key = await honest.key("kek", version);
    const { ciphertext } = await seal(key, plaintext);
    const broken = [...ciphertext.keys()].flatMap((at) => {
      const flipped = ciphertext.slice();
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      return [flipped, ciphertext.slice(0, at)];
    });
    for (const each of broken) {
      const error = await failure(() => open(key, { ciphertext: each, annotations: [] }));
      assert.equal(error.code, "ciphertext-invalid");
    }
  });
});

test("overload is refused at once", async () => {
  const guests = await buildGuests();
  // The first call's guest waits for the host until the test releases it, so nothing here depends on time.
  const held = Promise.withResolvers<void>();
  const narrow = await startSandbox("narrow", guests.misbehave, {
    concurrentCalls: 1,
    queue: 2,
    deadlineMs: 60_000,
    keys: ["other"],
    async gate() {
      await held.promise;
      return answer(new Uint8Array());
    },
  });
  try {
    const key = await narrow.key("echo-log", "v1");
    const request = { key: "echo-log", version: "v1", plaintext, associatedData: new Uint8Array() };
    const calls = Array.from({ length: 5 }, () => key.key.provider.encrypt(request));
    const served = Promise.all(calls.slice(0, 3));
    for (const call of calls.slice(3)) {
      const refused = await failure(() => call);
      assert.equal(refused.code, "overloaded");
      assert.match(
        refused.message,
        /^Cannot encrypt: provider "narrow" has 1 calls in flight and 2 with \d+ bytes waiting, at most 1, 2 and 16777216 are allowed$/,
      );
    }
    held.resolve();
    await served;
  } finally {
    held.resolve();
    await narrow.stop();
  }
});

test("no process of a provider outlives its supervisor", async () => {
  const guests = await buildGuests();
  const sandbox = await startSandbox("short", guests.misbehave, { keys: ["other"] });
  // A process of the wall is the parent of Node's.
  const pids = sandbox.supervisor.pids.flatMap((pid) => [pid, nodePid(pid)]).map(String);
  assert.ok(pids.length > 0);
  await sandbox.stop();
  const left = () => readdirSync("/proc").filter((pid) => pids.includes(pid));
  for (const end = performance.now() + 10_000; left().length > 0; await sleep(5))
    assert.ok(performance.now() < end, `processes ${left()} are gone`);
});
