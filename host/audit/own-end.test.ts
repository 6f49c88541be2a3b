/** The end of a file that missed lines, as another sink had them; untrusted.test.ts tests the other ends of a real host's file. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { Chain, ZERO_HASH } from "./chain.ts";
import { Signer } from "./checkpoint.ts";
import { checkEnd } from "./own-end.ts";
import type { Control, Entry } from "./record.ts";
import { DEFAULT_RHYTHM, OWN_LINES } from "./rhythm.ts";

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const signer = new Signer(privateKey);
const TIME = "2026-01-01T00:00:00.000Z";
const CALL: Entry = { kind: "rpc", rpc: "decrypt", decision: "allowed", ms: 1, outcome: "ok" };
const START: Entry = {
  kind: "start",
  version: "1",
  pid: 1,
  checkpoint_lines: 100,
  checkpoint_interval_ms: 60_000,
};

/** This many lines after a checkpoint, then a record of missing ones, then as many again. */
function withGap(before: number, behind: number, change: Partial<Extract<Control, { kind: "gap" }>> = {}) {
  const chain = new Chain({ chain: "0123456789abcdef", seq: 0, hash: ZERO_HASH });
  const lines: string[] = [];
  const put = (record: Entry | Control) => lines.push(chain.next(record, TIME).text);
  put({ kind: "genesis" });
  put(START);
  put(signer.checkpoint(chain.at, TIME));
  for (let i = 0; i < before; i++) put(CALL);
  const { seq, hash: last } = chain.at;
  for (let i = 0; i < 50; i++) chain.next(CALL, TIME);
  put({ kind: "gap", sink: "file", error: "x", since: TIME, from: seq + 1, to: seq + 50, last, ...change });
  for (let i = 0; i < behind; i++) put(CALL);
  return checkEnd(lines.toReversed(), publicKey, DEFAULT_RHYTHM);
}

test("missing lines do not reset the count: an attacker without the key can declare lines missing", (t) => {
  assert.equal(withGap(50, 49).why, undefined);
  assert.equal(withGap(50, 49 + OWN_LINES).why, undefined);
  t.assert.snapshot(withGap(50, 50 + OWN_LINES).why);
  t.assert.snapshot(withGap(101 + OWN_LINES, 0).why);
  t.assert.snapshot(withGap(0, 100 + OWN_LINES).why);
});

test("missing lines must be declared with the hash of the line before them", (t) => {
  const { why } = withGap(5, 5, { last: "0".repeat(64) });
  t.assert.snapshot(why);
  assert.equal(withGap(5, 5, { last: undefined }).why, why);
});

/** This many lines after a checkpoint of a host that claims no rhythm, after the given lines. */
function withoutClaim(lines: number, before: (put: (record: Entry | Control) => void) => void): string[] {
  const chain = new Chain({ chain: "0123456789abcdef", seq: 0, hash: ZERO_HASH });
  const written: string[] = [];
  const put = (record: Entry | Control) => written.push(chain.next(record, TIME).text);
  put({ kind: "genesis" });
  before(put);
  put({ kind: "start", version: "0.9", pid: 1 });
  put(signer.checkpoint(chain.at, TIME));
  for (let i = 0; i < lines; i++) put(CALL);
  return written;
}

test("a start without a claim ends the search: the claim of an earlier run does not count", (t) => {
  const claimed = (lines: number) => withoutClaim(lines, (put) => put({ ...START, checkpoint_lines: 1 }));
  assert.equal(checkEnd(claimed(900).toReversed(), publicKey, DEFAULT_RHYTHM).why, undefined);
  const most = DEFAULT_RHYTHM.lines + OWN_LINES;
  assert.equal(checkEnd(claimed(most).toReversed(), publicKey, DEFAULT_RHYTHM).why, undefined);
  t.assert.snapshot(checkEnd(claimed(most + 1).toReversed(), publicKey, DEFAULT_RHYTHM).why);
});

test("lines before the checkpoint may belong to another log or be partly missing", () => {
  const other = new Chain({ chain: "f".repeat(16), seq: 0, hash: ZERO_HASH });
  const stale = [other.next({ kind: "genesis" }, TIME).text, other.next(CALL, TIME).text];
  const lines = withoutClaim(900, () => {}).filter((line) => !line.includes('"kind":"start"'));
  for (const front of [stale, ["hello"]])
    assert.equal(checkEnd([...front, ...lines].toReversed(), publicKey, DEFAULT_RHYTHM).why, undefined);
});
