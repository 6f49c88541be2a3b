/** Changed audit logs: host/audit/verify.ts neither throws, nor loops, nor reports a changed log as intact. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { exportCheckpoints, readCheckpoints } from "../../host/audit/export.ts";
import { verify } from "../../host/audit/verify.ts";
import { at, edited, edits, how, isCheckpoint, rechained, text, written } from "./audit-log.ts";
import { change, changedBytes } from "./bytes.ts";
import type { Target } from "./target.ts";

/** A line that still has the host's form if it has a uid; otherwise a kind that no host writes. */
const changedWord = (line: string) =>
  line.includes('"uid":"') ? line.replace('"uid":"', '"uid":"x') : line.replace('"kind":"', '"kind":"x');

export const audit: Target = {
  name: "audit",
  async open(seen) {
    // in memory, if there is such a folder: each case writes three files
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
        assert.ok(size !== undefined, "the fault names a file that does not exist");
        assert.ok(fault.line >= 0 && fault.line <= size + 1 && fault.why.length < 5000);
      }
      assert.ok(gaps.length === 0, "a gap that the host did not write is accepted");
      assert.ok(
        intactTo === undefined || (first !== undefined && intactTo >= first && intactTo <= original.length),
      );
      return verdict;
    };
    /** The lines before these may be in older files, which are not read. */
    const beginnings = original.flatMap((line, i) =>
      /","kind":"(genesis|rotate|start)"/.test(line) ? [i] : [],
    );
    /** Whether the lines are a part of the log from one of these on. The last line may differ: no later line covers it. */
    const isPart = (lines: readonly string[]) =>
      lines.length === 0 ||
      beginnings.some(
        (start) =>
          lines.slice(0, -1).every((line, i) => line === original[start + i]) &&
          lines.length <= original.length - start,
      );
    /** With exported checkpoints: no line from the first one to the last checkpoint is missing. */
    const reachesCheckpoints = (lines: readonly string[]) =>
      lines.length > 0 && lines.includes(original[lastCheckpoint] ?? "");
    return {
      properties: [
        {
          name: "of a log with changed, removed, moved or added lines, only an unchanged part is intact",
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
              seen(fault.kind);
              assert.notDeepEqual(lines, original, `an unchanged log: ${fault.why}`);
              return;
            }
            assert.ok(isPart(lines), "a changed log is intact");
            if (how.exported)
              assert.ok(reachesCheckpoints(lines), "something before an exported checkpoint is missing");
            seen(lines.join("\n") === original.join("\n") ? "intact" : "intact, its end is missing");
          }),
        },
        {
          name: "of a log with changed bytes, only an unchanged part is intact",
          cases: 300,
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
                seen(fault.kind);
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
          name: "a log that was rechained without the key fails at a remaining checkpoint, and always at exported ones",
          cases: 60,
          timed: true,
          reaches: ["changed", "forged", "rewritten"],
          property: fc.property(at, fc.boolean(), (at, exported) => {
            // the changed line, which a checkpoint follows
            const changed = at % lastCheckpoint;
            const files = log.files.map((file, n) =>
              file.map((line, i) => ((starts[n] ?? 0) + i === changed ? changedWord(line) : line)),
            );
            const { fault } = check(bytesOf(rechained(files, changed)), { key: !exported, exported });
            assert.ok(fault !== undefined, `the line ${changed + 1} was changed`);
            seen(fault.kind);
          }),
        },
        {
          name: "arbitrary bytes are verified to their end",
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
