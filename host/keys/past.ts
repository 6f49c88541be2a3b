/** The past of each key, derived from the history. Times are milliseconds since 1970. */
import type { Change, HistoryRecord, KeyUse } from "./record.ts";

export interface KeyPast {
  readonly name: string;
  readonly provider: string;
  /** When it came into the configuration, decrypt-only. Absent: before the history began, so it may have been active then. */
  stagedAt?: number;
  /** When a command began to create it. */
  createdAt?: number;
  /** When it became active in the configuration for the first time, or the history began with it. */
  activeFrom?: number;
  /** When another key became active instead. */
  activeUntil?: number;
  retiredAt?: number;
  /** When the running host was first seen to encrypt with it. */
  servedAt?: number;
  /** It became active again after another key was. */
  returned?: true;
}

export interface Past {
  readonly keys: ReadonlyMap<string, KeyPast>;
  /** The use of each key in the configuration, as the history knows it. */
  readonly uses: ReadonlyMap<string, KeyUse["use"]>;
  readonly active: string | undefined;
  /** When the active key was promoted, or the history began with it. */
  readonly promotedAt: number | undefined;
  /** The last change, if its outcome is not recorded: the command was interrupted. */
  readonly pending: (Change & { readonly seq: number }) | undefined;
}

/** @returns the past of all keys; of none if the history is empty */
export function pastOf(records: readonly HistoryRecord[]): Past {
  const reading = new Reading();
  for (const record of records) reading.apply(record);
  return reading;
}

/** True if this key encrypted once and does no more, or may have: its key_id must not become active. */
export function mayHaveBeenActive(past: Past, name: string): boolean {
  const key = past.keys.get(name);
  if (key === undefined || past.active === name) return false;
  return key.activeFrom !== undefined || (key.stagedAt ?? key.createdAt) === undefined;
}

class Reading implements Past {
  readonly keys = new Map<string, KeyPast>();
  readonly uses = new Map<string, KeyUse["use"]>();
  active: string | undefined;
  promotedAt: number | undefined;
  pending: Past["pending"];

  apply(record: HistoryRecord): void {
    const at = Date.parse(record.at);
    if (record.event === "begin" || record.event === "recover") this.#begin(record.keys, at);
    if (record.event === "recover") for (const name of record.former) this.#key({ name, provider: "" });
    if (record.event === "create")
      this.#key({ name: record.key, provider: record.provider }).createdAt ??= at;
    if (record.event === "found") this.#find(record.keys, at);
    if (record.event === "stage" || record.event === "promote" || record.event === "retire")
      this.pending = record;
    if (record.event === "done" || record.event === "undone") {
      const change = this.pending;
      this.pending = undefined;
      if (change !== undefined && record.event === "done") this.#perform(change, at);
    }
    if (record.event === "serve") this.#key({ name: record.key, provider: "" }).servedAt ??= at;
  }

  #begin(keys: readonly KeyUse[], at: number): void {
    this.uses.clear();
    this.pending = undefined;
    for (const key of keys) {
      this.#key(key);
      this.uses.set(key.name, key.use);
      if (key.use === "active") this.#activate(key, at);
    }
  }

  #find(keys: readonly KeyUse[], at: number): void {
    const names = new Set(keys.map(({ name }) => name));
    for (const name of this.uses.keys()) if (!names.has(name)) this.#retire(name, at);
    for (const key of keys) {
      const known = this.keys.get(key.name);
      if (known === undefined || (known.createdAt !== undefined && known.retiredAt === undefined))
        this.#key(key).stagedAt ??= at;
      this.uses.set(key.name, key.use);
    }
    const active = keys.find(({ use }) => use === "active");
    if (active !== undefined && active.name !== this.active) this.#activate(active, at);
  }

  #perform(change: Change, at: number): void {
    const key = { name: change.key, provider: change.provider };
    if (change.event === "retire") this.#retire(change.key, at);
    if (change.event === "stage") {
      this.#key(key).stagedAt ??= at;
      this.uses.set(change.key, "decrypt");
    }
    if (change.event === "promote") this.#activate(key, at);
  }

  #activate(of: Omit<KeyUse, "use">, at: number): void {
    const former = this.active === undefined ? undefined : this.keys.get(this.active);
    if (former !== undefined && former.name !== of.name) {
      former.activeUntil = at;
      if (this.uses.has(former.name)) this.uses.set(former.name, "decrypt");
    }
    const key = this.#key(of);
    if (key.activeUntil !== undefined) key.returned = true;
    delete key.servedAt;
    key.activeFrom ??= at;
    this.uses.set(of.name, "active");
    this.active = of.name;
    this.promotedAt = at;
  }

  #retire(name: string, at: number): void {
    this.uses.delete(name);
    const key = this.keys.get(name);
    if (key !== undefined) key.retiredAt = at;
  }

  #key({ name, provider }: Omit<KeyUse, "use">): KeyPast {
    const known = this.keys.get(name);
    if (known !== undefined) return known;
    const key: KeyPast = { name, provider };
    this.keys.set(name, key);
    return key;
  }
}
