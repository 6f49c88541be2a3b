/**
 * The audit log. `append` creates a line in memory, in order; lines are written in the background, and the caller waits for `settled`
 * before it reports success. No audit, no service: while no sink accepts lines, `append` and `assertReady` throw and the caller must
 * refuse the operation. Lines of operations that were already performed or refused wait in memory until a sink recovers.
 */
import { randomBytes } from "node:crypto";
import type { KleidiError } from "../error.ts";
import type { BackOff } from "../lib/back-off.ts";
import { Chain, type Position, ZERO_HASH } from "./chain.ts";
import { Signer } from "./checkpoint.ts";
import type { Failure, Feed } from "./feed.ts";
import { loadKey } from "./key-file.ts";
import { type OpenFile, openLog } from "./open-file.ts";
import type { AuditOptions, AuditSettings } from "./options.ts";
import type { Control, Entry } from "./record.ts";
import { DEFAULT_RHYTHM, type Rhythm, UnsignedLines } from "./rhythm.ts";
import { countAside } from "./sink/aside.ts";
import { FileOutput } from "./sink/file.ts";
import { codeOf } from "./sink/output.ts";
import { StdoutOutput } from "./sink/stdout.ts";
import { auditFailed, Sinks } from "./sinks.ts";

/** The rhythm of checkpoints, as the record of the kind start names it. */
interface Claim {
  readonly checkpoint_lines: number;
  readonly checkpoint_interval_ms: number;
}

const QUEUE_BYTES = 4_194_304;
const BACK_OFF: BackOff = { firstMs: 250, longestMs: 10_000 };
/** Records that claim the rhythm or declare missing lines. They are signed at once: an unsigned claim is not trusted. */
const CLAIMS: ReadonlySet<string> = new Set<(Entry | Control)["kind"]>(["start", "rhythm", "gap"]);
const CLOSE_MS = 2_000;

export class AuditLog {
  readonly #chain: Chain;
  readonly #sinks: Sinks;
  readonly #now: () => number;
  readonly #options: AuditOptions;
  readonly #rotateBytes: number;
  readonly #signer: Signer | undefined;
  readonly #rhythm: Rhythm;
  /** The rhythm of its checkpoints, for the record of the kind start; empty without a key. */
  readonly claim: Partial<Claim>;
  readonly #unsigned = new UnsignedLines();
  #fileFeed: Feed | undefined;
  /** The size of the current file, once all lines are written. */
  #fileBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  /** The time of the last line. */
  #time: { readonly ms: number; readonly text: string };
  #isClosed = false;
  /** Set once the log accepts no more lines. */
  #fault: KleidiError | undefined;
  #untrusted = 0;

  private constructor(
    { checkpoints, rotate }: AuditSettings,
    options: AuditOptions,
    signer: Signer | undefined,
    at: Position,
  ) {
    this.#chain = new Chain(at);
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#rotateBytes = rotate?.sizeBytes ?? Number.POSITIVE_INFINITY;
    this.#signer = signer;
    // without a key, the file is still synced to the disk at this rhythm
    this.#rhythm = checkpoints ?? DEFAULT_RHYTHM;
    this.claim = checkpoints
      ? { checkpoint_lines: checkpoints.lines, checkpoint_interval_ms: checkpoints.intervalMs }
      : {};
    this.#time = { ms: at.time === undefined ? 0 : Date.parse(at.time), text: at.time ?? "" };
    this.#sinks = new Sinks({
      queueBytes: options.queueBytes ?? QUEUE_BYTES,
      backOff: options.backOff ?? BACK_OFF,
      lastSeq: () => this.#chain.at.seq,
      onFailed: ({ output, failure }) => options.onSink?.(output.name, failure),
      onRecovered: (feed, failure) => this.#recovered(feed, failure),
      onMissed: (feed, failure) => {
        if (!this.#isClosed) this.#inBackground(() => this.#declareMissing(feed, failure));
      },
    });
  }

  /**
   * Opens the sinks and continues the chain of the file, or begins a new chain. With a key, a file that a host with this key did not
   * leave behind is set aside, and a new chain begins.
   * @returns the open log; the caller appends the record of the kind start
   * @throws KleidiError audit-invalid if the file or the key is not safe to use, or another host writes to the file
   * @example
   *     const log = await AuditLog.open({ file: "/var/log/kleidi/audit.jsonl", stdout: false });
   *     log.append({ kind: "start", version, pid: process.pid, ...log.claim });
   *     await log.settled();
   */
  static async open(settings: AuditSettings, options: AuditOptions = {}): Promise<AuditLog> {
    const { file, stdout, checkpoints } = settings;
    // the key first: before anything is opened
    const signer = checkpoints && new Signer(loadKey(checkpoints.key));
    const opened = file === undefined ? undefined : await openLog(file, signer, checkpoints);
    const fresh = { chain: randomBytes(8).toString("hex"), seq: 0, hash: ZERO_HASH };
    const log = new AuditLog(settings, options, signer, opened?.at ?? fresh);
    if (opened !== undefined && file !== undefined) {
      if (opened.aside !== undefined) options.onAside?.(opened.aside);
      log.#untrusted = countAside(file);
      log.#addFile(settings, file, opened);
    }
    if (stdout) log.#sinks.add(new StdoutOutput(), log.#chain.at);
    log.#begin(opened);
    return log;
  }

  #addFile({ rotate }: AuditSettings, file: string, { descriptor, end, lock }: OpenFile): void {
    const output = new FileOutput({
      file,
      descriptor,
      end,
      lock,
      keep: rotate?.keep,
      onMoved: () => this.#rotateFile("moved"),
      onRemoved: (from, to) => {
        const since = iso(this.#now());
        this.#put({ kind: "gap", sink: "file", error: "the file was removed", since, from, to });
      },
    });
    this.#fileFeed = this.#sinks.add(output, this.#chain.at);
    this.#fileBytes = end.size;
  }

  #begin(opened: OpenFile | undefined): void {
    this.#sinks.accepted = this.#chain.at.seq;
    if (this.#chain.at.seq === 0) this.#put({ kind: "genesis", ...opened?.aside });
    // lines that a killed host left unsigned; it may have had another rhythm
    if (opened !== undefined && opened.unsigned > 0) this.#checkpoint();
    if (opened?.end.torn !== undefined) this.#put({ kind: "torn", ...opened.end.torn });
  }

  /** For metrics and the state of the host: each sink, its failure if it accepts no lines, and the bytes that wait for it. */
  get sinks(): { readonly name: string; readonly failure: Failure | undefined; readonly waiting: number }[] {
    return this.#sinks.states;
  }

  /** The number of lines that no sink has accepted yet. */
  get lag(): number {
    return this.#chain.at.seq - this.#sinks.accepted;
  }

  /** The number of files beside the log that a host did not trust; counted when the log was opened. */
  get untrusted(): number {
    return this.#untrusted;
  }

  /** The position of the last line, which may not be written yet. */
  get at(): Position {
    return this.#chain.at;
  }

  /**
   * Creates the next line. It is not written yet: wait for `settled`.
   * @throws KleidiError audit-failed if no sink accepts lines now. The line is still kept for a sink that recovers, while there is room:
   * its operation may already have been performed
   */
  append(entry: Entry): void {
    if (this.#isClosed || this.#fault !== undefined || !this.#sinks.keepsLines) this.assertReady();
    this.#sinks.makeRoom(this.#now());
    this.#put(entry);
    if (this.#fileBytes >= this.#rotateBytes) this.#rotateFile("size");
    this.assertReady();
  }

  /**
   * Checks that a sink accepts lines; call it before an operation that must be recorded.
   * @throws KleidiError audit-failed
   */
  assertReady(): void {
    if (this.#isClosed) throw auditFailed("the audit log is closed");
    if (this.#fault !== undefined) throw this.#fault;
    if (!this.#sinks.isUsable) throw this.#sinks.failure();
  }

  /**
   * Resolves when a sink has accepted all lines that were appended up to now.
   * @throws KleidiError audit-failed if no sink did; one may still accept them later
   */
  settled(): Promise<void> {
    return this.#sinks.settled(this.#fault);
  }

  /** Ends the file and begins a new one that continues the chain, also if somebody has moved the file away. */
  rotate(): void {
    this.#rotateFile("asked");
  }

  /**
   * Signs and writes all lines, and closes the file, within 2 s.
   * @returns the labels of the sinks that were not done by then: their last lines may be missing, and their pending writes keep the
   * process alive
   */
  async close(): Promise<readonly string[]> {
    if (this.#isClosed) return [];
    if (this.#unsigned.count > 0) this.#inBackground(() => this.#checkpoint());
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const late = await this.#sinks.close(CLOSE_MS);
    this.#sinks.rejectAll(auditFailed("the audit log is closed"));
    return late;
  }

  #recovered({ output }: Feed, { error, since, from }: Failure): void {
    this.#options.onSink?.(output.name, undefined);
    if (this.#isClosed) return;
    const to = Math.max(from, this.#chain.at.seq);
    const late = { sink: output.name, error, since: iso(since), from, to };
    this.#inBackground(() => this.#put({ kind: "stalled", ...late }));
  }

  #declareMissing(feed: Feed, { error, since }: Failure): void {
    const { seq, hash } = feed.last;
    // first: it may add lines, which this sink must miss too
    const time = this.#prepareTime();
    const to = this.#chain.at.seq;
    feed.rejoin();
    const missing = { error, since: iso(since), from: seq + 1, to, last: hash };
    this.#add({ kind: "gap", sink: feed.output.name, ...missing }, time);
  }

  /** Adds lines for a timer or a sink. No caller could catch an error, which would end the host: it becomes the fault of the log. */
  #inBackground(work: () => void): void {
    if (this.#fault !== undefined) return;
    try {
      work();
    } catch (error) {
      this.#fault = auditFailed(`the log cannot go on: ${codeOf(error)}. Restart the host`, error);
      clearTimeout(this.#timer);
      this.#sinks.rejectAll(this.#fault);
      this.#options.onFault?.(this.#fault);
    }
  }

  /** Adds a line, with a checkpoint before or after it if the rhythm requires one. */
  #put(record: Entry | Control, how: { startsFile?: boolean } = {}): void {
    this.#add(record, this.#prepareTime(), how);
  }

  /** Returns the time of the next line. A checkpoint that is overdue (the clock was set, the machine slept) is added first. */
  #prepareTime(): string {
    if (this.#unsigned.isDue(this.#rhythm, this.#now())) this.#checkpoint();
    return this.#stamp();
  }

  #add(record: Entry | Control, time: string, how: { startsFile?: boolean } = {}): void {
    this.#push(record, time, how);
    if (this.#unsigned.count >= this.#rhythm.lines) this.#checkpoint();
    else if (this.#signer !== undefined && CLAIMS.has(record.kind)) this.#checkpoint();
  }

  /** Returns the time of the next line, and adds a record first if the clock went backwards. */
  #stamp(): string {
    const now = this.#now();
    const back = this.#time.ms - now;
    if (back !== 0) this.#time = { ms: now, text: iso(now) };
    if (back > 0) this.#push({ kind: "clock", back_ms: back }, this.#time.text);
    return this.#time.text;
  }

  #push(record: Entry | Control, time: string, how: { startsFile?: boolean; sync?: boolean } = {}): void {
    const line = this.#chain.next(record, time);
    this.#sinks.push({ ...line, ...how });
    this.#fileBytes += line.text.length + 1;
    if (record.kind !== "checkpoint")
      this.#unsigned.add(record.kind, this.#time.ms, record.kind === "clock" ? record.back_ms : 0);
    this.#timer ??= setTimeout(() => this.#onTimer(), this.#rhythm.intervalMs).unref();
  }

  #onTimer(): void {
    this.#timer = undefined;
    if (this.#isClosed || this.#unsigned.count === 0) return;
    if (this.#sinks.isUsable) this.#inBackground(() => this.#checkpoint());
    else this.#timer = setTimeout(() => this.#onTimer(), this.#rhythm.intervalMs).unref();
  }

  /** Signs all lines and syncs them to the disk; without a key, only syncs. */
  #checkpoint(): void {
    if (this.#signer === undefined) this.#sinks.sync();
    else {
      // first: it may add a line, and the signature covers the line before
      const time = this.#stamp();
      this.#push(this.#signer.checkpoint(this.#chain.at, time), time, { sync: true });
    }
    this.#unsigned.signed();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Begins the next file. @returns false if it cannot begin now */
  #rotateFile(reason: "size" | "asked" | "moved"): boolean {
    const feed = this.#fileFeed;
    // a moved file is noticed while its feed retries
    if (
      feed === undefined ||
      this.#isClosed ||
      this.#fault !== undefined ||
      !(feed.isUsable || (reason === "moved" && !feed.isBehind))
    )
      return false;
    if (this.#signer !== undefined && this.#unsigned.count > 0) this.#checkpoint();
    this.#fileBytes = 0;
    this.#put({ kind: "rotate", reason }, { startsFile: true });
    this.#repeatClaim();
    return true;
  }

  #repeatClaim(): void {
    const { lines, intervalMs } = this.#rhythm;
    if (this.#signer !== undefined)
      this.#put({ kind: "rhythm", checkpoint_lines: lines, checkpoint_interval_ms: intervalMs });
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
