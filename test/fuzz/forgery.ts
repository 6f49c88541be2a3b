/** A signed audit log that an attacker without its key edits and rechains: the verdict of verify and of a host that starts. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { Chain, headOf, ZERO_HASH } from "../../host/audit/chain.ts";
import { Signer } from "../../host/audit/checkpoint.ts";
import { checkEnd } from "../../host/audit/own-end.ts";
import type { Control, Entry } from "../../host/audit/record.ts";
import { OWN_LINES } from "../../host/audit/rhythm.ts";
import { verify } from "../../host/audit/verify.ts";
import type { Target } from "./target.ts";

const RHYTHM = { lines: 10, intervalMs: 60_000 };
const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const CHAIN = "0123456789abcdef";
const BEGINNING = Date.parse("2026-01-01T00:00:00.000Z");
const SHORT = "it is short";
const SIGNED = "it is the host's up to a checkpoint";

/** Two runs of a host, signed as a host signs. */
function honest(): string[] {
  const chain = new Chain({ chain: CHAIN, seq: 0, hash: ZERO_HASH });
  const signer = new Signer(privateKey);
  const lines: string[] = [];
  const put = (record: Entry | Control) => {
    const time = new Date(BEGINNING + lines.length * 100).toISOString();
    lines.push(chain.next(record, time).text);
  };
  const sign = () => put(signer.checkpoint(chain.at, new Date(BEGINNING + lines.length * 100).toISOString()));
  put({ kind: "genesis" });
  for (let run = 0; run < 2; run++) {
    put({
      kind: "start",
      version: "1",
      pid: run,
      checkpoint_lines: RHYTHM.lines,
      checkpoint_interval_ms: RHYTHM.intervalMs,
    });
    sign();
    for (let i = 1; i <= 45; i++) {
      put({ kind: "rpc", rpc: "decrypt", uid: `${run}-${i}`, decision: "allowed", ms: i, outcome: "ok" });
      if (i % RHYTHM.lines === 0) sign();
    }
    put({ kind: "stop", reason: "SIGTERM" });
    sign();
  }
  return lines;
}

const at = fc.nat({ max: 120 });
const edit = fc.oneof(
  fc.record({ kind: fc.constantFrom("drop" as const, "double" as const, "swap" as const), at }),
  fc.record({ kind: fc.constant("unsign" as const), at, count: fc.nat({ max: 120 }) }),
  fc.record({ kind: fc.constant("cut" as const), at, count: fc.nat({ max: 60 }) }),
  fc.record({
    kind: fc.constant("text" as const),
    at,
    from: fc.constantFrom(
      "allowed",
      '"ms":',
      '"uid":"',
      '"kind":"rpc"',
      "2026-01-01T00",
      '"}',
      CHAIN,
      '"seq":',
      "signature",
    ),
    to: fc.oneof(
      fc.constantFrom(
        "denied",
        '"ms":1',
        '"uid":"\\u0065',
        '"kind":"gap","sink":"file","error":"x","since":"2026-01-01T00:00:00.000Z","from":1,"to":2,"last":"',
        '"kind":"start","version":"1","pid":1,"checkpoint_lines":100000,"checkpoint_interval_ms":3600000',
        '"kind":"clock","back_ms":999999999',
        "2026-01-02T00",
        "2027-13-99T99",
        '","more":1}',
      ),
      fc.string({ unit: "binary-ascii", maxLength: 8 }),
    ),
  }),
);
const edits = fc.record({
  edits: fc.array(edit, { maxLength: 6 }),
  /** The line from which the chain is recomputed; undefined: none. */
  chained: fc.option(at, { nil: undefined }),
  end: fc.constantFrom("\n", "", "\n\n", '\n{"v":1', "\0\0"),
});

type Given = typeof edits extends fc.Arbitrary<infer T> ? T : never;

function edited(lines: readonly string[], { edits: each, chained, end }: Given): string {
  let now = [...lines];
  for (const one of each) {
    const place = one.at % (now.length + 1);
    if (one.kind === "text")
      now.splice(
        place,
        1,
        ...now.slice(place, place + 1).map((line) => line.replace(one.from, () => one.to)),
      );
    else if (one.kind === "drop") now.splice(place, 1);
    else if (one.kind === "double") now.splice(place, 0, ...now.slice(place, place + 1));
    else if (one.kind === "cut") now.splice(place, one.count);
    else if (one.kind === "unsign")
      now = now.filter(
        (line, i) => i < place || i > place + one.count || headOf(line)?.kind !== "checkpoint",
      );
    else now.splice(place, 2, ...now.slice(place, place + 2).reverse());
  }
  if (chained !== undefined) now = rechained(now, chained % (now.length + 1));
  return now.join("\n") + end;
}

/** The lines from there on, rechained; lines that are not records stay unchanged. */
function rechained(lines: readonly string[], from: number): string[] {
  const before = lines.slice(0, from);
  const last = before
    .map((line) => ({ line, head: headOf(line) }))
    .findLast(({ head }) => head !== undefined);
  let chain = new Chain({ chain: CHAIN, seq: 0, hash: ZERO_HASH });
  if (last?.head !== undefined) {
    const { seq, prev } = last.head;
    chain = new Chain({ chain: last.head.chain, seq: seq - 1, hash: prev });
    try {
      const record = JSON.parse(last.line);
      chain.next(record, record.time);
    } catch {
      return [...lines];
    }
  }
  return [
    ...before,
    ...lines.slice(from).map((line) => {
      try {
        const record = JSON.parse(line);
        return chain.next(record, record.time).text;
      } catch {
        return line;
      }
    }),
  ];
}

export const forgery: Target = {
  name: "forgery",
  async open(seen) {
    const folder = mkdtempSync(join(tmpdir(), "kleidi-fuzz-audit-"));
    const file = join(folder, "audit.jsonl");
    const lines = honest();
    const own = new Set(lines);
    return {
      properties: [
        {
          name: "verify with the key accepts only the host's lines before a checkpoint, and few lines after it",
          cases: 300,
          reaches: ["changed", "cut", "unsigned", "forged", SIGNED],
          property: fc.property(edits, (given) => {
            const text = edited(lines, given);
            writeFileSync(file, text, "latin1");
            const count = text.split("\n").length;
            const {
              fault,
              gaps,
              first = 1,
              intactTo = 0,
              checkpoint,
            } = verify([file], { keys: [publicKey] });
            if (fault !== undefined) {
              seen(fault.kind);
              assert.ok(fault.line >= 0 && fault.line <= count && fault.why.length < 1_000);
              return;
            }
            if (gaps.length > 0) return;
            const now = text.split("\n").slice(0, -1);
            // only a signed note reveals that the oldest lines are missing
            const signed = checkpoint?.seq ?? first - 1;
            seen(checkpoint === undefined ? SHORT : SIGNED);
            assert.deepEqual(now.slice(0, signed - first + 1), lines.slice(first - 1, signed));
            assert.ok(intactTo - signed <= (checkpoint === undefined ? OWN_LINES : RHYTHM.lines + OWN_LINES));
          }),
        },
        {
          name: "a host continues a log only shortly after a checkpoint that it signed",
          cases: 300,
          reaches: [SIGNED, "set aside"],
          property: fc.property(edits, (given) => {
            const now = edited(lines, given).split("\n").slice(0, -1);
            const { why, unsigned } = checkEnd(now.toReversed(), publicKey, RHYTHM);
            seen(why !== undefined ? "set aside" : unsigned === now.length ? SHORT : SIGNED);
            if (why !== undefined) return;
            const last = now.at(-1 - unsigned);
            // without a claim, the host applies the default
            assert.ok(unsigned <= 1_000 + OWN_LINES);
            const isOwn = last !== undefined && own.has(last) && headOf(last)?.kind === "checkpoint";
            assert.ok(isOwn || unsigned <= OWN_LINES, `${unsigned} lines after ${last}`);
          }),
        },
      ],
      async close() {
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
};
