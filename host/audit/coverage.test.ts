/** verify --key limits the lines without a checkpoint, in number and in time; tested with logs that an attacker without the key wrote. */
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

  /** What is signed after so many lines, again and again. */
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

/** @param line the first one that is not covered */
function assertUnsigned(t: TestContext, pen: LogBuilder, line: number): void {
  const { fault, intactTo } = pen.verdict();
  assert.deepEqual([fault?.what, fault?.file, fault?.line], ["unsigned", file, line]);
  t.assert.snapshot(fault?.why);
  assert.equal(intactTo, line === 1 ? undefined : line - 1);
  assert.equal(pen.verdict([]).fault, undefined);
}

describe("without a checkpoint, verify accepts", () => {
  test("as many lines as the rhythm that the host claimed, and a few of its own", (t) => {
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
    // a later checkpoint makes no difference: no host writes that
    assertUnsigned(
      t,
      log()
        .calls(51 + OWN_LINES)
        .sign()
        .run(50, 2),
      first,
    );
  });

  test("lines for as long as the rhythm, and the checkpoint that covers them however late", (t) => {
    const log = () => new LogBuilder().put(start(50, 60_000)).sign().calls(1).sign();
    assertGood(log().calls(1).wait(65).calls(1));
    assertUnsigned(t, log().calls(1).wait(65.001).calls(1), 6);
    assertUnsigned(t, log().wait(0.999).calls(1).wait(65.111).calls(1), 6);
    assertGood(log().calls(1).wait(86_400).sign().calls(1));
    assertGood(log().wait(86_400).calls(1));
    assertUnsigned(t, log().calls(1).wait(66).calls(1), 6);
    assertUnsigned(t, log().calls(1).wait(66).calls(1).sign(), 6);
  });

  test("no longer time where a record says that the clock went back", (t) => {
    const log = () => new LogBuilder().put(start(50, 60_000)).sign();
    const back: Control = { kind: "clock", back_ms: 40_000 };
    assertGood(log().calls(1).wait(-40).put(back).wait(60).calls(1));
    assertUnsigned(t, log().calls(1).wait(30).wait(-40).put(back).wait(40).calls(1), 4);
  });

  test("the first line of a file whenever it comes, and not the next one", (t) => {
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
    // nor does one that comes again and again
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

  test("of a file that continues another one counts too, as the start is in a file that is gone", (t) => {
    const whole = new LogBuilder();
    const { at } = whole.calls(10).sign().chain;
    const log = new LogBuilder();
    log.lines.length = 0;
    log.chain = new Chain(at);
    log.put({ kind: "rotate", reason: "size" });
    log.put({ kind: "rhythm", checkpoint_lines: 30, checkpoint_interval_ms: 60_000 }).sign();
    assertGood(log.run(30, 3).calls(46));
    const { fault } = log.calls(1).verdict();
    assert.deepEqual([fault?.what, fault?.line], ["unsigned", 97]);
    t.assert.snapshot(fault?.why);
  });

  test("that was never made: what is signed may have been signed late, and what is not counts by the default", (t) => {
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
    // one run of the host claimed, the next one did not
    assertGood(new LogBuilder().put(start(10, 60_000)).sign().put(start()).sign().calls(500));
  });
});

describe("a log without any checkpoint", () => {
  test("is as short as what a host writes before it signs first", (t) => {
    assertGood(new LogBuilder().put(start(50, 60_000)).calls(OWN_LINES - 2));
    assertUnsigned(t, new LogBuilder().put(start(50, 60_000)).calls(OWN_LINES - 1), 1);
    assertUnsigned(t, new LogBuilder().put(start(100_000, 3_600_000)).calls(99_000), 1);
  });

  test("is told from one whose checkpoints were removed by nothing: the lines behind the first one that stays count", (t) => {
    const log = new LogBuilder().put(start(50, 60_000)).sign().run(50, 20);
    const forged = new LogBuilder();
    forged.lines.length = 0;
    forged.chain = new Chain({ chain: "0123456789abcdef", seq: 0, hash: ZERO_HASH });
    const own = log.lines.map((line) => JSON.parse(line));
    // the first checkpoints can stay; a call is left out behind them, and with it every checkpoint
    const kept = own.slice(0, 105);
    const others = own.slice(106).filter(({ kind }) => kind !== "checkpoint");
    for (const { kind, time, ...fields } of [...kept, ...others])
      forged.lines.push(forged.chain.next({ kind, ...fields } as Entry, time).text);
    assertUnsigned(t, forged, 106);
  });
});

describe("lines that the host itself declares missing", () => {
  /** A log of which the sink has what is in front of `missing` lines and what is behind them. */
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

  test("are a gap and no forgery: their checkpoints are missing with them", () => {
    for (const log of [withGap(40, 500, 40), withGap(40, 500, 40).sign().run(50, 2)]) {
      const { fault, gaps } = log.verdict();
      assert.deepEqual([fault, gaps.length], [undefined, 1]);
    }
  });

  test("do not hide lines without a checkpoint behind them", () => {
    const { fault, gaps } = withGap(40, 500, 67).verdict();
    assert.deepEqual([fault?.what, fault?.line, gaps.length], ["unsigned", 46, 1]);
  });

  test("cannot be declared by whoever has no key, so that lines of any number pass", () => {
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
    // A checkpoint that comes later, as a host that was deceived would write it, heals nothing.
    for (const each of [log, log.sign()]) {
      const { fault } = each.verdict();
      assert.deepEqual([fault?.what, fault?.line], ["unsigned", 4]);
    }
  });
});

test("a checkpoint of an unknown key covers nothing", () => {
  const { privateKey: other } = generateKeyPairSync("ed25519");
  const { fault } = new LogBuilder(other).put(start(50, 60_000)).sign().verdict();
  assert.deepEqual([fault?.what, fault?.line], ["forged", 3]);
});
