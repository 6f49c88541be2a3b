/**
 * What authority a new module has more or less than an old one: what its code can reach, what its manifest requests, what its
 * instance may grow to. Pure. Wider is what an approval of the old one does not cover.
 */
import { KLEIDI } from "../module/contract.ts";
import type { AuthorityRow, Report } from "./report.ts";

export type Direction = "wider" | "narrower" | "neither";

export interface Change {
  readonly direction: Direction;
  /** What changed: a word that stays the same between versions of the shape. */
  readonly change: ChangeKind;
  /** In which RPC, or of what. */
  readonly of: string;
  readonly before: string;
  readonly after: string;
}

export type ChangeKind =
  | "operation"
  | "why"
  | "rpc"
  | "memory"
  | "table"
  | "import"
  | "name"
  | "version"
  | "abi";

export interface Side {
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
  readonly name: string;
  readonly version: string;
  /** Whether admission would refuse it; `kleidi inspect` says why. */
  readonly refused: boolean;
}

export interface Diff {
  /** The version of this shape. */
  readonly diff: 1;
  readonly verdict: "same" | "widened" | "narrowed" | "both";
  readonly old: Side;
  readonly new: Side;
  /** What is wider first. */
  readonly changes: readonly Change[];
}

/** A report of a module that can be compared. */
export type Readable = Report & {
  readonly manifest: Exclude<Report["manifest"], { readonly fault: string }>;
};

/** Why a module cannot be compared, as the second half of a sentence. Its authority cannot be told. */
export function unreadable({ module, manifest }: Report): string | undefined {
  if (module.stopped !== null) return `reading stops at byte ${module.stopped.at}: ${module.stopped.why}`;
  return "fault" in manifest ? manifest.fault : undefined;
}

export function isReadable(report: Report): report is Readable {
  return unreadable(report) === undefined;
}

export function diff(before: Readable, after: Readable): Diff {
  const order: readonly Direction[] = ["wider", "narrower", "neither"];
  const changes = [
    ...operations(before, after),
    ...rpcs(before, after),
    ...growth("memory", before.module.memories, after.module.memories, "pages of 64 KiB"),
    ...growth("table", before.module.tables, after.module.tables, "entries"),
    ...imports(before, after),
    ...facts(before, after),
  ].sort((a, b) => order.indexOf(a.direction) - order.indexOf(b.direction));
  const has = (direction: Direction) => changes.some((change) => change.direction === direction);
  const [wider, narrower] = [has("wider"), has("narrower")];
  const verdict = wider && narrower ? "both" : wider ? "widened" : narrower ? "narrowed" : "same";
  return { diff: 1, verdict, old: sideOf(before), new: sideOf(after), changes };
}

function sideOf({ file, manifest: { name, version }, verdict }: Readable): Side {
  return { ...file, name, version, refused: verdict === "refuse" };
}

const NONE = "neither requested nor reached";

/** Each operation of each RPC: what the manifest requests, and what the code can reach, whichever of the two changed. */
function operations(before: Readable, after: Readable): Change[] {
  const [old, now] = [rowsOf(before), rowsOf(after)];
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((key): Change[] => {
    const [a, b] = [old.get(key), now.get(key)];
    const { rpc, capability, operation } = (b ?? a) as AuthorityRow;
    const of = `${rpc}: ${capability}.${operation}`;
    const changed: Change[] = [];
    const change = { change: "operation", of, before: state(a), after: state(b) } as const;
    const more = (is(b, "requested") && !is(a, "requested")) || (is(b, "used") && !is(a, "used"));
    const less = (is(a, "requested") && !is(b, "requested")) || (is(a, "used") && !is(b, "used"));
    if (more) changed.push({ direction: "wider", ...change });
    if (less) changed.push({ direction: "narrower", ...change });
    if (is(a, "requested") && is(b, "requested")) changed.push(...whys(of, a, b));
    return changed;
  });
}

function rowsOf({ authority }: Report): Map<string, AuthorityRow> {
  return new Map(authority.map((row) => [JSON.stringify([row.rpc, row.capability, row.operation]), row]));
}

function is(row: AuthorityRow | undefined, what: "requested" | "used"): boolean {
  return row?.[what] === true;
}

function state(row: AuthorityRow | undefined): string {
  if (is(row, "requested")) return is(row, "used") ? "requested and reached" : "requested and not reached";
  return is(row, "used") ? "reached and not requested" : NONE;
}

/** Another reason for the same authority: the approval of the old reason may not be one of the new. */
function whys(of: string, a: AuthorityRow | undefined, b: AuthorityRow | undefined): Change[] {
  const [before, after] = [a?.why.join("; ") ?? "", b?.why.join("; ") ?? ""];
  return before === after ? [] : [{ direction: "neither", change: "why", of, before, after }];
}

/** A module that exports kleidi_provision can be asked to make keys. */
function rpcs(before: Report, after: Report): Change[] {
  return sets(
    before.rpcs.map(({ export: name }) => name),
    after.rpcs.map(({ export: name }) => name),
  ).map(({ value, added }) => ({
    direction: added ? "wider" : "narrower",
    change: "rpc",
    of: value,
    before: added ? "not exported" : "exported",
    after: added ? "exported" : "not exported",
  }));
}

/** What it may grow to is authority over the node's memory; what it begins with is not, as long as it is no more than that. */
function growth(
  change: "memory" | "table",
  [a]: Report["module"]["memories"],
  [b]: Report["module"]["memories"],
  of: string,
): Change[] {
  const most = (range: typeof a) => (range === undefined ? 0 : (range.max ?? Number.POSITIVE_INFINITY));
  const said = (range: typeof a) =>
    range === undefined ? "none" : `${range.min}, at most ${range.max ?? "what the host allows"}`;
  if (said(a) === said(b)) return [];
  const direction = most(b) > most(a) ? "wider" : most(b) < most(a) ? "narrower" : "neither";
  return [{ direction, change, of, before: said(a), after: said(b) }];
}

/** A host call that no RPC can reach gives nothing, and is worth a question. */
function imports(before: Report, after: Report): Change[] {
  const idle = ({ module: { imports } }: Report) =>
    imports
      .filter(({ module, reachedBy }) => module.startsWith(KLEIDI) && reachedBy.length === 0)
      .map(({ module, name }) => `${module} ${name}`);
  return sets(idle(before), idle(after)).map(({ value, added }) => ({
    direction: "neither",
    change: "import",
    of: value,
    before: added ? "not imported, or reached" : "imported, and no RPC can reach it",
    after: added ? "imported, and no RPC can reach it" : "not imported, or reached",
  }));
}

function facts({ manifest: a }: Readable, { manifest: b }: Readable): Change[] {
  return (["name", "version", "abi"] as const).flatMap((change): Change[] => {
    const [before, after] = [String(a[change]), String(b[change])];
    return before === after ? [] : [{ direction: "neither", change, of: "manifest", before, after }];
  });
}

function sets(before: readonly string[], after: readonly string[]): { value: string; added: boolean }[] {
  return [
    ...after.filter((value) => !before.includes(value)).map((value) => ({ value, added: true })),
    ...before.filter((value) => !after.includes(value)).map((value) => ({ value, added: false })),
  ];
}
