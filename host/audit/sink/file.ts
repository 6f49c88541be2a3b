/**
 * Lines to a file. It knows the length that the file has up to the last whole line, so that what a full disk leaves of a line is cut
 * off before anything else is written, and sees when somebody else moves, removes, cuts or writes the file.
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
import { makeFile, openFile } from "./place.ts";
import type { End } from "./resume.ts";
import { isSameFile, linkOld } from "./rotation.ts";

const writing = promisify(write);
const status = promisify(fstat);
const syncing = promisify(fdatasync);
const truncating = promisify(ftruncate);
const standing = promisify(lstat);
const removing = promisify(unlink);
const renaming = promisify(rename);

/** How often it is looked whether the file is still the one at its path. */
const CHECK_MS = 500;

export interface FileOutputOptions {
  readonly file: string;
  readonly descriptor: number;
  readonly end: End;
  readonly lock: Lock;
  /** So many rotated files are kept; undefined: all. */
  readonly keep?: number | undefined;
  /** Somebody moved the file away: whether a line will come that begins a new one. */
  readonly onMoved: () => boolean;
  /** Somebody removed the file, with the lines first…last in it. */
  readonly onRemoved: (first: number, last: number) => void;
}

export class FileOutput implements Output {
  readonly name = "file";
  readonly label: string;
  readonly #options: FileOutputOptions;
  /** Undefined between two files. */
  #descriptor: number | undefined;
  /** Bytes of whole lines. */
  #size: number;
  #first: number;
  #last: number;
  /** Behind #size, there may be half a line. */
  #hasPartialLine = false;
  #checkedAt = 0;
  #isMoved = false;
  /** What the system was asked and did not answer yet. */
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
      while (at < bytes.length) at += (await writing(descriptor, bytes, at)).bytesWritten;
      this.#countAccepted(lines, lines.length, bytes.length);
      return { taken: lines.length };
    } catch (error) {
      const { taken, size } = countWhole(lines, at);
      this.#countAccepted(lines, taken, size);
      this.#hasPartialLine ||= at > size;
      // at once if it goes: who reads the file now should find whole lines only
      if (this.#descriptor !== undefined) await this.#cutPartialLine(this.#descriptor).catch(() => {});
      // a refused write is a reason to look at what the path leads to
      this.#checkedAt = 0;
      return { taken, error: error as Error };
    }
  }

  /** Cuts off what is left of a line that was not written whole. */
  async #cutPartialLine(descriptor: number): Promise<void> {
    if (!this.#hasPartialLine) return;
    await truncating(descriptor, this.#size);
    this.#hasPartialLine = false;
  }

  #countAccepted(lines: readonly OutputLine[], taken: number, size: number): void {
    if (taken === 0) return;
    if (this.#size === 0) this.#first = lines[0]?.seq ?? 0;
    this.#last = lines[taken - 1]?.seq ?? this.#last;
    this.#size += size;
  }

  /** The open file; a new one where there is none. */
  #open(): number {
    if (this.#descriptor !== undefined) return this.#descriptor;
    const { file } = this.#options;
    const descriptor = openFile(file);
    // an edited copy of the file, or what another program made in place of the one that it moved away
    if (fstatSync(descriptor).size > 0) {
      closeSync(descriptor);
      throw new Error("another file stands in its place: move it away");
    }
    return this.#begin(descriptor);
  }

  /** Writes to another file from now on. */
  #begin(descriptor: number): number {
    this.#close();
    this.#descriptor = descriptor;
    this.#size = 0;
    this.#isMoved = false;
    this.#hasPartialLine = false;
    syncFolder(dirname(this.#options.file));
    return descriptor;
  }

  /** @throws where somebody else changed the file */
  async #assertUntouched(): Promise<void> {
    if (this.#descriptor === undefined || performance.now() - this.#checkedAt < CHECK_MS) return;
    const { file, lock, onMoved, onRemoved } = this.#options;
    if (!(await lock.isHeld())) throw new Error("its lock was removed: another host may write to it");
    const { nlink, size } = await status(this.#descriptor);
    if (nlink === 0) {
      this.#close();
      if (this.#size > 0) onRemoved(this.#first, this.#last);
      return;
    }
    if (!this.#hasPartialLine && size !== this.#size)
      throw new Error(
        `it has ${size} bytes, ${this.#size} were written: somebody else cut it or writes to it`,
      );
    if (!this.#isMoved && !(await this.#isAt(file))) this.#isMoved = onMoved();
    this.#checkedAt = performance.now();
  }

  /** Whether the open file is the one at the path. */
  async #isAt(file: string): Promise<boolean> {
    if (this.#descriptor === undefined) return false;
    const there = await standing(file).catch(() => undefined);
    return there !== undefined && isSameFile(there, await status(this.#descriptor));
  }

  /**
   * Ends the file, and begins another one with a line. Safe to ask again after it failed.
   * @returns how many bytes of the line are written already
   */
  async #rotate(first: OutputLine): Promise<number> {
    const { file, keep } = this.#options;
    if (this.#descriptor !== undefined) {
      await this.#cutPartialLine(this.#descriptor);
      await syncing(this.#descriptor);
    }
    const isRenamed = this.#size > 0 && (await this.#isAt(file));
    const others = keep === undefined ? undefined : Math.max(0, keep - (isRenamed ? 1 : 0));
    if (others !== undefined)
      for (const old of rotatedFiles(file).slice(0, others === 0 ? undefined : -others)) await removing(old);
    if (isRenamed) return this.#replace(first);
    this.#close();
    return 0;
  }

  /** The path always leads to a file with a line in it: one that is missing or empty was moved away by somebody else. */
  async #replace(line: OutputLine): Promise<number> {
    const { file, keep } = this.#options;
    const next = nextName(file);
    const bytes = bytesOf([line]);
    const descriptor = makeFile(next);
    try {
      for (let at = 0; at < bytes.length; ) at += (await writing(descriptor, bytes, at)).bytesWritten;
      await syncing(descriptor);
      if (keep !== 0) await linkOld(file, rotatedName(file, this.#first, this.#last));
      await renaming(next, file);
    } catch (error) {
      closeSync(descriptor);
      await removing(next).catch(() => {});
      throw error;
    }
    this.#begin(descriptor);
    return bytes.length;
  }

  async sync(): Promise<void> {
    if (this.#descriptor !== undefined) await this.#during(syncing(this.#descriptor));
  }

  #during<T>(work: Promise<T>): Promise<T> {
    this.#busy = Promise.allSettled([this.#busy, work]);
    return work;
  }

  /** A write that a disk holds comes late: until then no other host may have the file, nor another file the descriptor's number. */
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

/** A new name is there after a crash only once its folder is on the disk. In the background: lines do not wait for it. */
function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  fsync(folder, () => closeSync(folder));
}
