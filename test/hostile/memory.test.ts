/** Guests that take too much space: memory, tables, Extism's blocks, output that is not theirs. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Gate } from "../../host/host-call.ts";
import { Arena, both, call, encrypt, FAILED, failure, REPLY, reportedNumber, watchPeak } from "./arena.ts";

const arena = new Arena();
const PAGES = (16 << 20) / 65_536;
const ENTRIES = 1000;
const GIVEN_UP = 'Cannot encrypt: provider "hostile" exceeded its deadline while it waited for the host';

describe("a guest that takes all memory", () => {
  for (const name of ["memory", "memory-declared"]) {
    test(`(${name}) gets its limit and not one page more`, async () => {
      const sandbox = await arena.enter(name);
      const [pages] = await Promise.all([reportedNumber(sandbox, 1), arena.honestWork()]);
      assert.equal(pages, PAGES);
      assert.equal(await reportedNumber(sandbox, 2), -1);
      await call(sandbox, "encrypt", 0);
      assert.deepEqual(sandbox.ends, []);
    });
  }

  test("in 32 calls at once does not affect the time or memory of another provider", async () => {
    const sandbox = await arena.enter("memory");
    const calls = Array.from({ length: 32 }, () => reportedNumber(sandbox, 1));
    const [pages] = await Promise.all([Promise.all(calls), arena.honestWork()]);
    assert.deepEqual(new Set(pages), new Set([PAGES]));
    assert.deepEqual(sandbox.ends, []);
  });

  test("and writes it, call after call, leaves no gigabytes of garbage", async () => {
    const sandbox = await arena.enter("memory-held", { keys: ["mine"], deadlineMs: 10_000 });
    await both(sandbox.supervisor);
    const peak = watchPeak(sandbox.supervisor.pids[0]);
    // 1.6 GiB together; left to itself, the collector freed almost none of it
    for (let i = 0; i < 100; i++) await encrypt(sandbox, 2);
    await arena.honestWork();
    assert.ok(peak() < 600 << 10, `at most ${peak()} KiB resident`);
    await call(sandbox, "encrypt", 0);
    assert.deepEqual(sandbox.ends, []);
  });

  test("and writes it, and is abandoned while it waits for the host, leaves no gigabytes of garbage", async () => {
    let waiting = 0;
    const gate: Gate = () => {
      waiting += 1;
      return new Promise(() => {});
    };
    // on a machine too slow for all calls to wait before their deadline, the deadline is raised
    for (let deadlineMs = 3000; ; deadlineMs *= 2) {
      const sandbox = await arena.enter("memory-held", { gate, keys: ["mine"], deadlineMs });
      await both(sandbox.supervisor);
      const peak = watchPeak(sandbox.supervisor.pids[0]);
      const messages: string[] = [];
      waiting = 0;
      for (let i = 0; i < 4; i++) {
        const calls = Array.from({ length: 16 }, () => failure(() => encrypt(sandbox, 1)));
        messages.push(...(await Promise.all(calls)).map(({ message }) => message));
      }
      if (waiting < messages.length && deadlineMs < 60_000) continue;
      assert.deepEqual(new Set(messages), new Set([GIVEN_UP]));
      await arena.honestWork();
      assert.ok(peak() < 800 << 10, `at most ${peak()} KiB resident`);
      await call(sandbox, "encrypt", 0);
      assert.deepEqual(sandbox.ends, []);
      return;
    }
  });

  test("from the beginning is not admitted", async () => {
    await arena.refused(() => arena.enter("memory-initial"), {
      code: "module-invalid",
      message:
        'Cannot load provider "hostile": the memory at byte N has an initial size of 257 pages of 64 KiB, at most 256 are allowed (limits.memory, limits.tableEntries)',
    });
  });
});

describe("a guest that takes all table entries", () => {
  for (const name of ["table", "table-declared"]) {
    test(`(${name}) gets its limit and not one entry more`, async () => {
      const sandbox = await arena.enter(name, { tableEntries: ENTRIES });
      const [entries] = await Promise.all([reportedNumber(sandbox, 1), arena.honestWork()]);
      assert.equal(entries, ENTRIES);
      assert.equal(await reportedNumber(sandbox, 2), -1);
      await call(sandbox, "encrypt", 0);
      assert.deepEqual(sandbox.ends, []);
    });
  }

  test("from the beginning is not admitted", async () => {
    await arena.refused(() => arena.enter("table-initial"), {
      code: "module-invalid",
      message:
        'Cannot load provider "hostile": the table at byte N has an initial size of 10000000 entries, at most 16384 are allowed (limits.memory, limits.tableEntries)',
    });
  });
});

describe("a guest that takes Extism's blocks", () => {
  const BLOCKS: [attack: number, what: string, refused: string][] = [
    [1, "many small ones", "block 1025 of 1 bytes"],
    [2, "few large ones", "block 5 of 1048576 bytes"],
    [3, "one of 2 GiB", "block 1 of 2147483648 bytes"],
    [4, "one of a negative length", "block 1 of -1 bytes"],
    [5, "one of length 0", "block 1 of 0 bytes"],
    [6, "one of 2^63 - 1 bytes", "block 1 of 9223372036854775807 bytes"],
    [7, "one that it frees each time", "block 1025 of 1 bytes"],
  ];
  for (const [attack, what, refused] of BLOCKS) {
    test(`(${what}) fails before the limit is exceeded`, async () => {
      const sandbox = await arena.enter("blocks");
      await arena.refused(() => call(sandbox, "encrypt", attack), {
        code: "provider-fault",
        message: FAILED,
        cause: `RangeError: ${refused}: at most 1024 of 1 to 1048576 bytes, 4194304 together, are allowed`,
      });
      await call(sandbox, "encrypt", 0);
      assert.deepEqual(sandbox.ends, []);
    });
  }
});

describe("a guest that outputs", () => {
  const OUTPUTS: [attack: number, what: string, cause: string][] = [
    [1, "2 GiB of one byte", "RangeError: it returned 2147483648 bytes of a block of 1 bytes"],
    [2, "a block that does not exist", "RangeError: it returned 10 bytes of no block"],
    [3, "a block that it freed", "RangeError: it returned 10 bytes of no block"],
    [4, "a negative length", "RangeError: it returned -1 bytes of a block of 1 bytes"],
    [7, "nothing", "Error: it returned no output"],
    [8, "less than its block", "RangeError: it returned 9 bytes of a block of 10 bytes"],
    [9, "an address within a block", "RangeError: it returned 10 bytes of no block"],
  ];
  for (const [attack, what, cause] of OUTPUTS) {
    test(`${what} fails`, async () => {
      const sandbox = await arena.enter("output");
      const refusal = { code: "provider-fault", message: FAILED, cause } as const;
      await arena.refused(() => call(sandbox, "encrypt", attack), refusal);
      await call(sandbox, "encrypt", 0);
      assert.deepEqual(sandbox.ends, []);
    });
  }

  test("Extism's own block returns a byte that is not a reply", async () => {
    const sandbox = await arena.enter("output");
    await arena.refused(() => call(sandbox, "encrypt", 5), {
      code: "provider-fault",
      message: `${REPLY}: it is not a message of kleidi.provider.v1.EncryptReply`,
    });
    await call(sandbox, "encrypt", 0);
  });

  test("its request returns bytes that are not a reply", async () => {
    const sandbox = await arena.enter("output");
    await arena.refused(() => call(sandbox, "encrypt", 6), {
      code: "provider-fault",
      message: `${REPLY}: it is not a message of kleidi.provider.v1.EncryptReply`,
    });
    await call(sandbox, "encrypt", 0);
  });

  test("garbage and then a reply returns the reply", async () => {
    const sandbox = await arena.enter("output-twice");
    await call(sandbox, "encrypt", 1);
  });

  test("a reply and then garbage returns garbage", async () => {
    const sandbox = await arena.enter("output-twice");
    await arena.refused(() => call(sandbox, "encrypt", 2), {
      code: "provider-fault",
      message: `${REPLY}: it is not a message of kleidi.provider.v1.EncryptReply`,
    });
    await call(sandbox, "encrypt", 0);
  });

  for (const [attack, what] of [
    [3, "changes"],
    [4, "frees"],
  ] as const) {
    test(`a block and ${what} it then returns the block's earlier content`, async () => {
      const sandbox = await arena.enter("output-twice");
      assert.deepEqual((await encrypt(sandbox, attack)).ciphertext, Uint8Array.of(7));
    });
  }
});

test("a guest that frees blocks of others harms only itself", async () => {
  const sandbox = await arena.enter("free");
  assert.equal(await reportedNumber(sandbox, 1), 0, "its request is gone");
  await call(sandbox, "encrypt", 2);
  await call(sandbox, "encrypt", 4);
  // the next block's address would be after the last possible one
  await arena.refused(() => call(sandbox, "encrypt", 3), {
    code: "provider-fault",
    message: FAILED,
    cause: "RangeError: it returned 3 bytes of no block",
  });
  await call(sandbox, "encrypt", 0);
  assert.deepEqual(sandbox.ends, []);
});
