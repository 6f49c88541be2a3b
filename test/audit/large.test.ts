import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Chain, ZERO_HASH } from "../../host/audit/chain.ts";
import { type Query, query } from "../../host/audit/query.ts";
import type { Entry } from "../../host/audit/record.ts";
import { verify } from "../../host/audit/verify.ts";

const BYTES = 1e9;
/** Chunks, uncollected garbage and compiled code; a reader that keeps lines would take hundreds. */
const SLACK = 64 * 1_048_576;
/** The longest possible line, so that few have to be written. */
const CALL: Entry = {
  kind: "host_call",
  rpc: "decrypt",
  uid: "u".repeat(128),
  provider: "p".repeat(64),
  module: "ab".repeat(32),
  capability: "c".repeat(64),
  operation: "o".repeat(64),
  target: '"'.repeat(512),
  decision: "allowed",
  rule: '"'.repeat(256),
};

test("a log of 1 GB is verified and searched in constant memory", () => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-audit-"));
  try {
    const file = join(folder, "audit.jsonl");
    const lines = make(file);
    const before = process.memoryUsage().rss;
    let most = before;
    const onRead = () => {
      most = Math.max(most, process.memoryUsage.rss());
    };
    const { fault, intactTo, bytes } = verify([file], { keys: [], onRead });
    assert.deepEqual([fault, intactTo, bytes], [undefined, lines, statSync(file).size]);
    assert.ok(most - before < SLACK, `verify took ${most - before} bytes`);
    // Every line is read to its end, and most of them match.
    const asked: Query = { capability: CALL.capability };
    let found = 0;
    const onFound = () => {
      if (++found % 20_000 === 0) onRead();
    };
    assert.deepEqual(query([file], asked, onFound), { found: lines - 1, unreadable: 0 });
    assert.ok(most - before < SLACK, `verify and query took ${most - before} bytes`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Writes the log. @returns the number of lines */
function make(file: string): number {
  const time = new Date().toISOString();
  const chain = new Chain({ chain: "0123456789abcdef", seq: 0, hash: ZERO_HASH });
  const descriptor = openSync(file, "w");
  let text = `${chain.next({ kind: "genesis" }, time).text}\n`;
  for (let written = 0; written < BYTES; ) {
    for (let i = 0; i < 500; i++) text += `${chain.next(CALL, time).text}\n`;
    written += writeSync(descriptor, text);
    text = "";
  }
  closeSync(descriptor);
  return chain.at.seq;
}
