/** verify --key limits the lines without a checkpoint, in number and in time; tested with logs written by an attacker without the key. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, type TestContext, test } from "node:test";
import { Chain, ZERO_HASH } from "./chain.ts";
import { Signer } from "./checkpoint.ts";
import type { Control, Entry } from "./record.ts";
import { DEFAULT_RHYTHM, LONGEST_RHYTHM, OWN_LINES } from "./rhythm.ts";
import type { Verdict } from "./verdict.ts";
import { verify } from "./verify.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-audit-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, "audit.jsonl");
const { privateKey, publicKey } = generateKeyPairSync("ed25519");

const call: Entry = { kind: "rpc", rpc: "decrypt", decision: "allowed", ms: 1, outcome: "ok" };
const start = (lines?: number, ms?: number): Entry => ({
  kind: "start",
  version: "1",
  pid: 1,
  checkpoint_lines: lines,
  checkpoint_interval_ms: ms,
});

/** Builds a log with a clock that the test controls. */
class LogBuilder {
  readonly lines: string[] = [];
  chain = new Chain({ chain: "0123456789abcdef", seq: 0, hash: ZERO_HASH });
  #ms = Date.parse("2026-01-01T00:00:00.000Z");
  readonly #signer: Signer;

  constructor(key = privateKey) {
    this.#signer = new Signer(key);
    this.put({ kind: "genesis" });
  }

  wait(seconds: number): this {
    this.#ms += seconds * 1000;
    return this;
  }

  put(...records: (Entry | Control)[]): this {
    const time = new Date(this.#ms).toISOString();
    for (const record of records) this.lines.push(this.chain.next(record, time).text);
    return this;
  }

  calls(count: number): this {
    for (let i = 0; i < count; i++) this.put(call);
    return this;
  }

  sign(): this {
    const time = new Date(this.#ms).toISOString();
    return this.put(this.#signer.checkpoint(this.chain.at, time));
  }

  /** Appends a checkpoint after this many lines, this many times. */
  run(lines: number, times: number): this {
    for (let i = 0; i < times; i++) this.calls(lines).sign();
    return this;
  }

  verdict(keys = [publicKey]): Verdict {
    writeFileSync(file, `${this.lines.join("\n")}\n`);
    return verify([file], { keys });
  }
}

function assertGood(pen: LogBuilder): void {
  assert.equal(pen.verdict().fault, undefined);
}

/** @param line the first line that is not covered */
function assertUnsigned(t: TestContext, pen: LogBuilder, line: number): void {
  const { fault, intactTo } = pen.verdict();
  assert.deepEqual([fault?.kind, fault?.file, fault?.line], ["unsigned", file, line]);
  t.assert.snapshot(fault?.why);
  assert.equal(intactTo, line === 1 ? undefined : line - 1);
  assert.equal(pen.verdict([]).fault, undefined);
}

describe("verify accepts without a checkpoint", () => {
  test("as many lines as the claimed rhythm, and a few records of the host itself", (t) => {
    const log = () => new LogBuilder().put(start(50, 60_000)).sign().run(50, 3);
    assertGood(log().calls(50 + OWN_LINES));
    assertGood(
      log()
        .calls(50 + OWN_LINES)
        .sign()
        .run(50, 2),
    );
    const first = log().lines.length + 1;
    assertUnsigned(t, log().calls(51 + OWN_LINES), first);
    // A later checkpoint makes no difference: no host writes such a log.
    assertUnsigned(
      t,
      log()
        .calls(51 + OWN_LINES)
        .sign()
        .run(50, 2),
      first,
    );
  });

  test("lines during the interval of the rhythm, and a late checkpoint that covers them", (t) => {
    const log = () => new LogBuilder().put(start(50, 60_000)).sign().calls(1).sign();
    assertGood(log().calls(1).wait(65).calls(1));
    assertUnsigned(t, log().calls(1).wait(65.001).calls(1), 6);
    assertUnsigned(t, log().wait(0.999).calls(1).wait(65.111).calls(1), 6);
    assertGood(log().calls(1).wait(86_400).sign().calls(1));
    assertGood(log().wait(86_400).calls(1));
    assertUnsigned(t, log().calls(1).wait(66).calls(1), 6);
    assertUnsigned(t, log().calls(1).wait(66).calls(1).sign(), 6);
  });

  test("no longer interval if a record reports that the clock went back", (t) => {
    const log = () => new LogBuilder().put(start(50, 60_000)).sign();
    const back: Control = { kind: "clock", back_ms: 40_000 };
    assertGood(log().calls(1).wait(-40).put(back).wait(60).calls(1));
    assertUnsigned(t, log().calls(1).wait(30).wait(-40).put(back).wait(40).calls(1), 4);
  });

  test("the first line of a file at any time, and not the next one", (t) => {
    const log = () => new LogBuilder().put(start(50, 60_000)).sign().calls(1).wait(86_400);
    const rotate: Control = { kind: "rotate", reason: "resumed" };
    assertGood(log().put(rotate).sign().calls(1));
    assertUnsigned(t, log().put(rotate).calls(1), 4);
  });
});

describe("a claim of the rhythm", () => {
  test("counts only after a checkpoint covers it", (t) => {
    const log = () => new LogBuilder().put(start(10, 60_000)).sign().put(start(500, 60_000));
    assertGood(log().sign().run(500, 2));
    assertUnsigned(t, log().calls(500), 4);
    assertUnsigned(t, log().calls(500).sign(), 4);
    // Repeating the claim does not help.
    const again = new LogBuilder().put(start(10, 60_000)).sign();
    for (let i = 0; i < 30; i++) again.put(start(500, 60_000));
    assertUnsigned(t, again, 4);
  });

  test("is limited to the longest rhythm of the configuration", (t) => {
    const log = (seconds: number) =>
      new LogBuilder().put(start(1e9, 1e12)).sign().calls(1).wait(seconds).calls(1);
    assertGood(log(LONGEST_RHYTHM.intervalMs / 1000));
    assertUnsigned(t, log(LONGEST_RHYTHM.intervalMs / 1000 + 6), 4);
    const many = new LogBuilder()
      .put(start(1e9, 1e12))
      .sign()
      .calls(LONGEST_RHYTHM.lines + OWN_LINES);
    assertGood(many);
    assertUnsigned(t, many.calls(1), 4);
  });

  test("in the start of a file that continues another one counts too, because the earlier file may be gone", (t) => {
    const whole = new LogBuilder();
    const { at } = whole.calls(10).sign().chain;
    const log = new LogBuilder();
    log.lines.length = 0;
    log.chain = new Chain(at);
    log.put({ kind: "rotate", reason: "size" });
    log.put({ kind: "rhythm", checkpoint_lines: 30, checkpoint_interval_ms: 60_000 }).sign();
    assertGood(log.run(30, 3).calls(46));
    const { fault } = log.calls(1).verdict();
    assert.deepEqual([fault?.kind, fault?.line], ["unsigned", 97]);
    t.assert.snapshot(fault?.why);
  });

  test("that was never made: signed lines may have been signed late, and unsigned lines count by the default rhythm", (t) => {
    const log = () => new LogBuilder().put(start());
    assertGood(log().calls(5_000).sign());
    assertGood(
      log()
        .sign()
        .calls(DEFAULT_RHYTHM.lines + OWN_LINES),
    );
    assertUnsigned(
      t,
      log()
        .sign()
        .calls(DEFAULT_RHYTHM.lines + OWN_LINES + 1),
      4,
    );
    // One run of the host claimed a rhythm, the next one did not.
    assertGood(new LogBuilder().put(start(10, 60_000)).sign().put(start()).sign().calls(500));
  });
});

describe("a log without any checkpoint", () => {
  test("may have only as many lines as a host writes before its first signature", (t) => {
    assertGood(new LogBuilder().put(start(50, 60_000)).calls(OWN_LINES - 2));
    assertUnsigned(t, new LogBuilder().put(start(50, 60_000)).calls(OWN_LINES - 1), 1);
    assertUnsigned(t, new LogBuilder().put(start(100_000, 3_600_000)).calls(99_000), 1);
  });

  test("is indistinguishable from one whose checkpoints were removed: the lines after the first remaining one count", (t) => {
    const log = new LogBuilder().put(start(50, 60_000)).sign().run(50, 20);
    const forged = new LogBuilder();
    forged.lines.length = 0;
    forged.chain = new Chain({ chain: "0123456789abcdef", seq: 0, hash: ZERO_HASH });
    const own = log.lines.map((line) => JSON.parse(line));
    // The first checkpoints can stay; after them, the attacker omits a call and every later checkpoint.
    const kept = own.slice(0, 105);
    const others = own.slice(106).filter(({ kind }) => kind !== "checkpoint");
    for (const { kind, time, ...fields } of [...kept, ...others])
      forged.lines.push(forged.chain.next({ kind, ...fields } as Entry, time).text);
    assertUnsigned(t, forged, 106);
  });
});

describe("lines that the host declares missing", () => {
  /** A log whose sink has the lines before and after `missing` lines. */
  function withGap(before: number, missing: number, behind: number): LogBuilder {
    const log = new LogBuilder().put(start(50, 60_000)).sign().calls(before);
    const { seq, hash } = log.chain.at;
    const { length } = log.lines;
    for (let i = 1; i <= missing; i++)
      if (i % 50 === 0) log.sign();
      else log.calls(1);
    log.lines.length = length;
    const error = "too slow";
    const since = "2026-01-01T00:00:00.000Z";
    return log
      .put({ kind: "gap", sink: "file", error, since, from: seq + 1, to: log.chain.at.seq, last: hash })
      .sign()
      .calls(behind);
  }

  test("are a gap, not a forgery: their checkpoints are missing too", () => {
    for (const log of [withGap(40, 500, 40), withGap(40, 500, 40).sign().run(50, 2)]) {
      const { fault, gaps } = log.verdict();
      assert.deepEqual([fault, gaps.length], [undefined, 1]);
    }
  });

  test("do not hide later lines without a checkpoint", () => {
    const { fault, gaps } = withGap(40, 500, 67).verdict();
    assert.deepEqual([fault?.kind, fault?.line, gaps.length], ["unsigned", 46, 1]);
  });

  test("declared by an attacker without the key do not excuse any number of lines", () => {
    const log = new LogBuilder().put(start(50, 60_000)).sign();
    for (let i = 0; i < 10; i++) {
      log.calls(20);
      const { seq, hash } = log.chain.at;
      const { length } = log.lines;
      log.calls(1);
      log.lines.length = length;
      const since = "2026-01-01T00:00:00.000Z";
      log.put({ kind: "gap", sink: "file", error: "x", since, from: seq + 1, to: seq + 1, last: hash });
    }
    // A later checkpoint, as a deceived host would write it, does not repair this.
    for (const each of [log, log.sign()]) {
      const { fault } = each.verdict();
      assert.deepEqual([fault?.kind, fault?.line], ["unsigned", 4]);
    }
  });
});

test("a checkpoint of an unknown key covers nothing", () => {
  const { privateKey: other } = generateKeyPairSync("ed25519");
  const { fault } = new LogBuilder(other).put(start(50, 60_000)).sign().verdict();
  assert.deepEqual([fault?.kind, fault?.line], ["forged", 3]);
});
