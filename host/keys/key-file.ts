/**
 * A change of the keys in the configuration: the intention is recorded, the file is replaced, the outcome is recorded. A process that is
 * killed at any point leaves the old file or the new one, and the next command records which.
 */
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import type { Config } from "../config/config.ts";
import { loadConfig, readConfig } from "../config/load.ts";
import { parseConfig } from "../config/parse.ts";
import { KleidiError } from "../error.ts";
import { publishOver, stageAs } from "../lib/write-files.ts";
import { lockKeys, tidy } from "./exclusive.ts";
import { appendHistory, type History, placeOf, readHistory, recordsOf } from "./history.ts";
import { type Past, pastOf } from "./past.ts";
import { reconcile } from "./reconcile.ts";
import type { Change, HistoryEvent } from "./record.ts";

/** A change without the digests of the file. */
export type Intent = Omit<Change, "before" | "after">;

export interface KeyFile {
  readonly config: Config;
  readonly text: string;
  readonly past: Past;
  /** A sentence for each thing that was found to be different from the history. */
  readonly notes: readonly string[];
  /** Records events now. */
  record(events: readonly HistoryEvent[]): void;
  /**
   * Checks a new text.
   * @throws KleidiError config-invalid
   */
  check(text: string): void;
  /**
   * Passes the path of a copy of a new text to `use`, in the folder of the configuration, and removes the copy.
   * @throws the error of `use`
   */
  withCopy<T>(text: string, use: (path: string) => T): T;
  /** Replaces the configuration. @throws KleidiError config-invalid, the file was changed meanwhile; the system's error */
  replace(text: string, intent: Intent): void;
}

/**
 * Locks the configuration, reads it and its history, and passes them to `use`.
 * @param isDry true: nothing is locked or written
 * @throws KleidiError config-invalid, history-invalid, key-locked; the error of `use`
 */
export async function withKeyFile<T>(
  configPath: string,
  isDry: boolean,
  use: (file: KeyFile) => Promise<T>,
): Promise<T> {
  const place = placeOf(loadConfig(configPath));
  const release = isDry ? () => {} : lockKeys(place);
  try {
    // Read again under the lock.
    const config = loadConfig(configPath);
    if (!isDry) tidy(config);
    return await use(new OpenKeyFile(config, readConfig(configPath), readHistory(place), isDry));
  } finally {
    release();
  }
}

class OpenKeyFile implements KeyFile {
  readonly config: Config;
  readonly text: string;
  readonly notes: readonly string[];
  readonly #isDry: boolean;
  #history: History;

  constructor(config: Config, text: string, history: History, isDry: boolean) {
    this.config = config;
    this.text = text;
    this.#history = history;
    this.#isDry = isDry;
    if (history.fault !== undefined) throw new KleidiError("history-invalid/lost", history.fault);
    const { events, notes } = reconcile(recordsOf(history), config);
    this.notes = notes;
    this.record(events);
  }

  get past(): Past {
    return pastOf(recordsOf(this.#history));
  }

  record(events: readonly HistoryEvent[]): void {
    if (events.length === 0) return;
    const append = this.#isDry ? withEvents : appendHistory;
    this.#history = append(this.#history, events, Date.now());
  }

  check(text: string): void {
    parseConfig(text, this.config.file);
  }

  withCopy<T>(text: string, use: (path: string) => T): T {
    const copy = stageAs(this.config.file, text, this.#history.place.config);
    try {
      return use(copy);
    } finally {
      rmSync(copy, { force: true });
    }
  }

  replace(text: string, intent: Intent): void {
    this.check(text);
    const path = this.#history.place.config;
    const staged = stageAs(path, text, path);
    try {
      this.#assertUnchanged();
      this.record([{ ...intent, before: this.config.sha256, after: digestOf(text) }]);
      publishOver(staged, path);
    } catch (error) {
      rmSync(staged, { force: true });
      throw error;
    }
    this.record([{ event: "done", of: this.#history.last }]);
  }

  #assertUnchanged(): void {
    const isSame = readConfig(this.config.file) === this.text && digestOf(this.text) === this.config.sha256;
    if (isSame) return;
    throw new KleidiError(
      "config-invalid/changed",
      `Cannot change the keys: ${this.config.file} was changed by another program meanwhile`,
    );
  }
}

/** The history as it would be: nothing is written. */
function withEvents(history: History, events: readonly HistoryEvent[], now: number): History {
  const at = new Date(now).toISOString();
  const lines = [...history.lines];
  for (const event of events) {
    const seq = (lines.at(-1)?.record.seq ?? 0) + 1;
    lines.push({ record: { seq, at, ...event }, text: "", sha256: "" });
  }
  return { ...history, lines };
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
