/** Checks of the initial sizes of memory and table. Their maxima need no check, because the host sets them. */
import type { Check, CheckInput } from "./check.ts";
import { partFaults, wasRead } from "./module-checks.ts";

const TABLE_SECTION = 4;
const MEMORY_SECTION = 5;
const PAGE = 65_536;

type Limit = CheckInput["partial"]["memories"][number];

export function memory({ partial, limits }: CheckInput): Check {
  const most = Math.floor(limits.memoryBytes / PAGE);
  const { memories } = partial;
  return {
    check: "memory",
    expectation: `an initial size of at most ${most} pages of 64 KiB (limits.memory)`,
    good: wasRead(partial, MEMORY_SECTION) ? describe(memories, most, "page", "no memory") : undefined,
    found: tooLarge(memories, most, "page"),
  };
}

export function tables({ partial, limits }: CheckInput): Check {
  const most = limits.tableEntries;
  const { tables } = partial;
  const more = partFaults(partial, "tables");
  return {
    check: "table",
    expectation: `at most one table, with an initial size of at most ${most} entries (limits.tableEntries)`,
    good: wasRead(partial, TABLE_SECTION) ? describe(tables, most, "entry", "no table") : undefined,
    found: [...more, ...tooLarge(tables, most, "entry")],
  };
}

function describe(all: readonly Limit[], most: number, unit: "page" | "entry", none: string): string {
  if (all.length === 0) return none;
  return all
    .map(({ min, max }) => {
      const declared = max === undefined ? "no maximum declared" : `declares at most ${max}`;
      return `has an initial size of ${counted(min, unit)}, ${declared}; may grow to ${Math.min(max ?? most, most)}`;
    })
    .join("; ");
}

function tooLarge(all: readonly Limit[], most: number, unit: "page" | "entry"): Check["found"] {
  return all
    .filter(({ min }) => min > most)
    .map(({ min }) => ({
      severity: "refuse",
      actual: `has an initial size of ${counted(min, unit)}, at most ${most} are allowed`,
    }));
}

function counted(count: number, unit: "page" | "entry"): string {
  if (count === 1) return `1 ${unit}`;
  return `${count} ${unit === "page" ? "pages" : "entries"}`;
}
