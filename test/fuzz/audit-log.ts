/** A log that a host wrote, and the changes that an attacker without the key can make. */
import assert from "node:assert/strict";
import { createHash, type KeyObject } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { exportCheckpoints } from "../../host/audit/export.ts";
import { createKey } from "../../host/audit/key-file.ts";
import { AuditLog } from "../../host/audit/log.ts";
import { rotatedFiles } from "../../host/audit/sink/names.ts";

/** A log that a host wrote: the lines of its files, and its checkpoints as exported. */
export interface Log {
  readonly files: readonly (readonly string[])[];
  readonly key: KeyObject;
  readonly exported: readonly string[];
}

/** Positions are indices over all lines, modulo their number. */
type Edit =
  | { readonly kind: "drop" | "double" | "swap" | "deny" | "blank"; readonly at: number }
  | { readonly kind: "move"; readonly at: number; readonly to: number }
  | { readonly kind: "put"; readonly at: number; readonly text: string }
  | { readonly kind: "cut"; readonly at: number };
export const at = fc.nat({ max: 99 });
export const text = fc.oneof(
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
export const how = fc.record({ key: fc.boolean(), exported: fc.boolean() });
/** May be empty, or change nothing. */
export const edits = fc.array(edit, { maxLength: 3 });

export function edited(log: Log, edits: readonly Edit[]): string[][] {
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
export const isCheckpoint = (line: string) => line.includes('","kind":"checkpoint"');

/** Recomputes the chain without the key: from one line on, each has the hash and the sequence that follow from the line before. */
export function rechained(files: readonly (readonly string[])[], from: number): string[][] {
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

/** Three files, a checkpoint in each. */
export async function written(folder: string): Promise<Log> {
  const file = join(folder, "audit.jsonl");
  const keyFile = join(folder, "key");
  const key = createKey(keyFile);
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
