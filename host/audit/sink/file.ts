/**
 * Writes lines to a file. It tracks the length up to the last complete line, so that a partial line (a full disk) is cut off before
 * anything else is written, and notices when another process moves, removes, truncates or writes the file.
 */
import {
  closeSync,
  fdatasync,
  fstat,
  fstatSync,
  fsync,
  ftruncate,
  lstat,
  openSync,
  rename,
  unlink,
  write,
} from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { Lock } from "./lock.ts";
import { nextName, rotatedFiles, rotatedName } from "./names.ts";
import { bytesOf, countWhole, type Output, type OutputLine, type Written } from "./output.ts";
import { createFile, openFile } from "./place.ts";
import type { End } from "./resume.ts";
import { isSameFile, linkOld } from "./rotation.ts";

const writeBytes = promisify(write);
const statDescriptor = promisify(fstat);
const syncData = promisify(fdatasync);
const truncateTo = promisify(ftruncate);
const statPath = promisify(lstat);
const removeFile = promisify(unlink);
const renameFile = promisify(rename);

/** The pause between two checks that the open file is still the one at its path. */
const CHECK_MS = 500;

interface FileOutputOptions {
  readonly file: string;
  readonly descriptor: number;
  readonly end: End;
  readonly lock: Lock;
  /** The number of rotated files to keep; undefined: all. */
  readonly keep?: number | undefined;
  /** Called when the file was moved away. @returns true if a line that begins a new file will follow */
  readonly onMoved: () => boolean;
  /** Called when the file was removed, with the lines first…last in it. */
  readonly onRemoved: (first: number, last: number) => void;
}

export class FileOutput implements Output {
  readonly name = "file";
  readonly label: string;
  readonly #options: FileOutputOptions;
  /** Undefined between two files. */
  #descriptor: number | undefined;
  /** The number of bytes of complete lines. */
  #size: number;
  #first: number;
  #last: number;
  /** True if a partial line may follow after #size. */
  #hasPartialLine = false;
  #checkedAt = 0;
  #isMoved = false;
  /** The pending operations of the system. */
  #busy: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;

  constructor(options: FileOutputOptions) {
    const { file, descriptor, end } = options;
    this.#options = options;
    this.label = `the file ${file}`;
    this.#descriptor = descriptor;
    this.#size = end.size;
    this.#first = end.first;
    this.#last = end.last?.seq ?? 0;
  }

  write(lines: readonly OutputLine[]): Promise<Written> {
    return this.#during(this.#write(lines));
  }

  async #write(lines: readonly OutputLine[]): Promise<Written> {
    const bytes = bytesOf(lines);
    let at = 0;
    try {
      await this.#assertUntouched();
      const [first] = lines;
      if (first?.startsFile) at = await this.#rotate(first);
      const descriptor = this.#open();
      await this.#cutPartialLine(descriptor);
      while (at < bytes.length) at += (await writeBytes(descriptor, bytes, at)).bytesWritten;
      this.#countAccepted(lines, lines.length, bytes.length);
      return { taken: lines.length };
    } catch (error) {
      const { taken, size } = countWhole(lines, at);
      this.#countAccepted(lines, taken, size);
      this.#hasPartialLine ||= at > size;
      // at once if possible: a reader should find only complete lines
      if (this.#descriptor !== undefined) await this.#cutPartialLine(this.#descriptor).catch(() => {});
      // after a failed write, the file is checked again at once
      this.#checkedAt = 0;
      return { taken, error: error as Error };
    }
  }

  /** Cuts off a partially written line. */
  async #cutPartialLine(descriptor: number): Promise<void> {
    if (!this.#hasPartialLine) return;
    await truncateTo(descriptor, this.#size);
    this.#hasPartialLine = false;
  }

  #countAccepted(lines: readonly OutputLine[], taken: number, size: number): void {
    if (taken === 0) return;
    if (this.#size === 0) this.#first = lines[0]?.seq ?? 0;
    this.#last = lines[taken - 1]?.seq ?? this.#last;
    this.#size += size;
  }

  /** Returns the open file; opens a new one if there is none. */
  #open(): number {
    if (this.#descriptor !== undefined) return this.#descriptor;
    const { file } = this.#options;
    const descriptor = openFile(file);
    // an edited copy of the file, or a file that another program created after it moved the log away
    if (fstatSync(descriptor).size > 0) {
      closeSync(descriptor);
      throw new Error("another file is at its path: move it away");
    }
    return this.#begin(descriptor);
  }

  /** Switches to another file. */
  #begin(descriptor: number): number {
    this.#close();
    this.#descriptor = descriptor;
    this.#size = 0;
    this.#isMoved = false;
    this.#hasPartialLine = false;
    syncFolder(dirname(this.#options.file));
    return descriptor;
  }

  /** @throws Error if another process changed the file */
  async #assertUntouched(): Promise<void> {
    if (this.#descriptor === undefined || performance.now() - this.#checkedAt < CHECK_MS) return;
    const { file, lock, onMoved, onRemoved } = this.#options;
    if (!(await lock.isHeld())) throw new Error("its lock was removed: another host may write to it");
    const { nlink, size } = await statDescriptor(this.#descriptor);
    if (nlink === 0) {
      this.#close();
      if (this.#size > 0) onRemoved(this.#first, this.#last);
      return;
    }
    if (!this.#hasPartialLine && size !== this.#size)
      throw new Error(
        `it has ${size} bytes, the host wrote ${this.#size}: another process truncated it or writes to it`,
      );
    if (!this.#isMoved && !(await this.#isAt(file))) this.#isMoved = onMoved();
    this.#checkedAt = performance.now();
  }

  /** True if the open file is the one at the path. */
  async #isAt(file: string): Promise<boolean> {
    if (this.#descriptor === undefined) return false;
    const there = await statPath(file).catch(() => undefined);
    return there !== undefined && isSameFile(there, await statDescriptor(this.#descriptor));
  }

  /**
   * Ends the file and begins a new one with a line. Can be repeated after a failure.
   * @returns the number of bytes of the line that are already written
   */
  async #rotate(first: OutputLine): Promise<number> {
    const { file, keep } = this.#options;
    if (this.#descriptor !== undefined) {
      await this.#cutPartialLine(this.#descriptor);
      await syncData(this.#descriptor);
    }
    const isRenamed = this.#size > 0 && (await this.#isAt(file));
    const others = keep === undefined ? undefined : Math.max(0, keep - (isRenamed ? 1 : 0));
    if (others !== undefined)
      for (const old of rotatedFiles(file).slice(0, others === 0 ? undefined : -others))
        await removeFile(old);
    if (isRenamed) return this.#replace(first);
    this.#close();
    return 0;
  }

  /** Replaces the file so that its path always leads to a file with a line: a missing or empty file means that it was moved away. */
  async #replace(line: OutputLine): Promise<number> {
    const { file, keep } = this.#options;
    const next = nextName(file);
    const bytes = bytesOf([line]);
    const descriptor = createFile(next);
    try {
      for (let at = 0; at < bytes.length; ) at += (await writeBytes(descriptor, bytes, at)).bytesWritten;
      await syncData(descriptor);
      if (keep !== 0) await linkOld(file, rotatedName(file, this.#first, this.#last));
      await renameFile(next, file);
    } catch (error) {
      closeSync(descriptor);
      await removeFile(next).catch(() => {});
      throw error;
    }
    this.#begin(descriptor);
    return bytes.length;
  }

  async sync(): Promise<void> {
    if (this.#descriptor !== undefined) await this.#during(syncData(this.#descriptor));
  }

  #during<T>(work: Promise<T>): Promise<T> {
    this.#busy = Promise.allSettled([this.#busy, work]);
    return work;
  }

  /** Waits for pending operations first: until then, no other host may take the lock, and the descriptor must not be reused. */
  close(): Promise<void> {
    this.#closed ??= this.#busy.then(() => {
      this.#close();
      this.#options.lock.release();
    });
    return this.#closed;
  }

  #close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

/** Syncs a folder in the background: only then a new name survives a crash. Lines do not wait for it. */
function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  fsync(folder, () => closeSync(folder));
}
