/**
 * Verifies each line against the line before it and the canonical form, checkpoints against the key and their rhythm, and the whole log
 * against checkpoints that were kept elsewhere. A line costs one hash and one comparison; JSON is parsed only for records about the log.
 */
import type { KeyObject } from "node:crypto";
import { isCanonical } from "./canonical.ts";
import { type Head, hashOf, MOST_MISSING, MOST_SEQ, prefixOf, recordOf, timeOf, ZERO_HASH } from "./chain.ts";
import { isSigned, keyIdOf } from "./checkpoint.ts";
import { Coverage } from "./coverage.ts";
import type { ExportedCheckpoint } from "./export.ts";
import { ChainBreak, type Fault, type Place, type SeenLine, type TamperKind } from "./fault.ts";
import { headOfLine, type RawLine, textOf } from "./lines.ts";
import { TreeHeads } from "./tree-heads.ts";
import type { Gap, Verdict, VerifyOptions } from "./verdict.ts";

/** Kinds of records that can begin a file, or the lines of one run of the host. */
const BEGINNINGS = new Set(["genesis", "rotate", "start", "torn", "clock"]);
/** Kinds of records that are not about the log itself. */
const ORDINARY = new Set(["rpc", "host_call"]);
const TO_KIND = 24 + '","kind":"'.length;
/** The maximum number of gaps and of notes, to bound memory. */
const MOST_NOTES = 100;

export class Verifier {
  readonly #options: VerifyOptions;
  readonly #keys: ReadonlyMap<string, KeyObject>;
  readonly #exported: readonly ExportedCheckpoint[];
  #nextExported = 0;
  #file = "";
  #chain: string | undefined;
  #first: number | undefined;
  // these describe the last good line
  #seq = 0;
  #hash = ZERO_HASH;
  #prev = ZERO_HASH;
  #place: Place = { file: "", line: 0 };
  #break: ChainBreak | undefined;
  #fault: Fault | undefined;
  readonly #gaps: Gap[] = [];
  readonly #notes: string[] = [];
  readonly #coverage = new Coverage();
  /** Undefined if the caller does not need the tree. */
  readonly #heads: TreeHeads | undefined;
  #checkpoints = 0;
  #checkpoint: Verdict["checkpoint"];
  #lines = 0;
  #bytes = 0;

  constructor(options: VerifyOptions) {
    this.#options = options;
    this.#keys = new Map(options.keys.map((key) => [keyIdOf(key), key]));
    this.#exported = options.exported ?? [];
    const { notes = [], tree = false } = options;
    this.#heads = tree || notes.length > 0 ? new TreeHeads(notes) : undefined;
  }

  begin(file: string): void {
    this.#file = file;
  }

  read(bytes: number): void {
    this.#bytes += bytes;
    this.#options.onRead?.(bytes);
  }

  /** Takes the next line. @returns false to stop reading */
  line(line: RawLine): boolean {
    if (this.#fault !== undefined) return false;
    this.#lines += 1;
    if (this.#break !== undefined) this.#break.see(this.#seen(line));
    else if (!this.#follows(line)) this.#unexpected(line);
    return this.#fault === undefined;
  }

  /** The fast path of nearly every line: its beginning is exactly that of the expected next line. */
  #follows(line: RawLine): boolean {
    if (!line.isComplete || this.#chain === undefined) return false;
    const text = textOf(line);
    const time = timeOf(text, { chain: this.#chain, seq: this.#seq, hash: this.#hash });
    if (time === undefined) return false;
    const kind = time + TO_KIND;
    this.#take(line, text, text.slice(kind, text.indexOf('"', kind)), time);
    return true;
  }

  /** Checks a line at its correct position. @param time the index of the first digit of its time */
  #take(line: RawLine, text: string, kind: string, time: number): void {
    if (this.#seq >= MOST_SEQ)
      this.#found("changed", line, `its sequence is ${this.#seq + 1}, at most ${MOST_SEQ} is allowed`);
    else if (!isCanonical(text, kind, time))
      this.#found("changed", line, "it is not in the canonical form of its kind");
    else if (!ORDINARY.has(kind)) this.#control(line, text);
    if (this.#keys.size > 0 && kind !== "checkpoint") this.#count(line, text, kind, time);
    this.#accept(line, this.#seq + 1, kind);
  }

  /** Counts a line that no checkpoint covers yet; a host leaves only a limited number. */
  #count(line: RawLine, text: string, kind: string, time: number): void {
    this.#coverage.line(this.#file, line.number, text, kind, time);
    this.#fault ??= this.#coverage.fault();
  }

  #accept(line: RawLine, seq: number, kind: string): void {
    if (this.#fault !== undefined) return;
    const bytes = line.buffer.subarray(line.start, line.end);
    const hash = hashOf(bytes);
    const exported = this.#exported[this.#nextExported];
    if (exported !== undefined && seq >= exported.seq) this.#compare(exported, hash, seq, line.number);
    const wrong = this.#heads?.line(bytes, kind);
    if (wrong !== undefined) this.#found("rewritten", line, wrong);
    if (this.#fault !== undefined) return;
    this.#prev = this.#hash;
    this.#hash = hash;
    this.#seq = seq;
    this.#place = { file: this.#file, line: line.number };
  }

  /** Handles a line that is not the expected next one: the first line, the line after a declared gap, or the place of a change. */
  #unexpected(line: RawLine): void {
    const seen = this.#seen(line);
    if (line.isUnterminated) {
      const bytes = line.end - line.start;
      this.#found(
        "torn",
        line,
        `it has no newline after ${bytes} bytes: a host was killed while writing it, or is writing it now`,
      );
    } else if (this.#chain === undefined) this.#begins(line, seen);
    else if (!this.#isGap(line, seen))
      this.#break = new ChainBreak(
        { ...this.#place, chain: this.#chain, seq: this.#seq, hash: this.#hash, prev: this.#prev },
        seen,
      );
  }

  #begins(line: RawLine, { head }: SeenLine): void {
    if (head === undefined || !line.isComplete) {
      this.#found("changed", line, "it is not a line of an audit log");
      return;
    }
    this.#chain = head.chain;
    this.#first = head.seq;
    this.#seq = head.seq - 1;
    if (head.seq > 1) this.#heads?.missLines();
    const other = this.#exported.find(({ chain }) => chain !== head.chain);
    if (other !== undefined)
      this.#found(
        "rewritten",
        line,
        `it has the chain ${head.chain}; the exported checkpoint with the sequence ${other.seq} has the chain ${other.chain}`,
      );
    const isFirst = head.prev === ZERO_HASH;
    if (isFirst !== (head.seq === 1) || isFirst !== (head.kind === "genesis"))
      this.#found(
        "changed",
        line,
        "a chain begins with the sequence 1, the kind genesis and a hash of zeros",
      );
    else if (!BEGINNINGS.has(head.kind))
      this.#found(
        "cut",
        line,
        `before it, the lines up to the sequence ${head.seq - 1} are missing, and no host begins a file with a line of this kind`,
      );
    else if (!isFirst)
      this.#note(`The lines up to the sequence ${head.seq - 1} are in older files, which were not checked.`);
    this.#takeAt(line, head);
  }

  /** Takes a line at the position that it claims itself. */
  #takeAt(line: RawLine, { chain, seq, prev, kind }: Head): void {
    this.#hash = prev;
    this.#seq = seq - 1;
    this.#take(line, textOf(line), kind, prefixOf({ chain, seq: seq - 1, hash: prev }).length);
  }

  /** True if the line declares lines that this sink missed. */
  #isGap(line: RawLine, { head }: SeenLine): boolean {
    if (head?.kind !== "gap" || head.chain !== this.#chain || head.seq <= this.#seq + 1) return false;
    if (head.seq - this.#seq - 1 > MOST_MISSING) return false;
    const record = recordOf(textOf(line));
    const declared =
      record?.from === this.#seq + 1 && record.to === head.seq - 1 && record.last === this.#hash;
    if (!declared) return false;
    const gap = { file: this.#file, line: line.number, from: this.#seq + 1, to: head.seq - 1 };
    if (this.#gaps.length < MOST_NOTES) this.#gaps.push({ ...gap, error: String(record.error) });
    // the checkpoints of those lines are missing with them
    this.#coverage.gap();
    this.#heads?.missLines();
    this.#takeAt(line, head);
    return true;
  }

  /** Handles a record about the log itself. */
  #control(line: RawLine, text: string): void {
    const at = `${this.#file}:${line.number}`;
    const record = recordOf(text);
    if (record === undefined) {
      this.#found("changed", line, "it is not JSON");
      return;
    }
    const { kind } = record;
    this.#coverage.claim(record);
    if (kind === "checkpoint") this.#sign(line, record, record);
    else if (kind === "genesis" && record.aside !== undefined)
      this.#note(
        `${at}: the host set aside a log that it did not trust, ${record.aside}, and began this one: ${record.why}.`,
      );
    else if (kind === "clock") this.#note(`${at}: the clock went back by ${record.back_ms} ms.`);
    else if (kind === "torn")
      this.#note(`${at}: a host was killed while writing a line; its ${record.bytes} bytes were cut off.`);
    else if (kind === "rotate" && record.reason === "resumed")
      this.#note(
        `${at}: a starting host found no file and continued after the previous one. If there was a file, it was removed.`,
      );
    else if (kind === "gap" && record.last === undefined)
      this.#note(`${at}: the file with the sequences ${record.from} to ${record.to} was removed.`);
  }

  #sign(line: RawLine, head: Head, { key, signature }: Readonly<Record<string, unknown>>): void {
    const publicKey = this.#keys.get(String(key));
    if (this.#keys.size > 0) {
      const before = { chain: head.chain, seq: head.seq - 1, hash: head.prev };
      if (publicKey === undefined)
        this.#found(
          "forged",
          line,
          `its checkpoint is signed with the key ${String(key)}, which was not given`,
        );
      else if (!isSigned(publicKey, before, head.time, signature))
        this.#found("forged", line, "the signature of its checkpoint is not valid for the key");
      if (this.#fault !== undefined) return;
      this.#coverage.signed();
    }
    this.#checkpoints += 1;
    this.#checkpoint = { seq: head.seq, time: head.time, key: String(key) };
  }

  /** Compares a line with the exported checkpoint of its sequence. */
  #compare(exported: ExportedCheckpoint, hash: string, seq: number, line: number): void {
    this.#nextExported += 1;
    if (exported.seq === seq && exported.hash !== hash)
      this.#found(
        "rewritten",
        { number: line },
        `it is not the exported checkpoint with the sequence ${seq}`,
      );
    const next = this.#exported[this.#nextExported];
    // skips exported checkpoints before the first line or in a gap
    if (exported.seq < seq && next !== undefined && seq >= next.seq) this.#compare(next, hash, seq, line);
  }

  #found(kind: TamperKind, { number }: { readonly number: number }, why: string): void {
    this.#fault ??= { file: this.#file, line: number, kind, why };
  }

  #note(text: string): void {
    if (this.#notes.length < MOST_NOTES) this.#notes.push(text);
  }

  #seen(line: RawLine): SeenLine {
    const hash = hashOf(line.buffer.subarray(line.start, line.end));
    return {
      file: this.#file,
      line: line.number,
      hash,
      head: line.isComplete ? headOfLine(line) : undefined,
    };
  }

  verdict(isEarlier: (hash: string, until: Place) => boolean): Verdict {
    const broken = this.#break;
    let fault = this.#fault ?? broken?.fault((hash) => isEarlier(hash, broken.at));
    const missing = this.#exported[this.#nextExported];
    if (fault === undefined && missing !== undefined)
      fault = {
        file: this.#place.file || this.#file,
        line: this.#place.line,
        kind: "cut",
        why: `after it, the exported checkpoint with the sequence ${missing.seq} is missing: the end was cut off`,
      };
    const open = this.#heads?.open ?? [];
    const cut = open.find(({ isCut }) => isCut);
    if (cut !== undefined)
      fault ??= {
        file: this.#place.file || this.#file,
        line: this.#place.line,
        kind: "cut",
        why: `after it, the lines up to the ${cut.size} of a signed note are missing: the end was cut off`,
      };
    // A declared gap lacks its checkpoints too: their absence is not a sign of tampering.
    if (this.#keys.size > 0 && this.#gaps.length === 0) fault ??= this.#coverage.fault("end");
    const intactTo = this.#intactTo(fault);
    return {
      fault,
      gaps: this.#gaps,
      notes: this.#notes,
      chain: this.#chain,
      first: this.#first,
      intactTo: this.#first === undefined || intactTo < this.#first ? undefined : intactTo,
      checkpoints: this.#checkpoints,
      checkpoint: this.#checkpoint,
      lines: this.#lines,
      bytes: this.#bytes,
      tree: this.#heads?.signed,
      uncompared: open.filter(({ isCut }) => !isCut).length,
    };
  }

  #intactTo(fault: Fault | undefined): number {
    if (fault?.kind === "unsigned") return this.#checkpoint?.seq ?? 0;
    const broken = this.#break;
    // the hash in the next line proves a line: without that next line, the last good line is not proven
    return broken === undefined || broken.confirmsLastGood ? this.#seq : this.#seq - 1;
  }
}
