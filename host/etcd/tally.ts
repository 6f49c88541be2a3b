/** Counts objects by resource and by the way in which they are encrypted. */
import { EtcdFault } from "./etcd-fault.ts";
import type { StoredKey } from "./revisions.ts";
import { readStoredValue, type StoredValue } from "./stored-value.ts";

const MAX_GROUPS = 20_000;
/** Names that are kept of each group, and the length of one. */
const MAX_NAMES = 20;
const MAX_NAME = 600;

/** Objects of one resource that are encrypted alike. */
export interface Group {
  /** "secrets", "widgets.example.com". */
  readonly resource: string;
  readonly stored: StoredValue;
  readonly count: number;
  /** The first keys of etcd, untrusted text; of a damaged object also its problem. */
  readonly names: readonly string[];
}

type Row = { -readonly [key in keyof Group]: Group[key] } & { names: string[] };

export class StoredTally {
  readonly #prefix: string;
  readonly #rows = new Map<string, Row>();
  objects = 0;

  /** @param prefix "/registry" */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** @throws EtcdFault there are too many groups */
  add({ key, value }: StoredKey): void {
    const resource = resourceOf(key.slice(this.#prefix.length));
    const stored = readStoredValue(value);
    const isDamaged = stored.kind === "damaged";
    const id = JSON.stringify([resource, isDamaged ? stored.kind : stored]);
    let row = this.#rows.get(id);
    if (row === undefined) {
      if (this.#rows.size >= MAX_GROUPS)
        throw new EtcdFault(
          `it has more than ${MAX_GROUPS} pairs of a resource and a key_id`,
          "Give a longer --prefix, such as /registry/secrets.",
        );
      row = { resource, stored, count: 0, names: [] };
      this.#rows.set(id, row);
    }
    row.count += 1;
    const name = key.slice(0, MAX_NAME);
    if (row.names.length < MAX_NAMES) row.names.push(isDamaged ? `${name}: ${stored.problem}` : name);
    this.objects += 1;
  }

  /** The groups, in the order of their resources, whatever the order of the objects was. */
  groups(): Group[] {
    const sorted = [...this.#rows].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return sorted.map(([, row]) => ({ ...row, names: row.names.toSorted() }));
  }
}

/**
 * The resource of a key. Custom resources and some others are stored under their group.
 * @param path the key after the prefix
 * @example resourceOf("/secrets/default/a") === "secrets"
 * @example resourceOf("/example.com/widgets/default/a") === "widgets.example.com"
 */
export function resourceOf(path: string): string {
  const [, first = "", second = "", third] = path.split("/", 4);
  if (first === "services" && (second === "specs" || second === "endpoints"))
    return second === "specs" ? "services" : "endpoints";
  return first.includes(".") && third !== undefined ? `${second}.${first}` : first;
}
