/** Quantities with a unit, as they are written in the file: `16MiB`, `2400ms`. */

/** A kind of quantity: its units, smallest first, and how people miswrite them. */
interface Kind {
  /** Unit → how many of the base unit it is. */
  readonly units: Readonly<Record<string, number>>;
  /** Other spellings, lower-case → how many of the base unit. Only ever used to suggest the right one. */
  readonly meant: Readonly<Record<string, number>>;
}

const K = 1024;
const bytes: Kind = {
  units: { KiB: K, MiB: K * K },
  meant: {
    "": 1,
    b: 1,
    k: K,
    kb: K,
    ki: K,
    m: K * K,
    mb: K * K,
    mi: K * K,
    g: K ** 3,
    gb: K ** 3,
    gi: K ** 3,
    gib: K ** 3,
  },
};
const time: Kind = {
  units: { ms: 1, s: 1000 },
  meant: { msec: 1, millis: 1, sec: 1000, second: 1000, seconds: 1000, m: 60_000, min: 60_000, h: 3_600_000 },
};

/** Bounds in the base unit (bytes, milliseconds); a value is a multiple of `step`. */
export interface Quantity {
  /** The value in the base unit; undefined when it is not written so or is out of bounds. */
  parse(text: string): number | undefined;
  /** What was likely meant, brought within the bounds; undefined when that cannot be told. */
  suggest(text: string): string | undefined;
}

/** Bytes, in KiB or MiB. */
export function memory(min: number, max: number, step: number): Quantity {
  return quantity(bytes, min, max, step);
}

/** Milliseconds, in ms or s. */
export function duration(min: number, max: number): Quantity {
  return quantity(time, min, max, 1);
}

function quantity(kind: Kind, min: number, max: number, step: number): Quantity {
  const factors = new Map(Object.entries(kind.units));
  const meant = new Map(Object.entries(kind.meant));
  for (const [unit, factor] of factors) meant.set(unit.toLowerCase(), factor);

  return {
    parse(text) {
      const [, digits, unit = ""] = /^(0|[1-9][0-9]{0,9})([A-Za-z]+)$/.exec(text) ?? [];
      const factor = factors.get(unit);
      if (digits === undefined || factor === undefined) return undefined;
      const value = Number(digits) * factor;
      return value >= min && value <= max && value % step === 0 ? value : undefined;
    },
    suggest(text) {
      const [, digits, unit = ""] = /^([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([A-Za-z]*)$/.exec(text) ?? [];
      const factor = meant.get(unit.toLowerCase());
      if (digits === undefined || factor === undefined) return undefined;
      const stepped = Math.round((Number(digits) * factor) / step) * step;
      const value = Math.min(max, Math.max(min, stepped));
      const [name, size] = [...factors].findLast(([, size]) => value % size === 0) ?? [];
      return name === undefined || size === undefined ? undefined : `${value / size}${name}`;
    },
  };
}
