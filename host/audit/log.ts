/**
 * The audit log. `append` creates a line in memory, in order; lines are written in the background, and the caller waits for `settled`
 * before it reports success. No audit, no service: while no sink accepts lines, `append` and `assertReady` throw and the caller must
 * refuse the operation. Lines of operations that were already performed or refused wait in memory until a sink recovers.
 */
import type { KleidiError } from "../error.ts";
import type { Position } from "./chain.ts";
import type { ChainWriter } from "./chain-writer.ts";
import { Signer } from "./checkpoint.ts";
import type { CurrentFile, RotateReason } from "./current-file.ts";
import type { Failure } from "./feed.ts";
import { loadKey } from "./key-file.ts";
import { assembleLog } from "./log-parts.ts";
import { type OpenFile, openLog } from "./open-file.ts";
import type { AuditOptions, AuditSettings } from "./options.ts";
import type { Entry } from "./record.ts";
import type { Claim } from "./rhythm.ts";
import { countAside } from "./sink/aside.ts";
import { codeOf } from "./sink/output.ts";
import { auditFailed, type Sinks } from "./sinks.ts";

const CLOSE_MS = 2_000;

export class AuditLog {
  readonly #options: AuditOptions;
  readonly #sinks: Sinks;
  readonly #chain: ChainWriter;
  readonly #file: CurrentFile | undefined;
  /** The number of files beside the log that a host did not trust; counted when the log was opened. */
  readonly untrusted: number;
  #isClosed = false;
  /** Set once the log accepts no more lines. */
  #fault: KleidiError | undefined;

  private constructor(
    settings: AuditSettings,
    options: AuditOptions,
    signer: Signer | undefined,
    opened: OpenFile | undefined,
  ) {
    this.#options = options;
    this.untrusted = settings.file === undefined ? 0 : countAside(settings.file);
    const parts = assembleLog(settings, options, signer, opened, {
      inBackground: (work) => this.#inBackground(work),
      rotate: (reason) => this.#rotate(reason),
    });
    this.#sinks = parts.sinks;
    this.#chain = parts.chain;
    this.#file = parts.file;
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
    const { file, checkpoints } = settings;
    // the key first: before anything is opened
    const signer = checkpoints && new Signer(loadKey(checkpoints.key));
    const opened = file === undefined ? undefined : await openLog(file, signer, checkpoints);
    if (opened?.aside !== undefined) options.onAside?.(opened.aside);
    return new AuditLog(settings, options, signer, opened);
  }

  /** The rhythm of its checkpoints, for the record of the kind start; empty without a key. */
  get claim(): Partial<Claim> {
    return this.#chain.claim ?? {};
  }

  /** For metrics and the state of the host: each sink, its failure if it accepts no lines, and the bytes that wait for it. */
  get sinks(): { readonly name: string; readonly failure: Failure | undefined; readonly waiting: number }[] {
    return this.#sinks.states;
  }

  /** The number of lines that no sink has accepted yet. */
  get lag(): number {
    return this.at.seq - this.#sinks.accepted;
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
    this.#sinks.makeRoom((this.#options.now ?? Date.now)());
    this.#chain.put(entry);
    if (this.#file?.isFull) this.#rotate("size");
    this.assertReady();
  }

  /**
   * Checks that a sink accepts lines; call it before an operation that must be recorded.
   * @throws KleidiError audit-failed
   */
  assertReady(): void {
    if (this.#isClosed) throw auditFailed("audit-failed/ended", "the audit log is closed");
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

  /** Ends the file and begins a new one that continues the chain, also if the file was moved away. */
  rotate(): void {
    this.#rotate("asked");
  }

  /**
   * Signs and writes all lines, and closes the file, within 2 s.
   * @returns the labels of the sinks that were not done by then: their last lines may be missing, and their pending writes keep the
   * process alive
   */
  async close(): Promise<readonly string[]> {
    if (this.#isClosed) return [];
    if (this.#chain.hasUnsigned) this.#inBackground(() => this.#chain.checkpoint());
    this.#isClosed = true;
    this.#chain.stop();
    const late = await this.#sinks.close(CLOSE_MS);
    this.#sinks.rejectAll(auditFailed("audit-failed/ended", "the audit log is closed"));
    return late;
  }

  #rotate(reason: RotateReason): boolean {
    if (this.#isClosed || this.#fault !== undefined) return false;
    return this.#file?.rotate(reason) ?? false;
  }

  /** Adds lines for a timer or a sink. No caller could catch an error, which would end the host: it becomes the fault of the log. */
  #inBackground(work: () => void): void {
    if (this.#isClosed || this.#fault !== undefined) return;
    try {
      work();
    } catch (error) {
      this.#fault = auditFailed(
        "audit-failed/ended",
        `the log cannot continue: ${codeOf(error)}. Restart the host`,
        error,
      );
      this.#chain.stop();
      this.#sinks.rejectAll(this.#fault);
      this.#options.onFault?.(this.#fault);
    }
  }
}
