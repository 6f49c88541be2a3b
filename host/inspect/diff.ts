/**
 * Compares the authority of two modules: the operations that their code can reach, the requests of their manifests, and the maximum
 * sizes of their instances. Pure. A change is "wider" if an approval of the old module does not cover it.
 */
import { KLEIDI } from "../module/contract.ts";
import type { AuthorityRow, Report } from "./report.ts";

export type Direction = "wider" | "narrower" | "neither";

/** One difference between two modules. */
export interface Change {
  readonly direction: Direction;
  /** Kind of the change; stable between versions of this format. */
  readonly change: ChangeKind;
  /** The changed object, such as `encrypt: keystore.seal`. */
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

export interface ComparedModule {
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
  readonly name: string;
  readonly version: string;
  /** True if admission would refuse it; `kleidi inspect` shows the reasons. */
  readonly refused: boolean;
}

/** The result of a comparison. */
export interface Diff {
  /** Version of this format. */
  readonly diff: 1;
  readonly verdict: "same" | "widened" | "narrowed" | "both";
  readonly old: ComparedModule;
  readonly new: ComparedModule;
  /** Wider changes first, then narrower, then neutral ones. */
  readonly changes: readonly Change[];
}

/** The report of a module that was read to its end and has a valid manifest. */
export type ComparableReport = Report & {
  readonly manifest: Exclude<Report["manifest"], { readonly fault: string }>;
};

/**
 * Returns the reason why a module cannot be compared, as a clause about the module; undefined if it can. Its authority is unknown
 * then, so it must not pass for a module without authority.
 */
export function incomparableReason({ module, manifest }: Report): string | undefined {
  if (module.stopped !== null) return `reading stops at byte ${module.stopped.at}: ${module.stopped.why}`;
  return "fault" in manifest ? manifest.fault : undefined;
}

export function isComparable(report: Report): report is ComparableReport {
  return incomparableReason(report) === undefined;
}

/** Compares two modules. */
export function diff(before: ComparableReport, after: ComparableReport): Diff {
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
  return { diff: 1, verdict, old: comparedModuleOf(before), new: comparedModuleOf(after), changes };
}

function comparedModuleOf({ file, manifest: { name, version }, verdict }: ComparableReport): ComparedModule {
  return { ...file, name, version, refused: verdict === "refuse" };
}

const NEITHER = "neither requested nor reached";

/** Compares each operation of each RPC: the request of the manifest and the reach of the code. */
function operations(before: ComparableReport, after: ComparableReport): Change[] {
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
    if (is(a, "requested") && is(b, "requested")) changed.push(...reasons(of, a, b));
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
  if (is(row, "requested")) return is(row, "used") ? "requested and reached" : "requested but not reached";
  return is(row, "used") ? "reached but not requested" : NEITHER;
}

/** Compares the reasons for the same authority: an approval of the old reason may not cover the new one. */
function reasons(of: string, a: AuthorityRow | undefined, b: AuthorityRow | undefined): Change[] {
  const [before, after] = [a?.why.join("; ") ?? "", b?.why.join("; ") ?? ""];
  return before === after ? [] : [{ direction: "neither", change: "why", of, before, after }];
}

/** Compares the exported RPCs. A module that exports kleidi_provision can be asked to create keys. */
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

/** Compares sizes. The maximum size is authority over the node's memory; the initial size is not. */
function growth(
  change: "memory" | "table",
  [a]: Report["module"]["memories"],
  [b]: Report["module"]["memories"],
  of: string,
): Change[] {
  const most = (range: typeof a) => (range === undefined ? 0 : (range.max ?? Number.POSITIVE_INFINITY));
  const text = (range: typeof a) =>
    range === undefined ? "none" : `${range.min}, at most ${range.max ?? "what the host allows"}`;
  if (text(a) === text(b)) return [];
  const direction = most(b) > most(a) ? "wider" : most(b) < most(a) ? "narrower" : "neither";
  return [{ direction, change, of, before: text(a), after: text(b) }];
}

/** Compares the imported host calls that no RPC can reach. They give no authority, but the reviewer should ask for their purpose. */
function imports(before: Report, after: Report): Change[] {
  const unreached = ({ module: { imports } }: Report) =>
    imports
      .filter(({ module, reachedBy }) => module.startsWith(KLEIDI) && reachedBy.length === 0)
      .map(({ module, name }) => `${module} ${name}`);
  return sets(unreached(before), unreached(after)).map(({ value, added }) => ({
    direction: "neither",
    change: "import",
    of: value,
    before: added ? "not imported, or reached" : "imported, and no RPC can reach it",
    after: added ? "imported, and no RPC can reach it" : "not imported, or reached",
  }));
}

function facts({ manifest: a }: ComparableReport, { manifest: b }: ComparableReport): Change[] {
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
