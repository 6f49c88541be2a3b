import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { thrown } from "../../test/support/thrown.ts";
import { Chain, hashOf, ZERO_HASH } from "./chain.ts";
import { Signer } from "./checkpoint.ts";
import { exportCheckpoints, readCheckpoints } from "./export.ts";
import type { Control, Entry } from "./record.ts";
import type { Verdict, VerifyOptions } from "./verdict.ts";
import { verify } from "./verify.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-audit-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const other = generateKeyPairSync("ed25519");
const TIME = "2026-01-01T00:00:00.000Z";
const CHAIN = "0123456789abcdef";

const call = (uid: string): Entry => ({
  kind: "rpc",
  rpc: "decrypt",
  uid,
  decision: "allowed",
  ms: 1.25,
  outcome: "ok",
});

/** A log of this many lines; with a checkpoint after every tenth line if there is a key. */
function logOf(count: number, key?: KeyObject, uid = "u"): string[] {
  const chain = new Chain({ chain: CHAIN, seq: 0, hash: ZERO_HASH });
  const signer = key && new Signer(key);
  const next = (record: Entry | Control) => chain.next(record, TIME).text;
  const lines = [next({ kind: "genesis" })];
  while (lines.length < count) {
    const signed = signer !== undefined && lines.length % 10 === 9;
    lines.push(next(signed ? signer.checkpoint(chain.at, TIME) : call(`${uid}${lines.length}`)));
  }
  return lines;
}

let files = 0;
function write(lines: readonly string[], end = "\n"): string {
  const file = join(folder, `${files++}.jsonl`);
  writeFileSync(file, lines.length === 0 ? "" : `${lines.join("\n")}${end}`);
  return file;
}

function check(lines: readonly string[], options: Partial<VerifyOptions> = {}): Verdict {
  return verify([write(lines)], { keys: [], ...options });
}

const faultOf = ({ fault }: Verdict) => fault && `${fault.kind} ${fault.line}`;
const swap = (lines: readonly string[], i: number, j: number) =>
  lines.with(i, lines[j] ?? "").with(j, lines[i] ?? "");
const changed = (line: string | undefined) => (line ?? "").replace('"allowed"', '"denied"');

const LINES = logOf(30);

describe("verify finds", () => {
  const EDITS: readonly (readonly [string, readonly string[], string])[] = [
    ["a changed line", LINES.with(12, changed(LINES[12])), "changed 13"],
    ["the second line changed", LINES.with(1, changed(LINES[1])), "changed 2"],
    [
      "a line with a changed hash of the line before",
      LINES.with(12, (LINES[12] ?? "").replace(/"prev":"./, '"prev":"_')),
      "changed 13",
    ],
    [
      "a line with another hash of the line before",
      LINES.with(12, (LINES[12] ?? "").replace(/"prev":"[0-9a-f]{64}/, `"prev":"${hashOf("x")}`)),
      "changed 13",
    ],
    [
      "a line with a changed sequence",
      LINES.with(12, (LINES[12] ?? "").replace('"seq":13', '"seq":99')),
      "changed 13",
    ],
    ["a line with a changed time", LINES.with(12, (LINES[12] ?? "").replace("2026", "2025")), "changed 13"],
    ["a line replaced by other text", LINES.with(12, "hello"), "changed 13"],
    ["a line longer than the limit", LINES.with(12, "x".repeat(3_000_000)), "changed 13"],
    ["a line with a trailing space", LINES.with(12, `${LINES[12]} `), "changed 13"],
    ["a removed line", LINES.toSpliced(12, 1), "cut 13"],
    ["removed lines", LINES.toSpliced(12, 9), "cut 13"],
    ["removed first lines", LINES.slice(3), "cut 1"],
    ["inserted other text", LINES.toSpliced(12, 0, "hello"), "inserted 13"],
    [
      "an inserted line that follows the one before",
      LINES.toSpliced(12, 0, changed(LINES[12])),
      "inserted 13",
    ],
    [
      "an inserted line with renumbered lines after it",
      [
        ...LINES.slice(0, 12),
        changed(LINES[12]),
        ...LINES.slice(12).map((line) =>
          line.replace(/"seq":([0-9]+)/, (_, seq) => `"seq":${Number(seq) + 1}`),
        ),
      ],
      "inserted 13",
    ],
    [
      "an inserted line of another log",
      LINES.toSpliced(12, 0, logOf(40, undefined, "x")[35] ?? ""),
      "inserted 13",
    ],
    ["an inserted empty line", LINES.toSpliced(12, 0, ""), "inserted 13"],
    ["two swapped lines", swap(LINES, 12, 13), "reordered 13"],
    ["two swapped lines far apart", swap(LINES, 5, 25), "reordered 6"],
    [
      "a line moved to the front",
      [...LINES.slice(0, 5), LINES[20] ?? "", ...LINES.slice(5, 20), ...LINES.slice(21)],
      "reordered 6",
    ],
    [
      "a line moved to the back",
      [...LINES.slice(0, 5), ...LINES.slice(6, 20), LINES[5] ?? "", ...LINES.slice(20)],
      "reordered 6",
    ],
    ["a duplicated line", LINES.toSpliced(12, 0, LINES[11] ?? ""), "duplicated 13"],
    ["a line duplicated far behind", LINES.toSpliced(25, 0, LINES[3] ?? ""), "duplicated 26"],
  ];
  for (const [what, lines, expected] of EDITS) {
    test(what, (t) => {
      const verdict = check(lines);
      assert.equal(faultOf(verdict), expected);
      t.assert.snapshot(verdict.fault?.why);
    });
  }

  test("only lines whose hash is in the next line as intact", () => {
    assert.equal(check(LINES.toSpliced(12, 1)).intactTo, 11);
    assert.equal(check(LINES.toSpliced(12, 0, "hello")).intactTo, 12);
    assert.equal(check(LINES.with(12, changed(LINES[12]))).intactTo, 12);
  });

  test("a last line without its newline", () => {
    const verdict = verify([write(LINES, "")], { keys: [] });
    assert.equal(faultOf(verdict), "torn 30");
    assert.equal(verdict.intactTo, 29);
  });

  test("any changed byte of any line but the last one", () => {
    const bytes = Buffer.from(`${LINES.join("\n")}\n`);
    const covered = bytes.length - (LINES.at(-1) ?? "").length - 1;
    fc.assert(
      fc.property(fc.nat(covered - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const edited = Buffer.from(bytes);
        edited[at] = (edited[at] ?? 0) ^ flip;
        const file = join(folder, "flipped.jsonl");
        writeFileSync(file, edited);
        const { fault, intactTo = 0 } = verify([file], { keys: [] });
        const line = bytes.subarray(0, at).toString("latin1").split("\n").length;
        assert.ok(fault !== undefined, `byte ${at}`);
        assert.ok(intactTo < line, `intact to ${intactTo}, line ${line} was changed`);
        // Without a newline, two lines become one; with a new one, one becomes two.
        assert.ok(fault.line >= line - 1 && fault.line <= line + 1, `line ${line}, said ${fault.line}`);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("verify accepts an intact log", () => {
  test("up to its last sequence", () => {
    const verdict = check(LINES);
    assert.equal(verdict.fault, undefined);
    assert.deepEqual([verdict.first, verdict.intactTo, verdict.lines, verdict.chain], [1, 30, 30, CHAIN]);
  });

  test("in several files in any order", () => {
    const parts = [LINES.slice(0, 10), LINES.slice(10, 11), LINES.slice(11)].map((lines) => write(lines));
    const verdict = verify(parts.toReversed(), { keys: [] });
    assert.deepEqual([verdict.fault, verdict.intactTo], [undefined, 30]);
  });

  test("and finds a missing file between two", (t) => {
    const parts = [LINES.slice(0, 10), LINES.slice(20)].map((lines) => write(lines));
    const verdict = verify(parts.toReversed(), { keys: [] });
    assert.equal(faultOf(verdict), "cut 1");
    t.assert.snapshot(verdict.fault?.why);
    assert.equal(verdict.fault?.file, parts[1]);
  });

  test("with chunk boundaries at any place", () => {
    const lines = logOf(9000);
    assert.deepEqual([faultOf(check(lines)), check(lines).intactTo], [undefined, 9000]);
    assert.equal(faultOf(check(lines.toSpliced(8000, 1))), "cut 8001");
  });

  test("that is empty, and reports no intact sequence", () => {
    assert.deepEqual([check([]).fault, check([]).intactTo], [undefined, undefined]);
  });
});

describe("checkpoints", () => {
  const signed = logOf(45, privateKey);
  const checkpointsOf = (lines: readonly string[]) => {
    const out: string[] = [];
    exportCheckpoints([write(lines)], (line) => out.push(line));
    const read = readCheckpoints([write(out)]);
    assert.ok(Array.isArray(read));
    return read;
  };

  test("are checked with the key", () => {
    const verdict = check(signed, { keys: [publicKey] });
    assert.deepEqual([verdict.fault, verdict.checkpoints, verdict.checkpoint?.seq], [undefined, 4, 40]);
  });

  test("of another key are rejected", () => {
    assert.equal(faultOf(check(signed, { keys: [other.publicKey] })), "forged 10");
  });

  test("with another signature are rejected", () => {
    const own = new Signer(privateKey).key;
    const forged = logOf(45, other.privateKey).map((line) =>
      line.replace(/"key":"[0-9a-f]{16}/, `"key":"${own}`),
    );
    // The chain over the changed lines is recomputed, as anyone who writes the file could do.
    const chain = new Chain({ chain: CHAIN, seq: 0, hash: ZERO_HASH });
    const lines = forged.map((line) => chain.next(JSON.parse(line), TIME).text);
    assert.equal(faultOf(check(lines)), undefined);
    assert.equal(faultOf(check(lines, { keys: [publicKey] })), "forged 10");
  });

  test("kept elsewhere show that the end was cut off", () => {
    const exported = checkpointsOf(signed);
    assert.equal(faultOf(check(signed, { exported })), undefined);
    assert.equal(faultOf(check(signed.slice(0, 35), { exported })), "cut 35");
    assert.equal(faultOf(check(signed.slice(0, 35))), undefined);
  });

  test("kept elsewhere show that the whole log was rewritten", () => {
    const exported = checkpointsOf(signed);
    const rewritten = logOf(45, other.privateKey, "x");
    assert.equal(faultOf(check(rewritten)), undefined);
    assert.equal(faultOf(check(rewritten, { exported })), "rewritten 10");
    assert.equal(faultOf(check(logOf(45, undefined, "x"), { exported })), "rewritten 10");
    const renamed = rewritten.map((line) => line.replace(CHAIN, "f".repeat(16)));
    assert.equal(faultOf(check(renamed, { exported })), "rewritten 1");
  });

  test("kept elsewhere are ignored for files that are not verified", () => {
    const chain = new Chain({ chain: CHAIN, seq: 20, hash: hashOf(signed[19] ?? "") });
    const lines = [chain.next({ kind: "rotate", reason: "size" }, TIME).text];
    assert.equal(faultOf(check(lines, { exported: checkpointsOf(signed.slice(0, 20)) })), undefined);
  });

  test("are read from exported lines only", () => {
    const file = write(["{}"]);
    assert.deepEqual(readCheckpoints([file]), { file, line: 1 });
  });
});

describe("records about the log itself", () => {
  const chain = new Chain({ chain: CHAIN, seq: 0, hash: ZERO_HASH });
  const next = (record: Entry | Control) => chain.next(record, TIME).text;
  const before = [next({ kind: "genesis" }), next(call("a"))];
  const last = chain.at.hash;
  const missed = [next(call("b")), next(call("c"))];
  const gap: Control = { kind: "gap", sink: "file", error: "ENOSPC", since: TIME, from: 3, to: 4, last };
  const at = chain.at;
  const behind = [next(gap), next(call("d"))];

  test("verify reports a declared gap as a gap", () => {
    const verdict = check([...before, ...behind]);
    assert.equal(verdict.fault, undefined);
    assert.deepEqual(
      verdict.gaps.map(({ line, from, to, error }) => [line, from, to, error]),
      [[3, 3, 4, "ENOSPC"]],
    );
    assert.equal(verdict.intactTo, 6);
  });

  test("verify reports a declared gap of one line as a gap, and rejects an undeclared one", () => {
    const own = new Chain({ chain: CHAIN, seq: 0, hash: ZERO_HASH });
    const lines = [own.next({ kind: "genesis" }, TIME).text, own.next(call("a"), TIME).text];
    const last = own.at.hash;
    own.next(call("missed"), TIME);
    const { seq } = own.at;
    const declared = { kind: "gap", sink: "file", error: "EIO", since: TIME, from: 3, to: 3, last } as const;
    const gap = new Chain(own.at).next(declared, TIME).text;
    const { fault, gaps } = check([...lines, gap]);
    assert.deepEqual([fault, gaps.map(({ from, to }) => [from, to])], [undefined, [[3, 3]]]);
    // A gap of no lines: its place would be that of the missing line.
    const none = new Chain({ ...own.at, seq: seq - 1 }).next({ ...declared, to: 2 }, TIME).text;
    assert.equal(faultOf(check([...lines, none])), "changed 2");
  });

  test("verify reports no gap in the sink that has the lines", () => {
    assert.deepEqual(check([...before, ...missed, ...behind]).gaps, []);
  });

  test("verify finds missing lines beside a declared gap", () => {
    assert.equal(faultOf(check([...before.slice(0, 1), ...behind])), "cut 2");
    const other = new Chain(at);
    const lines = [
      { ...gap, to: 3 },
      { ...gap, last: hashOf("x") },
    ].map((record) => new Chain(at).next(record, TIME).text);
    for (const line of lines) assert.equal(faultOf(check([...before, line])), "cut 3");
    assert.equal(faultOf(check([...before, other.next(gap, TIME).text])), undefined);
  });

  test("verify notes a clock that went backwards and a torn line", (t) => {
    const own = new Chain({ chain: CHAIN, seq: 0, hash: ZERO_HASH });
    const lines = [
      own.next({ kind: "genesis" }, TIME).text,
      own.next({ kind: "clock", back_ms: 3_600_000 }, "2025-12-31T23:00:00.000Z").text,
      own.next({ kind: "torn", bytes: 12, sha256: hashOf("x") }, TIME).text,
    ];
    const { fault, notes } = check(lines);
    assert.equal(fault, undefined);
    t.assert.snapshot(notes.map((note) => note.replace(/^.*\.jsonl/, "FILE")));
  });
});

test("verify rejects a sequence above the limit", (t) => {
  const at = { chain: CHAIN, hash: hashOf("x") };
  const line = (seq: number) =>
    new Chain({ ...at, seq: 1 })
      .next({ kind: "rotate", reason: "size" }, TIME)
      .text.replace('"seq":2', `"seq":${seq}`);
  assert.equal(check([line(2 ** 52)]).fault, undefined);
  for (const seq of [2 ** 52 + 1, 9007199254740989]) {
    const { fault } = check([line(seq)]);
    assert.equal(fault?.kind, "changed");
    t.assert.snapshot(fault?.why);
  }
});

test("a chain with no sequence left refuses another line", (t) => {
  const chain = new Chain({ chain: CHAIN, seq: 2 ** 52 - 1, hash: ZERO_HASH });
  chain.next({ kind: "rotate", reason: "size" }, TIME);
  const { at } = chain;
  const { code, message } = thrown(() => chain.next({ kind: "rotate", reason: "size" }, TIME));
  assert.equal(code, "audit-failed");
  t.assert.snapshot(message);
  assert.equal(chain.at, at);
});
