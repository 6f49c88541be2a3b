/**
 * The audit log. Lines are made in memory, in order, when they are appended; they are written in the background, and whoever answers
 * for what was done waits for `settled`. No audit, no service: where no sink can take lines, whoever appends is told, and nothing
 * should be done. What was done a moment before, or asked in vain, waits in memory and is written when a sink takes lines again.
 */
import { randomBytes } from "node:crypto";
import { KleidiError } from "../error.ts";
import type { BackOff } from "../lib/back-off.ts";
import { Chain, NOTHING, type Position } from "./chain.ts";
import { Signer } from "./checkpoint.ts";
import { closeWithin } from "./close.ts";
import { type Failure, Feed, type FeedEvents } from "./feed.ts";
import { loadKey } from "./key-file.ts";
import { type OpenFile, openLog } from "./open-file.ts";
import type { Control, Entry } from "./record.ts";
import { DEFAULT_RHYTHM, type Rhythm, Unsigned } from "./rhythm.ts";
import { type Aside, countAside } from "./sink/aside.ts";
import { FileOutput } from "./sink/file.ts";
import { codeOf } from "./sink/output.ts";
import { StdoutOutput } from "./sink/stdout.ts";
import { Waiters } from "./waiters.ts";

/** The part `audit` of the configuration. */
export interface AuditSettings {
  /** Absolute path. */
  readonly file?: string;
  readonly stdout: boolean;
  readonly rotate?: { readonly sizeBytes: number; readonly keep?: number };
  readonly checkpoints?: { readonly key: string } & Rhythm;
}

export interface AuditOptions {
  /** Of lines that are not written yet, in each sink. */
  readonly queueBytes?: number;
  /** Between tries of an output that refuses. */
  readonly backOff?: BackOff;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Told of a sink that fails or works again. For the host's own log. */
  readonly onSink?: (sink: string, failure: Failure | undefined) => void;
  /** Told once that the log cannot make a line that nobody asked for, and takes none from then on. For the host's own log. */
  readonly onFault?: (fault: KleidiError) => void;
  /** Told of the file that was there and was not trusted; a new chain begins. For the host's own log. */
  readonly onAside?: (aside: Aside) => void;
}

interface Claim {
  readonly checkpoint_lines: number;
  readonly checkpoint_interval_ms: number;
}

const QUEUE_BYTES = 4_194_304;
const BACK_OFF: BackOff = { firstMs: 250, longestMs: 10_000 };
/** Records that say at which rhythm is signed, or that lines are missing. They are signed at once: what is not is not believed. */
const CLAIMS: ReadonlySet<string> = new Set<(Entry | Control)["kind"]>(["start", "rhythm", "gap"]);
const CLOSE_MS = 2_000;

export class AuditLog {
  readonly #chain: Chain;
  readonly #feeds: Feed[] = [];
  readonly #waiters = new Waiters();
  readonly #now: () => number;
  readonly #options: AuditOptions;
  readonly #queueBytes: number;
  readonly #rotateBytes: number;
  readonly #signer: Signer | undefined;
  readonly #rhythm: Rhythm;
  /** The rhythm of its checkpoints, for the record of the kind start; nothing without a key. */
  readonly claim: Partial<Claim>;
  readonly #unsigned = new Unsigned();
  #fileFeed: Feed | undefined;
  /** Of the present file, once everything is written. */
  #fileBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Of the last line. */
  #time: { readonly ms: number; readonly text: string };
  #closed = false;
  /** Why it takes no lines any more. */
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
    this.#queueBytes = options.queueBytes ?? QUEUE_BYTES;
    this.#rotateBytes = rotate?.sizeBytes ?? Number.POSITIVE_INFINITY;
    this.#signer = signer;
    // without a key, the file still goes down to the disk at this rhythm
    this.#rhythm = checkpoints ?? DEFAULT_RHYTHM;
    this.claim = checkpoints
      ? { checkpoint_lines: checkpoints.lines, checkpoint_interval_ms: checkpoints.intervalMs }
      : {};
    this.#time = { ms: at.time === undefined ? 0 : Date.parse(at.time), text: at.time ?? "" };
  }

  /**
   * Opens the sinks and continues the chain of the file; where there is none, a new one begins. With a key, also where the file is not
   * one that a host with this key left behind: that one is set aside.
   * @throws KleidiError audit-invalid: the file or the key is not as it should be, or another host writes to the file
   */
  static async open(settings: AuditSettings, options: AuditOptions = {}): Promise<AuditLog> {
    const { file, stdout, checkpoints } = settings;
    // before anything is opened
    const signer = checkpoints && new Signer(loadKey(checkpoints.key));
    const opened = file === undefined ? undefined : await openLog(file, signer, checkpoints);
    const fresh = { chain: randomBytes(8).toString("hex"), seq: 0, hash: NOTHING };
    const log = new AuditLog(settings, options, signer, opened?.at ?? fresh);
    if (opened !== undefined && file !== undefined) {
      if (opened.aside !== undefined) options.onAside?.(opened.aside);
      log.#untrusted = countAside(file);
      log.#addFile(settings, file, opened);
    }
    if (stdout) log.#feed(new StdoutOutput());
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
      onMoved: () => this.#turn("moved"),
      onRemoved: (from, to) => {
        const since = iso(this.#now());
        this.#put({ kind: "gap", sink: "file", error: "the file was removed", since, from, to });
      },
    });
    this.#fileFeed = this.#feed(output);
    this.#fileBytes = end.size;
  }

  #feed(output: FileOutput | StdoutOutput): Feed {
    const feed = new Feed(output, this.#chain.at, this.#events, this.#options.backOff ?? BACK_OFF);
    this.#feeds.push(feed);
    return feed;
  }

  #begin(opened: OpenFile | undefined): void {
    this.#waiters.accepted = this.#chain.at.seq;
    if (this.#chain.at.seq === 0) this.#put({ kind: "genesis", ...opened?.aside });
    // what a host that was killed left unsigned; its rhythm may have been another one
    if (opened !== undefined && opened.unsigned > 0) this.#checkpoint();
    if (opened?.end.torn !== undefined) this.#put({ kind: "torn", ...opened.end.torn });
  }

  /** For metrics and the host's state: each sink, why it takes no lines, and how many bytes wait for it. */
  get sinks(): { readonly name: string; readonly failure: Failure | undefined; readonly waiting: number }[] {
    return this.#feeds.map(({ output, failure, bytes }) => ({ name: output.name, failure, waiting: bytes }));
  }

  /** How many lines no sink has accepted yet. */
  get lag(): number {
    return this.#chain.at.seq - this.#waiters.accepted;
  }

  /** How many files lie beside the log because a host did not trust them; counted when it was opened. */
  get untrusted(): number {
    return this.#untrusted;
  }

  /** The chain, and its last line: written or still to be. */
  get at(): Position {
    return this.#chain.at;
  }

  /**
   * Makes the next line. It is not written yet: `settled` says when it is.
   * @throws KleidiError audit-failed, no sink takes lines now. It is kept for one that does again, while there is room for it: what it
   * tells of may have been done already
   */
  append(entry: Entry): void {
    if (this.#closed || this.#fault !== undefined || !this.#feeds.some(({ keeps }) => keeps))
      this.assertReady();
    this.#makeRoom();
    this.#put(entry);
    if (this.#fileBytes >= this.#rotateBytes) this.#turn("size");
    this.assertReady();
  }

  /** @throws KleidiError audit-failed, no sink takes lines: to be asked before something is done */
  assertReady(): void {
    if (this.#closed) throw failed("the audit log is closed");
    if (this.#fault !== undefined) throw this.#fault;
    if (!this.#feeds.some(({ usable }) => usable)) throw this.#failure();
  }

  /**
   * Resolves when everything that was appended up to now is accepted by a sink.
   * @throws KleidiError audit-failed, it was not; it may still be later
   */
  settled(): Promise<void> {
    const ready = this.#feeds.some(({ usable }) => usable);
    return this.#waiters.until(this.#chain.at.seq, this.#fault ?? (ready ? undefined : this.#failure()));
  }

  /** Ends the file and begins another one that continues it; also where somebody has moved the file away. */
  rotate(): void {
    this.#turn("asked");
  }

  /**
   * Signs what is there, writes it, and lets go of the file; within 2 s.
   * @returns the sinks that were not done by then: their last lines may be missing, and what they do holds the process
   */
  async close(): Promise<readonly string[]> {
    if (this.#closed) return [];
    if (this.#unsigned.count > 0) this.#unasked(() => this.#checkpoint());
    this.#closed = true;
    clearTimeout(this.#timer);
    const late = await closeWithin(this.#feeds, CLOSE_MS);
    this.#waiters.reject(Number.POSITIVE_INFINITY, failed("the audit log is closed"));
    return late;
  }

  readonly #events: FeedEvents = {
    taken: (_feed, first, last) => this.#waiters.accept(first, last),
    failed: (feed) => {
      this.#options.onSink?.(feed.output.name, feed.failure);
      if (!this.#feeds.some(({ usable }) => usable))
        this.#waiters.reject(Number.POSITIVE_INFINITY, this.#failure());
      this.#forget();
    },
    recovered: ({ output }, failure) => {
      this.#options.onSink?.(output.name, undefined);
      if (this.#closed) return;
      const { error, since, from } = failure;
      const to = Math.max(from, this.#chain.at.seq);
      const late = { sink: output.name, error, since: iso(since), from, to };
      this.#unasked(() => this.#put({ kind: "stalled", ...late }));
    },
    behind: (feed, failure) => {
      if (!this.#closed) this.#unasked(() => this.#declareMissing(feed, failure));
    },
  };

  #declareMissing(feed: Feed, { error, since }: Failure): void {
    const { seq, hash } = feed.last;
    // first: it may make lines, which this sink is to miss too
    const time = this.#readied();
    const to = this.#chain.at.seq;
    feed.rejoin();
    const missing = { error, since: iso(since), from: seq + 1, to, last: hash };
    this.#add({ kind: "gap", sink: feed.output.name, ...missing }, time);
  }

  /** Makes lines that no caller waits for: a timer or an output asks for them, and what they throw would end the host. */
  #unasked(work: () => void): void {
    if (this.#fault !== undefined) return;
    try {
      work();
    } catch (error) {
      this.#fault = failed(`the log cannot go on: ${codeOf(error)}. Start the host again`, error);
      clearTimeout(this.#timer);
      this.#waiters.reject(Number.POSITIVE_INFINITY, this.#fault);
      this.#options.onFault?.(this.#fault);
    }
  }

  /** The next line, to all sinks; in front of it or behind it a checkpoint, where the rhythm asks for one. */
  #put(record: Entry | Control, how: { turn?: boolean } = {}): void {
    this.#add(record, this.#readied(), how);
  }

  /** Gives the time of the next line. After a clock was set or a machine slept, a checkpoint may be late: it comes first. */
  #readied(): string {
    if (this.#unsigned.isDue(this.#rhythm, this.#now())) this.#checkpoint();
    return this.#stamp();
  }

  #add(record: Entry | Control, time: string, how: { turn?: boolean } = {}): void {
    this.#push(record, time, how);
    if (this.#unsigned.count >= this.#rhythm.lines) this.#checkpoint();
    else if (this.#signer !== undefined && CLAIMS.has(record.kind)) this.#checkpoint();
  }

  /** The time of the next line; before it, a line if the clock went backwards. */
  #stamp(): string {
    const now = this.#now();
    const back = this.#time.ms - now;
    if (back !== 0) this.#time = { ms: now, text: iso(now) };
    if (back > 0) this.#push({ kind: "clock", back_ms: back }, this.#time.text);
    return this.#time.text;
  }

  #push(record: Entry | Control, time: string, how: { turn?: boolean; sync?: boolean } = {}): void {
    const line = this.#chain.next(record, time);
    for (const feed of this.#feeds) feed.push({ ...line, ...how });
    this.#fileBytes += line.text.length + 1;
    if (record.kind !== "checkpoint")
      this.#unsigned.add(record.kind, this.#time.ms, record.kind === "clock" ? record.back_ms : 0);
    this.#timer ??= setTimeout(() => this.#beat(), this.#rhythm.intervalMs).unref();
  }

  #beat(): void {
    this.#timer = undefined;
    if (this.#closed || this.#unsigned.count === 0) return;
    if (this.#feeds.some(({ usable }) => usable)) this.#unasked(() => this.#checkpoint());
    else this.#timer = setTimeout(() => this.#beat(), this.#rhythm.intervalMs).unref();
  }

  /** What is there so far is signed and goes down to the disk; without a key, only the latter. */
  #checkpoint(): void {
    if (this.#signer === undefined) for (const feed of this.#feeds) feed.sync();
    else {
      // first: it may make a line, and the signature is over the line before
      const time = this.#stamp();
      this.#push(this.#signer.checkpoint(this.#chain.at, time), time, { sync: true });
    }
    this.#unsigned.signed();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Whether the next file will begin. */
  #turn(reason: "size" | "asked" | "moved"): boolean {
    const feed = this.#fileFeed;
    // a file that was moved is seen while its feed tries again
    if (
      feed === undefined ||
      this.#closed ||
      this.#fault !== undefined ||
      !(feed.usable || (reason === "moved" && !feed.behind))
    )
      return false;
    if (this.#signer !== undefined && this.#unsigned.count > 0) this.#checkpoint();
    this.#fileBytes = 0;
    this.#put({ kind: "rotate", reason }, { turn: true });
    this.#claimAgain();
    return true;
  }

  #claimAgain(): void {
    const { lines, intervalMs } = this.#rhythm;
    if (this.#signer !== undefined)
      this.#put({ kind: "rhythm", checkpoint_lines: lines, checkpoint_interval_ms: intervalMs });
  }

  /**
   * A sink without room gives its lines up if another one takes them.
   * @throws KleidiError audit-failed, no sink has room
   */
  #makeRoom(): void {
    const full = this.#feeds.filter(({ bytes }) => bytes >= this.#queueBytes);
    if (full.length === 0) return;
    if (!this.#feeds.some((feed) => feed.usable && !full.includes(feed)))
      throw failed(`${this.#queueBytes} bytes wait to be written already, and no sink is fast enough`);
    for (const feed of full) feed.drop(this.#now());
    this.#forget();
  }

  /** Lines that no sink holds any more will never be accepted. */
  #forget(): void {
    const held = this.#feeds.flatMap(({ pending }) => pending ?? []);
    this.#waiters.forget(Math.min(...held, this.#chain.at.seq + 1), () => this.#failure());
  }

  #failure(): KleidiError {
    const each = this.#feeds.map(
      ({ output, failure }) => `${output.label} (${failure?.error ?? "too slow"})`,
    );
    return failed(`no sink can take a line: ${each.join(", ")}`);
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function failed(why: string, cause?: unknown): KleidiError {
  return new KleidiError("audit-failed", `Cannot audit: ${why}`, cause);
}
