/** Audit logs that somebody has changed: host/audit/verify.ts neither fails, nor loops, nor says of a changed log that it is intact. */
import assert from "node:assert/strict";
import { createHash, type KeyObject } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { exportCheckpoints, readCheckpoints } from "../../host/audit/export.ts";
import { makeKey } from "../../host/audit/key-file.ts";
import { AuditLog } from "../../host/audit/log.ts";
import { rotatedFiles } from "../../host/audit/sink/names.ts";
import { verify } from "../../host/audit/verify.ts";
import { change, changedBytes } from "./bytes.ts";
import type { Target } from "./target.ts";

/** A log that a host wrote: the lines of its files, and how its checkpoints were kept elsewhere. */
interface Log {
  readonly files: readonly (readonly string[])[];
  readonly key: KeyObject;
  readonly exported: readonly string[];
}

/** Places are counted over all lines, modulo how many there are. */
type Edit =
  | { readonly kind: "drop" | "double" | "swap" | "deny" | "blank"; readonly at: number }
  | { readonly kind: "move"; readonly at: number; readonly to: number }
  | { readonly kind: "put"; readonly at: number; readonly text: string }
  | { readonly kind: "cut"; readonly at: number };
const at = fc.nat({ max: 99 });
const text = fc.oneof(
  fc.constantFrom("", "hello", "{}", "[]", "null", '{"v":1}', "[".repeat(2000), "x".repeat(5000), "\0", "\r"),
  fc.string({ unit: "binary", maxLength: 30 }).map((text) => text.replaceAll("\n", "")),
);
const edit: fc.Arbitrary<Edit> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "drop" as const,
        "double" as const,
        "swap" as const,
        "deny" as const,
        "blank" as const,
      ),
      at,
    }),
  },
  fc.record({ kind: fc.constant("move" as const), at, to: at }),
  fc.record({ kind: fc.constant("put" as const), at, text }),
  fc.record({ kind: fc.constant("cut" as const), at }),
);
const how = fc.record({ key: fc.boolean(), exported: fc.boolean() });
/** Also nothing, and what leaves everything as it was. */
const edits = fc.array(edit, { maxLength: 3 });

function edited(log: Log, edits: readonly Edit[]): string[][] {
  let lines = log.files.flatMap((file, number) => file.map((line) => ({ line, number })));
  for (const edit of edits) {
    if (lines.length === 0) break;
    const at = edit.at % lines.length;
    const there = lines[at] as (typeof lines)[number];
    if (edit.kind === "drop") lines = lines.toSpliced(at, 1);
    else if (edit.kind === "double") lines = lines.toSpliced(at, 0, there);
    else if (edit.kind === "swap") lines = lines.toSpliced(at, 2, ...lines.slice(at, at + 2).reverse());
    else if (edit.kind === "deny")
      lines = lines.with(at, { ...there, line: there.line.replace("allowed", "denied") });
    else if (edit.kind === "blank") lines = lines.with(at, { ...there, line: `${there.line} ` });
    else if (edit.kind === "put") lines = lines.toSpliced(at, 0, { ...there, line: edit.text });
    else if (edit.kind === "cut") lines = lines.slice(0, at);
    else if (edit.kind === "move") lines = lines.toSpliced(at, 1).toSpliced(edit.to % lines.length, 0, there);
  }
  return log.files.map((_, number) => lines.filter((each) => each.number === number).map(({ line }) => line));
}

const hashOf = (line: string) => createHash("sha256").update(line, "latin1").digest("hex");
const isCheckpoint = (line: string) => line.includes('","kind":"checkpoint"');

/** Without the key: each line from one on names the hash of the one before it again, and counts on. */
function rechained(files: readonly (readonly string[])[], from: number): string[][] {
  let prev: string | undefined;
  let seq = 0;
  return files.map((file) =>
    file.map((line) => {
      seq += 1;
      const changed =
        seq - 1 <= from || prev === undefined
          ? line
          : line.replace(/"prev":"[0-9a-f]{64}","seq":\d+/, `"prev":"${prev}","seq":${seq}`);
      prev = hashOf(changed);
      return changed;
    }),
  );
}

export const audit: Target = {
  name: "audit",
  async open(seen) {
    // in memory, where there is such a folder: a case writes three files
    const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "kleidi-fuzz-"));
    const log = await written(folder);
    const original = log.files.flat();
    const starts = log.files.map((_, i) => log.files.slice(0, i).flat().length);
    const lastCheckpoint = original.findLastIndex(isCheckpoint);
    const bytesOf = (files: readonly (readonly string[])[]) =>
      files.map((lines) => Buffer.from(lines.map((line) => `${line}\n`).join(""), "latin1"));
    const kept = readCheckpoints([join(folder, "exported")]);
    assert.ok(Array.isArray(kept));
    const check = (files: readonly Uint8Array[], { key, exported }: { key: boolean; exported: boolean }) => {
      const paths = files.map((bytes, i) => {
        const path = join(folder, `changed-${i}`);
        writeFileSync(path, bytes);
        return path;
      });
      const verdict = verify(paths, { keys: key ? [log.key] : [], exported: exported ? kept : [] });
      const { fault, intactTo, first, gaps } = verdict;
      if (fault !== undefined) {
        const size = files[paths.indexOf(fault.file)]?.length;
        assert.ok(size !== undefined, "it names a file that is not there");
        assert.ok(fault.line >= 0 && fault.line <= size + 1 && fault.why.length < 5000);
      }
      assert.ok(gaps.length === 0, "a gap is believed that the host did not write");
      assert.ok(
        intactTo === undefined || (first !== undefined && intactTo >= first && intactTo <= original.length),
      );
      return verdict;
    };
    /** The lines before these may be in older files, which are not looked at. */
    const beginnings = original.flatMap((line, i) =>
      /","kind":"(genesis|rotate|start)"/.test(line) ? [i] : [],
    );
    /** Whether lines are the log's from a beginning on: the last line aside, which nothing holds. */
    const isPart = (lines: readonly string[]) =>
      lines.length === 0 ||
      beginnings.some(
        (start) =>
          lines.slice(0, -1).every((line, i) => line === original[start + i]) &&
          lines.length <= original.length - start,
      );
    /** With checkpoints that were kept elsewhere: no line from the first one on is missing, up to the last checkpoint. */
    const reachesCheckpoints = (lines: readonly string[]) =>
      lines.length > 0 && lines.includes(original[lastCheckpoint] ?? "");
    return {
      properties: [
        {
          name: "of a log whose lines were changed, cut, moved or added to, only a part from a beginning on is intact",
          cases: 250,
          timed: true,
          reaches: [
            ...[
              "intact",
              "intact, its end is missing",
              "changed",
              "cut",
              "inserted",
              "reordered",
              "duplicated",
            ],
          ],
          property: fc.property(edits, how, (edits, how) => {
            const files = edited(log, edits);
            const lines = files.flat();
            const { fault } = check(bytesOf(files), how);
            if (fault !== undefined) {
              seen(fault.what);
              assert.notDeepEqual(lines, original, `a log that nobody changed: ${fault.why}`);
              return;
            }
            assert.ok(isPart(lines), "a changed log is intact");
            if (how.exported)
              assert.ok(reachesCheckpoints(lines), "something before an exported checkpoint is missing");
            seen(lines.join("\n") === original.join("\n") ? "intact" : "intact, its end is missing");
          }),
        },
        {
          name: "of a log whose bytes were changed, only what begins as it did is intact",
          cases: 150,
          timed: true,
          reaches: ["intact", "changed", "torn"],
          property: fc.property(
            fc.constantFrom(...log.files.keys()),
            fc.array(change, { maxLength: 3 }),
            how,
            (number, changes, how) => {
              const files: Uint8Array[] = bytesOf(log.files);
              files[number] = changes.reduce(changedBytes, files[number] ?? new Uint8Array());
              const { fault } = check(files, how);
              if (fault !== undefined) {
                seen(fault.what);
                return;
              }
              const text = Buffer.concat(files).toString("latin1");
              const lines = text.split("\n");
              assert.equal(lines.pop(), "");
              assert.ok(isPart(lines), "a changed log is intact");
              seen("intact");
            },
          ),
        },
        {
          name: "a log that was chained again without the key fails where a checkpoint is left, and at exported ones in any case",
          cases: 60,
          timed: true,
          reaches: ["forged", "rewritten"],
          property: fc.property(at, fc.boolean(), (at, exported) => {
            // the line that is changed: a checkpoint follows it
            const changed = at % lastCheckpoint;
            const files = log.files.map((file, n) =>
              file.map((line, i) =>
                (starts[n] ?? 0) + i === changed ? line.replace(/"(kind|uid)":"[a-z]/, "$&x") : line,
              ),
            );
            const { fault } = check(bytesOf(rechained(files, changed)), { key: !exported, exported });
            assert.ok(fault !== undefined, `the line ${changed + 1} was changed`);
            seen(fault.what);
          }),
        },
        {
          name: "any bytes are looked at to their end",
          cases: 60,
          timed: true,
          reaches: ["fault"],
          property: fc.property(
            fc.array(
              fc.oneof(
                fc.uint8Array({ maxLength: 300 }),
                text.map((text) => Buffer.from(`${text}\n`) as Uint8Array),
              ),
              { minLength: 1, maxLength: 4 },
            ),
            how,
            (files, how) => {
              const { fault } = check(files, how);
              const paths = files.map((_, i) => join(folder, `changed-${i}`));
              exportCheckpoints(paths, () => {});
              readCheckpoints(paths);
              seen(fault === undefined ? "nothing in it" : "fault");
            },
          ),
        },
      ],
      async close() {
        rmSync(folder, { recursive: true });
      },
    };
  },
};

/** Three files, a checkpoint in each. */
async function written(folder: string): Promise<Log> {
  const file = join(folder, "audit.jsonl");
  const keyFile = join(folder, "key");
  const key = makeKey(keyFile);
  const checkpoints = { key: keyFile, lines: 5, intervalMs: 60_000 };
  let now = Date.parse("2026-06-15T12:00:00Z");
  const log = await AuditLog.open({ file, stdout: false, checkpoints }, { now: () => ++now });
  log.append({ kind: "start", version: "0.0.0", pid: 1 });
  for (let i = 0; i < 24; i++) {
    if (i % 8 === 7) log.rotate();
    log.append({ kind: "rpc", rpc: "decrypt", uid: `u${i}`, decision: "allowed", ms: 1, outcome: "ok" });
    await log.settled();
  }
  await log.close();
  const paths = [...rotatedFiles(file), file];
  const exported: string[] = [];
  exportCheckpoints(paths, (line) => exported.push(line));
  writeFileSync(join(folder, "exported"), exported.map((line) => `${line}\n`).join(""));
  const files = paths.map((path) => readFileSync(path, "latin1").split("\n").slice(0, -1));
  assert.ok(files.length >= 3 && exported.length >= 3);
  return { files, key, exported };
}
